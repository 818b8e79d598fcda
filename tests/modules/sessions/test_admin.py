"""The operator's way to Sessions: they grow, they end, and then they stay as they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlmodel import select
from typer.testing import CliRunner

from modules.sessions.cli import session_app
from modules.sessions.own import put_own
from ocpi.opening import open_context
from ocpi.push.feed import SyncObject
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import OURS, OWNER, Service, add_party, open_service
from tests.plainlog import log_plainly

LIST = "/admin/sessions"
URL = f"{LIST}/NL/TNM/SESSION-1"
Document = dict[str, Any]


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def each_service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        yield opened


def session(**over: Any) -> Document:
    return samples.session(**{**OWNER, **over})


def plain(document: Any) -> Any:
    return decode(encode(document))


async def feed(service: Service) -> list[SyncObject]:
    async with service.database.read() as db:
        return list((await db.exec(select(SyncObject))).all())


@pytest.mark.req("SE-09", "SE-11")
async def test_a_session_is_put_grows_and_is_told_to_its_emsp(service: Service) -> None:
    first = await service.admin.put(URL, json=session())
    assert (first.status_code, decode(first.content)) == (201, plain(session()))
    period = samples.charging_period("2026-01-15T10:00:00Z", 2.5)
    changes = {"kwh": 13, "charging_periods": [period]}
    patched = await service.admin.patch(URL, json=changes)
    body = decode(patched.content)
    assert patched.status_code == 200
    assert body["charging_periods"] == plain([samples.charging_period(), period])
    assert body["last_updated"] > first.json()["last_updated"]
    assert decode((await service.admin.get(URL)).content) == body
    (row,) = await feed(service)
    assert (row.key, row.audience, row.stream) == (
        "sessions/nl*tnm*session-1",
        "de*msp",
        "money",
    )
    assert decode(row.patch or "") == plain({**changes, "last_updated": body["last_updated"]})


@pytest.mark.req("SE-11")
async def test_only_periods_that_are_new_are_told(service: Service) -> None:
    await service.admin.put(URL, json=session())
    new = samples.charging_period("2026-01-15T10:00:00Z", 2.5)
    periods = [samples.charging_period(), new]
    await service.admin.patch(URL, json={"charging_periods": periods})
    body = decode((await service.admin.get(URL)).content)
    assert body["charging_periods"] == plain(periods)
    (row,) = await feed(service)
    assert decode(row.patch or "")["charging_periods"] == plain([new])


@pytest.mark.req("SE-12")
async def test_a_period_that_has_grown_is_told_by_the_whole_session(service: Service) -> None:
    at = "2026-01-15T10:00:00Z"
    first, grown, new = (
        samples.charging_period(at, 1),
        samples.charging_period(at, 5),
        samples.charging_period("2026-01-15T10:30:00Z", 2),
    )
    await service.admin.put(URL, json=session(charging_periods=[first]))
    changes = {"kwh": 5, "charging_periods": [grown, new]}
    body = decode((await service.admin.patch(URL, json=changes)).content)
    assert (body["kwh"], body["charging_periods"]) == (5, plain([grown, new]))
    (row,) = await feed(service)
    assert row.patch is None


@pytest.mark.req("SE-15")
@pytest.mark.parametrize("status", ["PENDING", "RESERVATION"])
async def test_a_session_that_waits_begins_when_it_becomes_active(
    service: Service, status: str
) -> None:
    created, active = "2026-01-15T09:00:00Z", "2026-01-15T09:20:00Z"
    waiting = {"status": status, "start_date_time": created, "last_updated": created}
    await service.admin.put(URL, json=session(**waiting, charging_periods=[]))
    await service.admin.patch(URL, json={"kwh": 0, "last_updated": "2026-01-15T09:10:00Z"})
    still = decode((await service.admin.get(URL)).content)
    assert still["start_date_time"] == created
    await service.admin.patch(URL, json={"status": "ACTIVE", "last_updated": active})
    body = decode((await service.admin.get(URL)).content)
    assert (body["status"], body["start_date_time"]) == ("ACTIVE", active)
    (row,) = await feed(service)
    assert decode(row.patch or "")["start_date_time"] == active


@pytest.mark.req("SE-15")
async def test_a_session_that_has_begun_does_not_begin_earlier_by_a_put_that_comes_again(
    service: Service,
) -> None:
    undated = session(start_date_time="2026-01-15T09:00:00Z", charging_periods=[])
    del undated["last_updated"]
    await service.admin.put(URL, json={**undated, "status": "PENDING"})
    begun = await service.admin.put(URL, json={**undated, "status": "ACTIVE"})
    assert begun.json()["start_date_time"] > undated["start_date_time"]
    again = await service.admin.put(URL, json={**undated, "status": "ACTIVE"})
    assert (again.status_code, again.content) == (200, begun.content)
    done = await service.admin.put(URL, json={**undated, "status": "COMPLETED"})
    assert done.json()["start_date_time"] == begun.json()["start_date_time"]


@pytest.mark.req("SE-18")
async def test_a_reservation_without_an_evse_gets_one_when_it_is_used(service: Service) -> None:
    unknown = {"evse_uid": "#NA", "connector_id": "#NA"}
    await service.admin.put(URL, json=session(status="RESERVATION", **unknown))
    refused = await service.admin.patch(URL, json={"status": "ACTIVE"})
    assert refused.status_code == 400
    assert "#NA though it is no reservation (SE-18)" in refused.json()["error"]
    place = {"evse_uid": "EVSE-1", "connector_id": "1"}
    used = await service.admin.patch(URL, json={"status": "ACTIVE", **place})
    assert (used.status_code, used.json()["evse_uid"]) == (200, "EVSE-1")


@pytest.mark.req("SE-17", "SE-18")
@pytest.mark.parametrize("end", [{"status": "COMPLETED", "kwh": 0}, {"status": "INVALID"}])
async def test_a_reservation_that_nobody_used_ends_without_an_evse(
    service: Service, end: Document
) -> None:
    unknown = {"evse_uid": "#NA", "connector_id": "#NA"}
    await service.admin.put(URL, json=session(status="RESERVATION", **unknown))
    over = await service.admin.patch(URL, json=end)
    assert (over.status_code, over.json()["status"]) == (200, end["status"])


@pytest.mark.req("SE-15")
@pytest.mark.parametrize("status", ["PENDING", "RESERVATION"])
async def test_a_session_that_has_begun_does_not_wait_again(service: Service, status: str) -> None:
    await service.admin.put(URL, json=session())
    late = "2026-01-16T00:00:00Z"
    for answer in (
        await service.admin.patch(URL, json={"status": status}),
        await service.admin.put(URL, json=session(status=status, last_updated=late)),
    ):
        assert answer.status_code == 409
        assert answer.json()["error"].endswith("SESSION-1 is ACTIVE, and has begun for good")
    assert decode((await service.admin.get(URL)).content) == plain(session())


async def test_the_same_session_again_changes_and_tells_nothing(service: Service) -> None:
    await service.admin.put(URL, json=session())
    (before,) = await feed(service)
    undated = session()
    del undated["last_updated"]
    for answer in (
        await service.admin.put(URL, json=undated),
        await service.admin.patch(URL, json={"kwh": 10.5}),
    ):
        assert (answer.status_code, decode(answer.content)) == (200, plain(session()))
    assert await feed(service) == [before]


@pytest.mark.req("PP-09")
@pytest.mark.pitfall("IP-14")
async def test_changes_by_a_clock_without_fractions_are_taken_though_they_share_a_second(
    service: Service,
) -> None:
    second = "2026-01-15T10:00:00Z"
    dates = []
    for kwh in (0, 1, 1, 2):
        answer = await service.admin.put(URL, json=session(kwh=kwh, last_updated=second))
        body = answer.json()
        assert (answer.is_success, body.get("kwh")) == (True, kwh), body
        dates.append(body["last_updated"].removeprefix("2026-01-15T10:00:0"))
    assert dates == ["0Z", "0.001Z", "0.001Z", "0.002Z"]
    fraction = session(kwh=3, last_updated="2026-01-15T10:00:00.001Z")
    assert (await service.admin.put(URL, json=fraction)).status_code == 409


@pytest.mark.req("SE-14")
async def test_delete_makes_a_session_invalid_and_gives_it(service: Service) -> None:
    await service.admin.put(URL, json=session())
    for _ in range(2):
        answer = await service.admin.delete(URL)
        assert (answer.status_code, answer.json()["status"]) == (200, "INVALID")
    assert (await service.admin.get(URL)).json()["status"] == "INVALID"


@pytest.mark.req("SE-14")
async def test_a_completed_session_is_never_changed(service: Service) -> None:
    done = session(status="COMPLETED", end_date_time="2026-01-15T10:00:00Z")
    await service.admin.put(URL, json=done)
    for answer in (
        await service.admin.put(URL, json=session(last_updated="2026-01-16T00:00:00Z")),
        await service.admin.patch(URL, json={"kwh": 99}),
        await service.admin.delete(URL),
    ):
        assert answer.status_code == 409
        assert answer.json()["error"].endswith("SESSION-1 is COMPLETED, which is final")
    assert decode((await service.admin.get(URL)).content) == plain(done)


async def test_a_session_stays_the_one_of_the_emsp_that_was_told_of_it(service: Service) -> None:
    await service.admin.put(URL, json=session())
    stolen = {**samples.session()["cdr_token"], "party_id": "XXX"}
    later = "2026-02-01T00:00:00Z"
    for answer in (
        await service.admin.put(URL, json=session(cdr_token=stolen, last_updated=later)),
        await service.admin.patch(URL, json={"cdr_token": stolen}),
    ):
        assert answer.status_code == 409
        assert answer.json()["error"].endswith("SESSION-1 is of a driver of DE*MSP")
    assert decode((await service.admin.get(URL)).content) == plain(session())


EARLY = "2026-01-15T08:00:00Z"
BAD: list[tuple[str, str, Any, int, str]] = [
    ("PUT", URL, {}, 400, "is required"),
    ("PUT", URL, session(id="X"), 400, "id: the URL says 'SESSION-1'"),
    ("PUT", URL, session(party_id="XXX"), 400, "party_id: the URL says"),
    ("PUT", URL, session(currency="EURO"), 400, "currency: "),
    ("PUT", URL, session(last_updated="2020-01-01T00:00:00Z"), 409, "older than the stored"),
    ("PUT", URL, session(end_date_time=EARLY), 400, "end_date_time is before start_date_time"),
    ("PATCH", URL, {"end_date_time": EARLY}, 400, "end_date_time is before start_date_time"),
    ("PUT", URL, session(evse_uid="#NA"), 400, "#NA though it is no reservation"),
    ("PATCH", URL, {"connector_id": "#NA"}, 400, "#NA though it is no reservation"),
    ("PATCH", URL, {"id": "X"}, 400, "id: the URL says"),
    ("PATCH", URL, {"kwh": None}, 400, "kwh: can't be removed"),
    ("PATCH", f"{LIST}/NL/TNM/NO", {"kwh": 1}, 404, "There is no Session NO"),
    ("DELETE", f"{LIST}/NL/TNM/NO", None, 404, "There is no Session NO"),
    ("GET", f"{LIST}/NL/TNM/NO", None, 404, "There is no such object"),
    ("GET", f"{LIST}/DE/XXX/SESSION-1", None, 404, "DE*XXX is no party of ours"),
    ("GET", f"{LIST}?limit=0", None, 400, "limit: "),
    ("POST", LIST, {}, 405, "Method Not Allowed"),
]


async def test_bad_requests_say_why_and_change_nothing(service: Service) -> None:
    await service.admin.put(URL, json=session())
    for method, url, body, status, sentence in BAD:
        answer = await service.admin.request(method, url, json=body)
        assert (method, url, answer.status_code) == (method, url, status), answer.text
        assert sentence in answer.json()["error"]
    assert decode((await service.admin.get(URL)).content) == plain(session())


async def test_sessions_are_listed_newest_first_and_by_status(each_service: Service) -> None:
    admin = each_service.admin
    assert (await admin.get(LIST)).json() == {"total": 0, "sessions": []}
    for name, status in (("A", "ACTIVE"), ("B", "PENDING"), ("C", "ACTIVE")):
        await admin.put(f"{LIST}/NL/TNM/{name}", json=session(id=name, status=status))
    await admin.patch(f"{LIST}/NL/TNM/A", json={"status": "COMPLETED"})

    async def listed(query: str) -> tuple[int, list[str]]:
        page = (await admin.get(f"{LIST}{query}")).json()
        return page["total"], [each["id"] for each in page["sessions"]]

    assert await listed("") == (3, ["C", "B", "A"])
    assert await listed("?status=ACTIVE") == (1, ["C"])
    assert await listed("?status=NONE") == (0, [])
    assert await listed("?limit=1&offset=1") == (3, ["B"])


def run(*words: str) -> Any:
    result = CliRunner().invoke(session_app, words, catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout) if "--json" in words else result.stdout


async def prepare() -> None:
    async with open_context() as context:
        await add_party(context.database, OURS)
        await put_own(context.database, OURS, "SESSION-1", session())
        await put_own(context.database, OURS, "B", session(id="B", status="PENDING"))


@pytest.fixture
def installation(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the environment of an installation that holds two Sessions."""
    monkeypatch.setenv("OCPI_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("OCPI_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("COLUMNS", "200")
    asyncio.run(prepare())
    yield
    # Commands log to the standard error that a test's runner gave them and has closed by now.
    log_plainly()


@pytest.mark.usefixtures("installation")
def test_the_commands_list_and_show_sessions() -> None:
    assert run("list", "--json") == {
        "total": 2,
        "sessions": [session(id="B", status="PENDING"), session()],
    }
    assert run("list", "--json", "--status", "ACTIVE")["sessions"] == [session()]
    assert run("show", "session-1", "--json") == session()
    assert "2 of 2" in run("list")
    assert "ENERGY 10.5" in run("show", "SESSION-1")
    missing = CliRunner().invoke(session_app, ["show", "NO"])
    assert (missing.exit_code, missing.stderr) == (1, "error: There is no Session NO of NL*TNM.\n")
