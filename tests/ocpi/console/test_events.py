"""Open pages are told when something has changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlmodel import select

import ocpi.console.events
from modules.locations.own import put_own
from modules.locations.parts import Place
from ocpi.console.events import Streams, state_of
from ocpi.database import DATABASE_ERRORS
from ocpi.parties import Partner
from ocpi.push.lanes import ParkedObject, open_lane
from ocpi.push.parking import Why
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from ocpi.testing.serving import serving
from tests.house import OURS, OWNER, Service, statements_of
from tests.ocpi.console.desk import COOKIE, desk_of
from tests.ocpi.push.world import until_found

CHANGED = "event: changed\n"


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocpi.console.events, "PAUSE", 0.05)


@asynccontextmanager
async def listening(
    service: Service, before: str | None = None
) -> AsyncIterator[AsyncIterator[str]]:
    """What a browser hears, message by message; the first one is the pause of reconnecting."""
    headers = {} if before is None else {"Last-Event-ID": before}
    async with (
        desk_of(service) as desk,
        serving(service.app) as base,
        httpx.AsyncClient(cookies={COOKIE: desk.cookie}, timeout=20) as client,
        client.stream("GET", f"{base}/console/events", headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.headers["cache-control"] == "no-store"
        messages = answer.aiter_text()
        known = await state_of(service.context)
        assert await anext(messages) == f"retry: 2000\nid: {known}\n\n"
        yield messages
        service.context.ending.set()


async def publish(service: Service, status: str = "AVAILABLE") -> None:
    location = samples.location(**OWNER)
    location["evses"][0]["status"] = status
    async with service.database.write() as db:
        await put_own(db, OURS, Place(location["id"]), decode(encode(location)))


async def test_a_page_is_told_of_a_change_once(any_service: Service) -> None:
    async with listening(any_service) as messages:
        await asyncio.sleep(0.2)  # A state must be known before it can change.
        await publish(any_service)
        assert (await anext(messages)).startswith(CHANGED)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(messages)


async def test_who_was_cut_off_is_told_what_changed_meanwhile(service: Service) -> None:
    before = await state_of(service.context)
    await publish(service)
    async with listening(service, before) as messages:
        assert (await anext(messages)).startswith(CHANGED)


async def test_what_only_time_changes_is_told_now_and_then(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocpi.console.events, "STALE", 0.1)
    async with listening(service) as messages:
        assert (await anext(messages)).startswith(CHANGED)


async def test_the_stream_ends_at_once_when_the_process_was_told_to_end(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocpi.console.events, "PAUSE", 60.0)
    async with listening(service) as messages:
        service.context.ending.set()
        async with asyncio.timeout(10):
            assert [each async for each in messages] == []


async def test_the_stream_ends_now_and_then_for_those_who_may_see_no_more(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocpi.console.events, "LIFETIME", 0.1)
    async with listening(service) as messages:
        assert [each async for each in messages] == []


async def test_whatever_a_page_shows_changes_the_state(any_service: Service) -> None:
    database = any_service.database
    states = [await state_of(any_service.context)]

    async def note() -> None:
        states.append(await state_of(any_service.context))

    await publish(any_service)
    await note()
    async with database.write() as db:
        partner = (await db.exec(select(Partner).where(Partner.name == "Example eMSP"))).one()
        await open_lane(db, partner.key)
    await note()
    async with database.write() as db:
        db.add(
            ParkedObject(
                partner_id=partner.key,
                object_key="cdrs/nl*tnm*1",
                seq=1,
                kind=Why.REJECTED.value,
                attempts=1,
                first_failed_at=0,
            )
        )
    await note()
    async with database.write() as db:
        parked = (await db.exec(select(ParkedObject))).one()
        parked.kind = Why.DROPPED.value
    await note()
    async with database.write() as db:
        (await db.get_one(Partner, partner.key)).suspended = True
    await note()
    async with database.write() as db:
        (await db.get_one(Partner, partner.key)).state = "offered"
    await note()
    assert len(set(states)) == len(states)
    assert await state_of(any_service.context) == states[-1]


async def test_the_stream_outlives_a_database_that_is_away(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is back, pages are told."""
    async with listening(service) as messages:
        await asyncio.sleep(0.2)

        def fail() -> None:
            raise DATABASE_ERRORS[-1]("away")

        with monkeypatch.context() as patch:
            patch.setattr(type(service.database), "read", lambda _self: fail())
            assert (await anext(messages)).startswith(CHANGED)
        assert (await anext(messages)).startswith(CHANGED)


async def test_streams_of_a_process_are_told_by_one_look(
    any_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocpi.console.events, "PAUSE", 60.0)
    with statements_of(any_service.database) as once:
        known = await state_of(any_service.context)
    streams = Streams(any_service.context)
    with statements_of(any_service.database) as together:
        states = await asyncio.gather(*(streams.state() for _ in range(50)))
    assert set(states) == {known}
    assert len(together) == len(once)


async def test_nobody_has_more_than_a_few_streams(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocpi.console.events, "MOST", 1)
    async with (
        desk_of(service) as desk,
        desk_of(service, name="bert") as other,
        serving(service.app) as base,
        httpx.AsyncClient(base_url=base, timeout=20) as client,
    ):
        annas, berts = ({"Cookie": f"{COOKIE}={each.cookie}"} for each in (desk, other))

        async def opened(headers: dict[str, str]) -> bool:
            async with client.stream("GET", "/console/events", headers=headers) as answer:
                return answer.status_code == 200

        async with client.stream("GET", "/console/events", headers=annas) as first:
            assert first.status_code == 200
            refused = await client.get("/console/events", headers=annas)
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "60"
            assert "You have 1 pages open: this one is not told of changes." in refused.text
            assert await opened(berts)
        # Who closes a page may open another one.
        assert await until_found(lambda: opened(annas))
        service.context.ending.set()
