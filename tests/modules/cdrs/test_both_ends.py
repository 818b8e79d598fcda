"""One service of ours tells another all that it has: both hold the same in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from ocpi.push.operating import list_parked
from ocpi.spec.document import decode
from ocpi.testing import samples
from tests.house import OWNER, RECEIVER, Service, calling, codes_of, data_of, open_service
from tests.modules.cdrs.ends import AWAY, EMSP, HEADERS, URLS, open_away, told
from tests.modules.cdrs.receiving import register, telling, until_nobody_is_behind

LOCATION, TARIFF = "locations/NL/TNM/LOC-1", "tariffs/NL/TNM/TARIFF-1"
SESSION, CDR = "sessions/NL/TNM/SESSION-1", "cdrs/NL/TNM/CDR-1"
CREDIT = f"{CDR}-C"


@pytest.fixture
async def home(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        yield opened


@pytest.fixture
async def away(tmp_path: Path) -> AsyncIterator[Service]:
    async with open_away(f"sqlite+aiosqlite:///{tmp_path}/away.sqlite") as opened:
        yield opened


@pytest.fixture
async def teller(home: Service, away: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with told(home, away, httpx.ASGITransport(away.app)) as client:
        yield client


def ours(document: dict[str, Any], **over: Any) -> dict[str, Any]:
    return {**document, **OWNER, **over}


async def change(home: Service, method: str, path: str, body: Any = None) -> None:
    """Change something at home, and wait until away has been told."""
    answer = await home.admin.request(method, f"/admin/{path}", json=body)
    assert answer.status_code in (200, 201, 204), answer.text
    await until_nobody_is_behind(home)
    assert await list_parked(home.database, "away") == []


async def same(home: Service, teller: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """Check that both hold the same document; gives it."""
    here = await home.admin.get(f"/admin/{path}")
    assert here.status_code == 200
    document: dict[str, Any] = decode(here.content)
    assert data_of(await teller.get(f"{RECEIVER}/{path}")) == document
    return document


@pytest.mark.req("LO-04", "LO-08", "LO-09", "LO-10", "LO-12", "TA-03", "CO-01")
async def test_locations_and_tariffs_are_the_same_at_both_ends(
    home: Service, teller: httpx.AsyncClient
) -> None:
    tariff = ours(samples.tariff(), x_note="kept")
    tariff["elements"][0]["price_components"][0]["price"] = 0.295
    await change(home, "PUT", TARIFF, tariff)
    await change(home, "PUT", LOCATION, ours(samples.location(), x_grid={"a": [1.50, None]}))
    first = samples.evse(1)
    for each in (first, *first["connectors"]):
        del each["last_updated"]
    for method, path, body in (
        ("PATCH", f"{LOCATION}/EVSE-1", {"status": "CHARGING"}),
        ("PATCH", f"{LOCATION}/EVSE-1/1", {"max_amperage": 16}),
        ("PUT", f"{LOCATION}/EVSE-4", samples.evse(4)),
        ("PATCH", LOCATION, {"name": "Lindenhof"}),
        ("DELETE", f"{LOCATION}/EVSE-2", None),
        ("PUT", LOCATION, ours(samples.location(evses=[first], last_updated=None))),
    ):
        await change(home, method, path, body)
        await same(home, teller, LOCATION)
    await same(home, teller, TARIFF)
    await change(home, "DELETE", LOCATION)
    await change(home, "DELETE", TARIFF)
    assert codes_of(await teller.get(f"{RECEIVER}/{TARIFF}")) == (404, 2000)


@pytest.mark.req("SE-09", "SE-10", "SE-11", "CD-03", "CD-04", "CD-06", "CD-09", "CD-10")
async def test_a_session_and_its_bills_are_the_same_at_both_ends(
    home: Service, teller: httpx.AsyncClient
) -> None:
    token = samples.cdr_token(country_code=EMSP.country_code, party_id=EMSP.party_id)
    session = ours(samples.session(charging_periods=[]), cdr_token=token, status="PENDING")
    await change(home, "PUT", SESSION, session)
    await same(home, teller, SESSION)
    for minute in (1, 2):
        at = f"2026-01-15T10:0{minute}:00Z"
        period = samples.charging_period(at, 1.25 * minute)
        changes = {"status": "ACTIVE", "kwh": 2 * minute, "charging_periods": [period]}
        changes["last_updated"] = at
        await change(home, "PATCH", SESSION, changes)
        assert len((await same(home, teller, SESSION))["charging_periods"]) == minute
    done = {**session, "status": "COMPLETED", "end_date_time": "2026-01-15T11:00:00Z"}
    periods = [samples.charging_period("2026-01-15T10:01:00Z", 3.75)]
    await change(home, "PUT", SESSION, {**done, "charging_periods": periods, "last_updated": None})
    assert (await same(home, teller, SESSION))["status"] == "COMPLETED"
    await change(home, "POST", "cdrs", ours(samples.cdr(), cdr_token=token))
    await change(home, "POST", f"{CDR}/credit")
    for path in (CDR, CREDIT):
        await same(home, teller, path)
    entries = decode((await home.admin.get("/admin/cdrs")).content)["cdrs"]
    urls = [entry["receipts"][0]["url"] for entry in entries]
    assert urls == [f"{AWAY}{RECEIVER}/{CREDIT}", f"{AWAY}{RECEIVER}/{CDR}"]
    for entry, url in zip(entries, urls, strict=True):
        assert data_of(await teller.get(urlsplit(url).path)) == entry["cdr"]


async def test_one_who_comes_late_is_told_what_there_is(home: Service, away: Service) -> None:
    token = samples.cdr_token(country_code=EMSP.country_code, party_id=EMSP.party_id)
    for method, path, body in (
        ("PUT", LOCATION, ours(samples.location())),
        ("PUT", TARIFF, ours(samples.tariff())),
        ("PUT", SESSION, ours(samples.session(), cdr_token=token)),
        ("POST", "cdrs", ours(samples.cdr(), cdr_token=token)),
    ):
        await home.admin.request(method, f"/admin/{path}", json=body)
    await register(home, "away", EMSP, URLS)
    async with telling(home, httpx.ASGITransport(away.app)):
        await until_nobody_is_behind(home)
    async with calling(away.app, HEADERS) as client:
        for path in (LOCATION, TARIFF, SESSION, CDR):
            await same(home, client, path)
