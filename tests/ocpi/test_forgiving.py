"""What partners get wrong is forgiven, counted, and told to staff with what is to be mended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlmodel import select

from credentials.partners import set_options, show_partner
from ocpi.client import Client, Target
from ocpi.context import Context
from ocpi.database import Database
from ocpi.forgiving import ADVICE, Forgiving, Habit, forgive, hearing, read
from ocpi.parties import Partner
from ocpi.spec.document import encode
from ocpi.spec.kinds import Tolerance
from ocpi.spec.locations import Location
from ocpi.spec.moments import parse_moment
from ocpi.testing import samples
from ocpi.tolerances import PartnerTolerance, store_tolerances, tolerances_of
from tests.house import (
    RECEIVER,
    RECEIVING,
    TOKEN,
    Service,
    codes_of,
    data_of,
    open_service,
    present,
)

LOCATIONS = "/ocpi/cpo/2.2.1/sender/locations"
AT_HUB = f"{RECEIVER}/locations/DE/CPO/LOC1"
IDS = {"X-Request-ID": "1", "X-Correlation-ID": "1"}
LOCATION = samples.location(country_code="DE", party_id="CPO", id="LOC1")


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url, offers=RECEIVING) as opened:
        yield opened


@pytest.fixture
async def each_service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url, offers=RECEIVING) as opened:
        yield opened


def noted(context: Context, partner: str) -> dict[str, str]:
    """Give what a partner needed until now, each rule with its sample."""
    return {
        str(rule): each.sample
        for (name, rule), each in context.forgiving.take().items()
        if name == partner
    }


async def test_who_keeps_to_the_rules_is_forgiven_nothing(service: Service) -> None:
    await service.partner.get(LOCATIONS, headers=IDS)
    headers = {**IDS, "Content-Type": "application/json"}
    answer = await service.cpo.put(AT_HUB, content=encode(LOCATION), headers=headers)
    assert codes_of(answer) == (201, 1000)
    assert service.context.forgiving.take() == {}


def test_every_rule_has_its_advice() -> None:
    # The specification allows null for what is absent.
    assert set(ADVICE) == {*Habit, *Tolerance} - {Tolerance.NULL}


FORMS: list[tuple[str, dict[str, str], str]] = [
    (LOCATIONS, {"Authorization": f"Token {TOKEN}"}, "IP-01 raw token"),
    (
        LOCATIONS,
        {
            "Authorization": present(TOKEN)["Authorization"].lower()[:5]
            + "  "
            + present(TOKEN)["Authorization"][6:]
        },
        "IP-01 header form",
    ),
    (LOCATIONS, {"Authorization": present(f"{TOKEN}\n")["Authorization"]}, "IP-01 header form"),
    (f"{LOCATIONS}/", {}, "IP-04 slashes"),
    (LOCATIONS.replace("/sender", "//sender"), {}, "IP-04 slashes"),
    (f"{LOCATIONS}?date_from=2026-01-01T00:00:00+00:00", {}, "IP-08 blank for plus"),
]


@pytest.mark.pitfall("IP-01", "IP-04", "IP-08")
@pytest.mark.parametrize(("url", "headers", "rule"), FORMS)
async def test_an_odd_form_of_a_request_is_counted(
    service: Service, url: str, headers: dict[str, str], rule: str
) -> None:
    answer = await service.partner.get(url, headers={**IDS, **headers})
    assert codes_of(answer) == (200, 1000)
    assert list(noted(service.context, "Example eMSP")) == [rule]


@pytest.mark.pitfall("IP-33")
async def test_ids_that_are_missing_are_counted_by_name(service: Service) -> None:
    await service.partner.get(LOCATIONS, headers={"X-Request-ID": "1"})
    assert noted(service.context, "Example eMSP") == {"IP-33 no ids": "X-Correlation-ID"}


@pytest.mark.pitfall("IP-27")
async def test_a_body_in_another_wrapping_is_counted(service: Service) -> None:
    headers = {**IDS, "Content-Type": "text/json"}
    content = b"\xef\xbb\xbf" + encode(LOCATION).encode()
    assert codes_of(await service.cpo.put(AT_HUB, content=content, headers=headers)) == (201, 1000)
    assert noted(service.context, "Example CPO") == {
        "IP-27 content type": "text/json",
        "IP-27 byte order mark": "",
    }


BODIES: list[tuple[dict[str, Any], str, str]] = [
    ({"last_updated": "2026-01-01 00:00:00"}, "IP-08 moment", "Location last_updated"),
    ({"last_updated": "2026-01-01T00:00Z"}, "IP-08 moment", "Location last_updated"),
    ({"opening_times": []}, "IP-21 empty", "Location opening_times"),
    ({"last_updated": "2099-01-01T00:00:00Z"}, "IP-08 date ahead", "Location"),
    ({"parking_type": "ON_THE_MOON"}, "IP-09 enum", "Location parking_type"),
    (
        {"coordinates": {"latitude": 52.5, "longitude": "13.40000"}},
        "IP-20 coordinate",
        "Location coordinates.latitude",
    ),
    ({"charging_when_closed": True, "name": ""}, "IP-21 empty", "Location name"),
    ({"facilities": "HOTEL"}, "IP-21 single", "Location facilities"),
    ({"name": "x" * 256}, "IP-22 length", "Location name"),
    (
        {"operator": {"name": "x", "website": "www.example.com"}},
        "TY-11 url",
        "Location operator.website",
    ),
]


@pytest.mark.pitfall("IP-08", "IP-09", "IP-20", "IP-21", "IP-22")
@pytest.mark.parametrize(("over", "rule", "where"), BODIES)
async def test_what_is_careless_in_a_body_is_counted_by_its_place(
    service: Service, over: dict[str, Any], rule: str, where: str
) -> None:
    headers = {**IDS, "Content-Type": "application/json"}
    body = encode({**LOCATION, **over})
    answer = await service.cpo.put(AT_HUB, content=body, headers=headers)
    assert codes_of(answer) == (201, 1000)
    assert noted(service.context, "Example CPO") == {rule: where}


@pytest.mark.pitfall("IP-08")
async def test_a_clock_that_is_ahead_is_counted_in_a_patch_too(service: Service) -> None:
    headers = {**IDS, "Content-Type": "application/json"}
    await service.cpo.put(AT_HUB, content=encode(LOCATION), headers=headers)
    change = encode({"name": "New", "last_updated": "2099-01-01T00:00:00Z"})
    answer = await service.cpo.patch(AT_HUB, content=change, headers=headers)
    assert codes_of(answer) == (200, 1000)
    assert noted(service.context, "Example CPO") == {"IP-08 date ahead": "Location"}


@pytest.mark.pitfall("IP-05", "IP-14")
async def test_what_comes_again_or_late_is_counted(service: Service) -> None:
    headers = {**IDS, "Content-Type": "application/json"}
    old = {**LOCATION, "last_updated": "2020-01-01T00:00:00Z", "evses": []}
    for body in (LOCATION, old):
        await service.cpo.put(AT_HUB, content=encode(body), headers=headers)
    cdr = encode(samples.cdr(country_code="DE", party_id="CPO"))
    for _ in range(2):
        await service.cpo.post(f"{RECEIVER}/cdrs", content=cdr, headers=headers)
    assert set(noted(service.context, "Example CPO")) == {"IP-14 stale", "IP-05 repeated cdr"}


@pytest.mark.pitfall("IP-13")
@pytest.mark.parametrize("undated", [{}, {"last_updated": None}, {"last_updated": ""}])
async def test_a_patch_without_a_date_is_dated_on_arrival_where_an_option_says_so(
    service: Service, undated: dict[str, Any]
) -> None:
    headers = {**IDS, "Content-Type": "application/json"}
    await service.cpo.put(AT_HUB, content=encode(LOCATION), headers=headers)
    change = encode({"status": "BLOCKED", **undated})
    for url in (AT_HUB, f"{AT_HUB}/EVSE-1"):
        answer = await service.cpo.patch(url, content=change, headers=headers)
        assert codes_of(answer) == (200, 2001)
    await set_options(service.context, "Example CPO", {"patch_without_date": "true"})
    before = datetime.now(UTC)
    answer = await service.cpo.patch(f"{AT_HUB}/EVSE-1", content=change, headers=headers)
    assert codes_of(answer) == (200, 1000)
    stored = data_of(await service.cpo.get(AT_HUB))
    assert stored["evses"][0]["status"] == "BLOCKED"
    assert parse_moment(stored["last_updated"]) >= before.replace(microsecond=0)
    assert set(noted(service.context, "Example CPO")) == {"IP-13 no date", "IP-33 no ids"}


@pytest.mark.pitfall("IP-17", "IP-18")
async def test_periods_that_come_again_and_sessions_that_go_on_after_their_end_are_counted(
    service: Service,
) -> None:
    url = f"{RECEIVER}/sessions/DE/CPO/SESSION-1"
    headers = {**IDS, "Content-Type": "application/json"}
    session = samples.session()
    await service.cpo.put(url, content=encode(session), headers=headers)
    changes = [
        {"charging_periods": session["charging_periods"]},
        {"status": "COMPLETED"},
        {"status": "ACTIVE"},
    ]
    found = []
    for minute, change in enumerate(changes):
        content = encode({**change, "last_updated": f"2026-01-15T10:0{minute}:00Z"})
        await service.cpo.patch(url, content=content, headers=headers)
        found.append(noted(service.context, "Example CPO"))
    assert found == [
        {"IP-17 repeated periods": "Session charging_periods"},
        {},
        {"IP-18 late session": "Session status"},
    ]


def envelope(text: str, **headers: str) -> httpx.Response:
    return httpx.Response(200, text=text, headers={"X-Request-ID": "1", **headers})


ANSWERS = [
    (envelope('{"status_code":"1000","timestamp":""}'), {"IP-43 envelope": "status_code"}),
    (envelope('{"status_code":1000}'), {"IP-43 envelope": "timestamp"}),
    (
        envelope('{"status_code":1000,"timestamp":"","data":[{"id":"1","id":"2"}]}'),
        {"IP-43 envelope": "an object has the key 'id' twice"},
    ),
    (envelope(""), {"IP-06 empty answer": "HTTP 200"}),
    (
        httpx.Response(200, text='{"status_code":1000,"timestamp":""}'),
        {"IP-33 no ids in answers": "HTTP 200"},
    ),
    (
        envelope('{"data":[],"status_code":1000,"timestamp":""}', Link='</2>; rel="next"'),
        {"IP-23 link": "relative"},
    ),
]


@pytest.mark.pitfall("IP-06", "IP-23", "IP-33", "IP-43")
@pytest.mark.parametrize(("answer", "expected"), ANSWERS)
async def test_an_odd_answer_is_counted_for_who_gave_it(
    answer: httpx.Response, expected: dict[str, str]
) -> None:
    client = Client(allow_private=False, transport=httpx.MockTransport(lambda _: answer))
    crawl = client.pages(Target("acme", "token"), "https://acme.example/1")
    await anext(crawl)
    if "link" in answer.headers:
        await anext(crawl)
    found = {str(rule): each.sample for (_, rule), each in client.forgiving.take().items()}
    assert found == expected


async def test_what_is_read_of_our_own_is_nobodys_mistake(service: Service) -> None:
    body = encode(samples.location(country_code="NL", party_id="TNM", id="own"))
    answer = await service.admin.put("/admin/locations/NL/TNM/own", content=body)
    assert answer.status_code == 201
    read(Location, {**LOCATION, "facilities": "HOTEL"})
    assert service.context.forgiving.take() == {}


async def test_requests_at_once_are_not_taken_for_each_other() -> None:
    forgiving = Forgiving()

    async def speak(partner: str) -> None:
        with hearing(forgiving, partner):
            for _ in range(5):
                await asyncio.sleep(0)
                forgive(Habit.SLASHES, partner)

    await asyncio.gather(*(speak(f"p{number}") for number in range(20)))
    taken = forgiving.take()
    assert {partner: each.sample for (partner, _), each in taken.items()} == {
        f"p{number}": f"p{number}" for number in range(20)
    }
    assert {each.count for each in taken.values()} == {5}


async def test_counts_of_all_processes_add_up_and_are_shown_with_advice(
    each_service: Service,
) -> None:
    context = each_service.context
    others = [Forgiving(), Forgiving()]
    for number, forgiving in enumerate(others, 1):
        for _ in range(number):
            forgiving.note("Example CPO", Habit.SLASHES, f"from {number}")
        forgiving.note("who is gone", Habit.SLASHES, "")
        await store_tolerances(context.database, forgiving)
        await store_tolerances(context.database, forgiving)
    others[0].note("Example CPO", Tolerance.MOMENT, "Location last_updated")
    await asyncio.gather(*(store_tolerances(context.database, each) for each in others))
    shown = (await show_partner(context, "Example CPO")).tolerances
    assert [(each.rule, each.count, each.sample) for each in shown] == [
        ("IP-04 slashes", 3, "from 2"),
        ("IP-08 moment", 1, "Location last_updated"),
    ]
    assert shown[1].advice == "Write times as 2026-01-02T03:04:05Z."
    assert shown[0].first_seen <= shown[0].last_seen
    answer = await each_service.admin.get("/admin/partners")
    told = {each["name"]: [e["rule"] for e in each["tolerances"]] for each in answer.json()}
    assert told["Example CPO"] == ["IP-04 slashes", "IP-08 moment"]
    assert told["Newcomer"] == []


async def test_what_cannot_be_stored_is_kept_for_the_next_time(sqlite_url: str) -> None:
    forgiving = Forgiving()
    forgiving.note("acme", Habit.SLASHES, "a")
    forgiving.note("acme", Habit.SLASHES, "b")
    database = Database(sqlite_url)  # It has no tables.
    with pytest.raises(Exception, match="no such table"):
        await store_tolerances(database, forgiving)
    await database.close()
    [(key, each)] = forgiving.take().items()
    assert (key, each.count, each.sample) == (("acme", Habit.SLASHES), 2, "b")


async def test_they_go_with_their_partner(each_service: Service) -> None:
    context = each_service.context
    context.forgiving.note("Example CPO", Habit.SLASHES, "")
    await store_tolerances(context.database, context.forgiving)
    async with context.database.write() as db:
        partner = (await db.exec(select(Partner).where(Partner.name == "Example CPO"))).one()
        assert len((await tolerances_of(db, [partner.key]))[partner.key]) == 1
        await db.delete(partner)
    async with context.database.read() as db:
        assert (await db.exec(select(PartnerTolerance))).all() == []


def test_no_partner_fills_the_memory_with_its_mistakes() -> None:
    forgiving = Forgiving()
    for number in range(5000):
        forgiving.note("acme", f"rule {number}", "x" * 10_000)
    taken = forgiving.take()
    assert len(taken) == 1000
    assert max(len(each.sample) for each in taken.values()) == 200
