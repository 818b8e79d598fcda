"""Whose a party is that a hub announces: that hub's, another one's, or its own."""

from collections.abc import AsyncIterator

import pytest

from modules.hubclientinfo.standing import bring_up_to_date
from ocpi.headers import Party
from tests.house import codes_of
from tests.modules.hubclientinfo.test_announcing import INFO, OTHER_HUB, announced
from tests.modules.hubclientinfo.test_standing import statuses
from tests.ocpi.hub.town import CPO1, EMSP1, Member, Town, open_town

HUB2 = OTHER_HUB.party
TWO_ROLES = Member("hub2", (*OTHER_HUB.roles, ("EMSP", Party("AT", "MSP"))), OTHER_HUB.interfaces)


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url, (CPO1, EMSP1, TWO_ROLES)) as opened:
        yield opened


@pytest.mark.threat("TA-28")
@pytest.mark.req("HC-04")
async def test_a_hub_may_announce_a_cpo_that_has_its_own_codes(town: Town) -> None:
    own = {**INFO, "party_id": "HUB"}
    assert codes_of(await town.hub2.send("PUT", "receiver/hubclientinfo/AT/HUB", own))[0] == 201
    await bring_up_to_date(town.context)
    told = await statuses(town)
    assert (told["CPO AT*HUB"], told["HUB AT*HUB"]) == ("CONNECTED", "CONNECTED")
    answer = await town.emsp1.send("GET", "sender/locations/L1", to=HUB2)
    assert codes_of(answer) == (200, 1000)
    assert [each.routing for each in town.hub2.seen] == [(HUB2, EMSP1.party)]
    # Any other role of its own is what its Credentials name.
    other = {**INFO, "party_id": "MSP"}
    assert codes_of(await town.hub2.send("PUT", "receiver/hubclientinfo/AT/MSP", other))[0] == 409
    assert await announced(town) == {"CPO AT*HUB": "CONNECTED"}
