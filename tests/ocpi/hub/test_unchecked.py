"""Where a check is required, the hub carries nothing to a party that has not passed it."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update
from sqlmodel import col

from ocpi.parties import Partner
from ocpi.testing import samples
from tests.house import codes_of
from tests.ocpi.hub.town import CPO1, EMSP1, Town, open_town

C, M = CPO1.party, EMSP1.party
SESSION = samples.session(country_code="BE", party_id="BEC")
PATH = f"receiver/sessions/BE/BEC/{SESSION['id']}"


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url, require_check=True) as opened:
        yield opened


async def passes(town: Town, name: str) -> None:
    async with town.context.database.write() as db:
        await db.exec(update(Partner).where(col(Partner.name) == name).values(passed_at=1))


@pytest.mark.req("ST-12")
async def test_what_is_for_an_unchecked_party_is_not_carried_until_it_has_passed(
    town: Town,
) -> None:
    await passes(town, "cpo1")
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=M)
    assert codes_of(answer) == (200, 4003)
    assert not town.emsp1.seen
    refused = await town.emsp1.send("GET", "sender/locations", to=C)
    assert codes_of(refused) == (200, 2000)
    await passes(town, "emsp1")
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=M)
    assert codes_of(answer) == (200, 1000)
    assert len(town.emsp1.seen) == 1
