"""Where a check is required, the hub carries nothing to who has not passed it, nor from it."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update
from sqlmodel import col

from ocpi.parties import Partner
from ocpi.testing import samples
from tests.house import HUB, OURS, codes_of, envelope_of
from tests.ocpi.hub.town import CPO1, EMSP1, Town, open_town

C, M = CPO1.party, EMSP1.party
SESSION = samples.session(country_code="BE", party_id="BEC")
OF_MSP = samples.cdr_token(country_code="DE", party_id="MSP")
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


@pytest.mark.req("HC-11", "ST-12")
async def test_an_unchecked_party_tells_of_itself_and_reaches_no_other_party(town: Town) -> None:
    """To the others it is PLANNED, and they would be billed by it."""
    await passes(town, "emsp1")
    bill = samples.cdr(country_code="BE", party_id="BEC", cdr_token=OF_MSP)
    session = {**SESSION, "cdr_token": OF_MSP}
    for to in (M, None):
        for sent in (("PUT", PATH, session), ("POST", "receiver/cdrs", bill)):
            answer = await town.cpo1.send(*sent, to=to)
            assert codes_of(answer) == (200, 2000)
            assert "check" in envelope_of(answer)["status_message"]
    assert not town.emsp1.seen
    place = samples.location(country_code="BE", party_id="BEC", id="L1")
    shared = await town.cpo1.send("PUT", "receiver/locations/BE/BEC/L1", place, to=HUB)
    assert codes_of(shared) == (201, 1000)
    token = samples.token(country_code="GB", party_id="EMS", uid="T1")
    told = await town.emsp2.send("PUT", "receiver/tokens/GB/EMS/T1", token, to=OURS)
    assert codes_of(told)[1] == 1000
    await passes(town, "cpo1")
    assert codes_of(await town.cpo1.send("POST", "receiver/cdrs", bill)) == (200, 1000)
