"""Where a partner may want to be called back."""

from collections.abc import AsyncIterator

import pytest
from sqlmodel import col, select

from ocpi.callbacks import check_response_url, lies_with
from ocpi.errors import InvalidParameters
from ocpi.parties import Partner
from tests.ocpi.hub.town import EMSP1, EMSP2, Town, open_town


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    """Give a partner whose versions are at a host of their own, beside its endpoints."""
    async with open_town(database_url, (EMSP1, EMSP2)) as opened:
        url = "https://ocpi.msp.example/versions"
        hosts = ["results.example", "http://plain.example"]
        await opened.set_partner("emsp1", versions_url=url, options={"hosts": hosts})
        yield opened


async def key_of(town: Town, name: str) -> int:
    async with town.context.database.read() as db:
        return (await db.exec(select(Partner).where(col(Partner.name) == name))).one().key


THEIRS = [
    "https://emsp1.example/any",
    "https://ocpi.msp.example/any",
    "https://results.ocpi.msp.example/1?x=y",
    "https://results.example/1",
    "https://RESULTS.example:443/1",
]
FOREIGN = [
    "https://sub.results.example/1",
    "https://msp.example/1",
    "https://sub.emsp1.example/1",
    "https://notocpi.msp.example/1",
    "https://ocpi.msp.example.evil.example/1",
    "https://emsp2.example/1",
    # Whatever staff approved, we do not go there.
    "http://plain.example/1",
    "http://results.example/1",
    "https://results.example:8443/1",
    "https://results.example@evil.example/1",
]


@pytest.mark.req("CM-07")
@pytest.mark.parametrize("url", THEIRS)
async def test_a_partner_is_called_back_where_its_endpoints_may_lie(town: Town, url: str) -> None:
    await check_response_url(town.context, await key_of(town, "emsp1"), url)


@pytest.mark.threat("TA-08", "TA-27")
@pytest.mark.parametrize("url", FOREIGN)
async def test_a_partner_is_called_back_nowhere_else(town: Town, url: str) -> None:
    with pytest.raises(InvalidParameters, match="response_url"):
        await check_response_url(town.context, await key_of(town, "emsp1"), url)


@pytest.mark.threat("TA-08", "TA-27")
async def test_what_is_approved_no_more_is_no_more_called_back(town: Town) -> None:
    mine, other = await key_of(town, "emsp1"), await key_of(town, "emsp2")
    database, url = town.context.database, "https://results.example/1"
    assert await lies_with(database, mine, url)
    assert not await lies_with(database, other, url)
    assert not await lies_with(database, 999, url)
    await town.set_partner("emsp1", options={})
    assert not await lies_with(database, mine, url)
    await town.set_partner("emsp1", versions_url=None)
    assert not await lies_with(database, mine, "https://ocpi.msp.example/1")
    assert await lies_with(database, mine, "https://emsp1.example/1")
