"""A further party of ours is presented to the partners that we have."""

import pytest

from credentials.forms import NewParty
from credentials.introducing import add_and_introduce
from credentials.partners import add_partner, suspend
from ocpi.errors import Conflict
from ocpi.headers import Party
from ocpi.parties import PlatformID
from tests.credentials.network import EMSP, House, Puppet, credentials, envelope

SECOND = NewParty(country_code="NL", party_id="TWO", name="Second")


async def registered(house: House) -> str:
    """Give the token of a partner that is registered."""
    offered = await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])
    answer = await house.credentials("POST", offered.token, credentials())
    token: str = answer.json()["data"]["token"]
    await house.request("GET", "/versions", token)
    return token


@pytest.mark.req("CR-10", "CR-19")
async def test_a_further_party_is_presented_to_every_partner_that_is_registered(
    any_house: House, puppet: Puppet
) -> None:
    """Its objects were pushed, and a strict partner refused them: it had never heard of it."""
    await registered(any_house)
    await add_partner(any_house.context, "later", PlatformID.CPO, [("EMSP", Party("DE", "ABC"))])

    added = await add_and_introduce(any_house.context, SECOND)

    assert (added.party_id, added.told, added.untold) == ("TWO", ["acme"], [])
    assert [each["party_id"] for each in puppet.bodies[-1]["roles"]] == ["CPO", "TWO"]
    assert (await any_house.request("GET", "/versions", puppet.bodies[-1]["token"])).is_success


@pytest.mark.req("CR-14")
async def test_who_does_not_take_a_further_party_is_named_with_the_command_that_presents_it(
    house: House, puppet: Puppet
) -> None:
    token = await registered(house)
    puppet.answers["PUT /credentials"] = envelope(None, 2001, "Not agreed")

    added = await add_and_introduce(house.context, SECOND)

    (untold,) = added.untold
    assert (added.told, untold.partner, untold.command) == ([], "acme", "ocpi partner rotate acme")
    assert "answers HTTP 200 with status_code 2001: Not agreed." in untold.problem
    assert (await house.request("GET", "/versions", token)).status_code == 200


async def test_who_is_suspended_is_asked_for_nothing(house: House, puppet: Puppet) -> None:
    await registered(house)
    await suspend(house.context, "acme", suspended=True)
    puppet.seen.clear()
    (untold,) = (await add_and_introduce(house.context, SECOND)).untold
    assert untold.problem.startswith("It is suspended")
    assert puppet.seen == []


async def test_nobody_is_told_of_a_party_that_could_not_be_added(
    house: House, puppet: Puppet
) -> None:
    await registered(house)
    puppet.bodies.clear()
    with pytest.raises(Conflict):
        await add_and_introduce(house.context, SECOND.model_copy(update={"party_id": "CPO"}))
    assert puppet.bodies == []
