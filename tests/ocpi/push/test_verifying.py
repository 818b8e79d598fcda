"""What partners hold is compared with what they should hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any

import httpx
import pytest

from modules.locations.own import store_own
from modules.locations.parts import Place
from ocpi.app import create_app
from ocpi.catalogue import SOURCES
from ocpi.client import Client
from ocpi.database import Database
from ocpi.envelope import wrap
from ocpi.errors import InvalidParameters, UnknownObject
from ocpi.headers import Party
from ocpi.push.operating import list_lanes, list_parked
from ocpi.push.verifying import Verdict, Verification, Wanted, verify
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import ADMIN_TOKEN, HUB, OURS, OWNER, Service, calling, open_service
from tests.modules.cdrs.receiving import register, telling, until_nobody_is_behind
from tests.ocpi.hub.town import CPO1, open_town, pushing, success
from tests.ocpi.push.simulated import envelope
from tests.ocpi.push.world import until, until_found

ONE = Party("DE", "ONE")
QUICK = Wanted(rate=10_000)


class Holder:
    """A partner that keeps what it is PUT, and answers GETs from that."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}
        self.asked: list[str] = []
        self.refusal: httpx.Response | None = None
        """What GETs of objects are answered with instead."""
        self.gateway: httpx.Response | None = None
        """What everything is answered with instead, by who stands before it."""
        self.there = True

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if not self.there:
            raise httpx.ConnectError("nobody there")
        if self.gateway is not None:
            return self.gateway
        path = request.url.path
        if request.method == "PUT":
            self.held[path] = decode(request.content)
        if request.method != "GET":
            return envelope()
        self.asked.append(path)
        if self.refusal is not None:
            return self.refusal
        if path not in self.held:
            return envelope(2003, 404)
        return httpx.Response(200, content=wrap([encode(self.held[path]).encode()]))

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def each_service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        yield opened


@asynccontextmanager
async def told(service: Service) -> AsyncIterator[Holder]:
    """Give a partner that holds three Locations, a Tariff and a Session, and is told on."""
    for number in range(3):
        await put(service, f"locations/NL/TNM/L{number}", samples.location(id=f"L{number}"))
    await put(service, "tariffs/NL/TNM/T", samples.tariff(id="T"))
    token = samples.cdr_token(country_code="DE", party_id="ONE")
    for name, status in (("RUNS", "ACTIVE"), ("ENDED", "COMPLETED")):
        session = samples.session(id=name, status=status, cdr_token=token)
        await put(service, f"sessions/NL/TNM/{name}", session)
    await register(service, "one", ONE)
    holder = Holder()
    async with telling(service, holder.transport):
        await until_nobody_is_behind(service)
        yield holder


async def put(service: Service, path: str, document: dict[str, Any]) -> None:
    answer = await service.admin.put(f"/admin/{path}", json={**document, **OWNER})
    assert answer.is_success, answer.text


async def compare(service: Service, holder: Holder, wanted: Wanted = QUICK) -> Verification:
    client = Client(allow_private=True, transport=holder.transport)
    context = replace(service.context, client=client)
    done = await verify(context, SOURCES, "one", wanted)
    await client.close()
    return done


def found(done: Verification) -> dict[str, str]:
    return {each.object: each.verdict.value for each in done.findings}


async def test_only_what_has_drifted_is_told_again(each_service: Service) -> None:
    async with told(each_service) as holder:
        done = await compare(each_service, holder)
        assert (dict(done.counts), done.findings, done.after) == ({"equal": 5}, [], None)
        assert not any(path.endswith("ENDED") for path in holder.asked)
        lost, changed = "/locations/NL/TNM/L0", "/tariffs/NL/TNM/T"
        right = dict(holder.held)
        del holder.held[lost]
        holder.held[changed] = {**right[changed], "currency": "SEK"}
        drift = {"locations/nl*tnm*l0": "missing", "tariffs/nl*tnm*t": "different"}
        done = await compare(each_service, holder)
        assert (found(done), done.repaired) == (drift, 0)
        assert done.findings[1].why == "It differs in currency."
        del holder.held["/locations/NL/TNM/L1"]
        done = await compare(each_service, holder, replace(QUICK, module="tariffs", repair=True))
        assert done.repaired == 1
        await until(lambda: holder.held[changed] == right[changed])
        await compare(each_service, holder, replace(QUICK, repair=True))
        await until(lambda: holder.held == right)


async def test_a_partner_that_is_behind_has_not_drifted(each_service: Service) -> None:
    async with told(each_service) as holder:
        pass
    await put(each_service, "tariffs/NL/TNM/T", samples.tariff(id="T", currency="SEK"))
    assert found(await compare(each_service, holder)) == {"tariffs/nl*tnm*t": "behind"}


@pytest.mark.parametrize(
    ("refusal", "failed"),
    [
        (httpx.Response(404), False),
        (httpx.Response(405), False),
        (envelope(2000), False),
        (envelope(), False),
        (envelope(4001), False),
        (envelope(4002, 504), False),
        (envelope(4003), False),
        (envelope(4000), True),
        (envelope(3000, 500), True),
        (httpx.Response(401), True),
        (httpx.Response(200, text="<html>"), True),
    ],
)
async def test_who_does_not_answer_such_questions_cannot_be_compared(
    service: Service, refusal: httpx.Response, *, failed: bool
) -> None:
    async with told(service) as holder:
        pass
    await put(service, "locations/NL/TNM/L9", samples.location(id="L9"))
    holder.asked.clear()
    holder.refusal = refusal
    done = await compare(service, holder)
    assert set(found(done).values()) == {"incomparable"}
    # Who fails five times in a row is asked no more.
    assert (len(holder.asked), done.stopped is not None) == (5 if failed else 6, failed)


async def test_who_cannot_be_reached_is_asked_no_more(service: Service) -> None:
    async with told(service) as holder:
        pass

    holder.there = False
    done = await compare(service, holder)
    assert (done.counts.total(), done.after) == (5, "tariffs/nl*tnm*t")
    assert done.stopped is not None
    assert "no connection" in done.stopped


async def test_a_partner_that_asks_for_a_pause_gets_it(service: Service) -> None:
    async with told(service) as holder:
        pass
    pause = envelope(2000, 429)
    pause.headers["Retry-After"] = "1"
    holder.refusal = pause
    began = monotonic()
    await compare(service, holder, replace(QUICK, limit=1))
    assert monotonic() - began >= 1


async def test_the_admin_api_compares_some_objects_at_a_time(service: Service) -> None:
    async with told(service) as holder:
        pass
    client = Client(allow_private=True, transport=holder.transport)
    app = create_app(replace(service.context, client=client), worker=False)
    async with calling(app, {"Authorization": f"Bearer {ADMIN_TOKEN}"}) as admin:
        first = (await admin.post("/admin/push/one/verify", params={"limit": 4})).json()
        query = {"after": first["after"]}
        rest = (await admin.post("/admin/push/one/verify", params=query)).json()
    await client.close()
    assert (first["counts"]["equal"], first["after"]) == (4, "sessions/nl*tnm*runs")
    assert (rest["counts"]["equal"], rest["after"], rest["findings"]) == (1, None, [])


async def test_a_comparison_that_is_not_possible_is_refused(service: Service) -> None:
    await register(service, "one", ONE)
    with pytest.raises(InvalidParameters, match="locations, sessions, tariffs, tokens"):
        await compare(service, Holder(), replace(QUICK, module="cdrs"))
    with pytest.raises(UnknownObject, match="There is no partner nobody"):
        await verify(service.context, SOURCES, "nobody", QUICK)
    with pytest.raises(UnknownObject, match="Newcomer is not registered"):
        await verify(service.context, SOURCES, "Newcomer", QUICK)


async def test_at_the_hub_each_cpo_is_asked_for_the_tokens_that_it_was_told(
    sqlite_url: str,
) -> None:
    token = samples.token(country_code="DE", party_id="MSP")
    async with open_town(sqlite_url) as town:
        await town.emsp1.send("PUT", f"receiver/tokens/DE/MSP/{token['uid']}", token, to=HUB)
        async with pushing(town):
            await until(lambda: bool(town.cpo1.of("tokens")))
            await until_found(lambda: _is_told(town.context.database))
        town.cpo1.seen.clear()
        town.cpo1.answer = lambda _: success({**token, "valid": not token["valid"]})
        done = await verify(town.context, SOURCES, "cpo1", QUICK)
        (seen,) = town.cpo1.seen
    assert (seen.method, seen.query, seen.routing) == ("GET", "type=RFID", (CPO1.party, HUB))
    assert [each.why for each in done.findings] == ["It differs in valid."]


async def _is_told(database: Database) -> bool:
    return all(not lane["behind"] for lane in await list_lanes(database))


@pytest.mark.threat("TA-06")
async def test_an_object_that_no_url_can_name_is_incomparable_and_ends_nothing(
    service: Service,
) -> None:
    async with told(service) as holder:
        # One that was stored before such ids were refused.
        document = samples.location(id="..", **OWNER)
        async with service.database.write() as db:
            await store_own(db, OURS, Place(".."), document)
        await until_found(partial(parked, service))
        done = await compare(service, holder)
    sentence = "It cannot be told: a name of . or .. cannot stand in a URL."
    assert [(each.object, each.verdict, each.why) for each in done.findings] == [
        ("locations/nl*tnm*..", Verdict.INCOMPARABLE, sentence)
    ]
    assert done.counts[Verdict.EQUAL] == 5
    (kept,) = await parked(service)
    assert kept["error"] == sentence


async def parked(service: Service) -> list[dict[str, Any]]:
    return await list_parked(service.database, "one")
