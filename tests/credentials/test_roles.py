"""Roles that were agreed on, and that a partner presents only later."""

import pytest
from sqlmodel import select, update

from credentials.handshake import rotate
from credentials.partners import add_partner
from ocpi.headers import Party
from ocpi.parties import PlatformID
from ocpi.push.lanes import PartnerLane
from tests.credentials.network import EMSP, House, Puppet, credentials, envelope

LATER = ("NSP", Party("DE", "NSP"))


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
