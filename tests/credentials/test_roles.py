"""Roles that were agreed on, and that a partner presents only later."""

import pytest
from sqlmodel import select, update

from credentials.handshake import rotate
from credentials.partners import add_partner, add_role
from ocpi.errors import Conflict
from ocpi.headers import Party
from ocpi.parties import PlatformID
from ocpi.push.lanes import PartnerLane
from tests.credentials.network import EMSP, House, Puppet, credentials, envelope

LATER = ("NSP", Party("DE", "NSP"))


@pytest.mark.req("CR-12")
@pytest.mark.threat("TA-04")
@pytest.mark.usefixtures("puppet")
async def test_a_partner_that_gains_a_role_presents_it_once_that_is_agreed_to(
    any_house: House,
) -> None:
    """Every PUT that named it was refused, and staff had nothing to agree with."""
    offered = await add_partner(any_house.context, "acme", PlatformID.CPO, [EMSP])
    answer = await any_house.credentials("POST", offered.token, credentials())
    token = answer.json()["data"]["token"]
    grown = credentials("token-b2", roles=(EMSP, LATER))
    refused = await any_house.credentials("PUT", token, grown)
    assert refused.json()["status_code"] == 2001

    view = await add_role(any_house.context, "acme", LATER)

    assert [(each.role, each.party_id, each.name) for each in view.roles] == [
        ("EMSP", "MSP", "Example Mobility"),
        ("NSP", "NSP", None),
    ]
    assert (await any_house.credentials("PUT", token, grown)).json()["status_code"] == 1000
    with pytest.raises(Conflict, match=r"NSP DE\*NSP is a party of the partner acme already"):
        await add_role(any_house.context, "acme", LATER)


@pytest.mark.req("CR-12")
@pytest.mark.parametrize("rotating", [False, True])
async def test_who_presents_a_further_role_is_told_everything_from_the_start(
    house: House, puppet: Puppet, *, rotating: bool
) -> None:
    offered = await add_partner(house.context, "acme", PlatformID.CPO, [EMSP, LATER])
    answer = await house.credentials("POST", offered.token, credentials())
    token = answer.json()["data"]["token"]
    for roles, begun in (((EMSP,), False), ((EMSP, LATER), True), ((EMSP, LATER), False)):
        async with house.context.database.write() as db:
            await db.exec(update(PartnerLane).values(cursors={"state": 7}))
        if rotating:
            puppet.answers["PUT /credentials"] = envelope(credentials(roles=roles))
            await rotate(house.context, "acme")
        else:
            await house.credentials("PUT", token, credentials(roles=roles))
        async with house.context.database.read() as db:
            lane = (await db.exec(select(PartnerLane))).one()
        assert (lane.cursors.get("state", 0) == 0) is begun
