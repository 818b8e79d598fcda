"""What CPOs push of Sessions: periods grow by PATCH, and an end is an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import RECEIVER, RECEIVING, Service, codes_of, data_of, envelope_of, open_service

URL = f"{RECEIVER}/sessions/DE/CPO/SESSION-1"
Document = dict[str, Any]


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url, offers=RECEIVING) as opened:
        yield opened


@pytest.fixture
async def each_service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url, offers=RECEIVING) as opened:
        yield opened


def at(minute: int) -> str:
    return f"2026-01-15T10:{minute:02}:00Z"


def period(minute: int, kwh: float = 1.5) -> Document:
    return samples.charging_period(at(minute), kwh)


def plain(document: Any) -> Any:
    """As the wire has it, with exact numbers."""
    return decode(encode(document))


async def stored(service: Service) -> Any:
    return data_of(await service.cpo.get(URL))


async def push(service: Service, method: str, body: Document) -> tuple[int, str | None]:
    """Push to the Session; gives the HTTP status and the message of a request that was taken."""
    answer = await service.cpo.request(method, URL, json=body)
    envelope = envelope_of(answer)
    assert envelope["status_code"] == 1000, answer.text
    assert "data" not in envelope
    return answer.status_code, envelope.get("status_message")


@pytest.mark.req("SE-08", "SE-10", "SE-11", "PP-02", "PP-03", "PP-04", "ST-05")
async def test_a_session_is_put_patched_and_replaced(each_service: Service) -> None:
    first = samples.session()
    assert await push(each_service, "PUT", first) == (201, None)
    assert await stored(each_service) == plain(first)
    changes = {
        "kwh": 12.25,
        "charging_periods": [period(1), period(2)],
        "total_cost": {"excl_vat": 6.1},
        "last_updated": at(2),
    }
    assert await push(each_service, "PATCH", changes) == (200, None)
    periods = [samples.charging_period(), period(1), period(2)]
    grown = {**first, **changes, "charging_periods": periods}
    assert await stored(each_service) == plain(grown)
    bare = {**first, "last_updated": at(3)}
    del bare["charging_periods"]
    del bare["total_cost"]
    assert await push(each_service, "PUT", bare) == (200, None)
    assert await stored(each_service) == plain(bare)


@pytest.mark.req("SE-10")
@pytest.mark.parametrize("empty", [[], None])
async def test_a_put_without_periods_empties_them(service: Service, empty: Any) -> None:
    await push(service, "PUT", samples.session())
    await push(service, "PUT", samples.session(charging_periods=empty, last_updated=at(1)))
    assert "charging_periods" not in await stored(service)


@pytest.mark.req("SE-11")
@pytest.mark.parametrize("changes", [{"charging_periods": []}, {"kwh": 11}])
async def test_a_patch_without_periods_leaves_them(service: Service, changes: Document) -> None:
    await push(service, "PUT", samples.session())
    await push(service, "PATCH", {**changes, "last_updated": at(1)})
    assert (await stored(service))["charging_periods"] == plain([samples.charging_period()])


@pytest.mark.req("SE-11")
async def test_an_empty_list_of_periods_adds_none_to_a_session_without(service: Service) -> None:
    bare = samples.session(charging_periods=[])
    await push(service, "PUT", bare)
    await push(service, "PATCH", {"charging_periods": [], "last_updated": at(1)})
    del bare["charging_periods"]
    assert await stored(service) == plain({**bare, "last_updated": at(1)})


@pytest.mark.req("SE-11")
@pytest.mark.pitfall("IP-17")
@pytest.mark.threat("TA-13")
async def test_a_patch_that_is_sent_twice_adds_its_periods_once(service: Service) -> None:
    await push(service, "PUT", samples.session(charging_periods=[]))
    patch = {"charging_periods": [period(1), period(2)], "last_updated": at(2)}
    for _ in range(3):
        await push(service, "PATCH", patch)
    more = {"charging_periods": [period(2), period(3)], "last_updated": at(3)}
    await push(service, "PATCH", more)
    assert (await stored(service))["charging_periods"] == plain([period(1), period(2), period(3)])


@pytest.mark.req("SE-11")
@pytest.mark.pitfall("IP-17")
async def test_a_period_that_has_grown_counts_once_as_it_is_told_last(service: Service) -> None:
    await push(service, "PUT", samples.session(charging_periods=[period(1), period(2, 1)]))
    grown = {"kwh": 5, "charging_periods": [period(2, 5), period(3)], "last_updated": at(5)}
    for _ in range(2):
        assert await push(service, "PATCH", grown) == (200, None)
    body = await stored(service)
    assert body["charging_periods"] == plain([period(1), period(2, 5), period(3)])


@pytest.mark.req("SE-11")
async def test_periods_of_one_start_are_kept_and_not_doubled_when_they_come_again(
    service: Service,
) -> None:
    await push(service, "PUT", samples.session(charging_periods=[]))
    patch = {"charging_periods": [period(3), period(1, 2), period(1, 3)], "last_updated": at(5)}
    for _ in range(2):
        await push(service, "PATCH", patch)
    expected = [period(1, 2), period(1, 3), period(3)]
    assert (await stored(service))["charging_periods"] == plain(expected)


@pytest.mark.req("PP-09")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_what_is_older_is_not_applied_and_that_is_said(service: Service, method: str) -> None:
    await push(service, "PUT", samples.session(last_updated=at(5)))
    again = samples.charging_period(kwh=0.5)
    late = samples.session(kwh=1, charging_periods=[again], last_updated=at(4))
    http, message = await push(service, method, late)
    assert (http, message) == (
        200,
        f"Not applied: what is stored here was last updated at {at(5)}.",
    )
    assert await stored(service) == plain(samples.session(last_updated=at(5)))


@pytest.mark.req("SE-11", "PP-09")
@pytest.mark.pitfall("IP-17")
async def test_of_a_patch_that_comes_late_the_periods_are_taken(service: Service) -> None:
    await push(service, "PUT", samples.session(charging_periods=[period(0)], last_updated=at(0)))
    news = {"kwh": 5, "charging_periods": [period(20)], "last_updated": at(29)}
    await push(service, "PATCH", news)
    periods = [period(0, 9), period(10)]
    late = {"kwh": 3, "status": "PENDING", "charging_periods": periods, "last_updated": at(19)}
    for said in ("Applied as far as nothing newer is known", "Not applied"):
        message = f"{said}: what is stored here was last updated at {at(29)}."
        assert await push(service, "PATCH", late) == (200, message)
    body = samples.session(charging_periods=[period(n) for n in (0, 10, 20)], kwh=5)
    assert await stored(service) == plain({**body, "last_updated": at(29)})


@pytest.mark.req("SE-14")
async def test_a_session_that_has_ended_takes_no_period_that_comes_late(service: Service) -> None:
    ended = samples.session(status="COMPLETED", end_date_time=at(5), last_updated=at(5))
    await push(service, "PUT", ended)
    late = {"charging_periods": [period(1)], "last_updated": at(4)}
    _, message = await push(service, "PATCH", late)
    assert str(message).startswith("Not applied: ")
    assert await stored(service) == plain(ended)


@pytest.mark.req("SE-14")
@pytest.mark.parametrize("end", ["COMPLETED", "INVALID"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.pitfall("IP-18")
async def test_a_session_that_has_ended_takes_late_news_but_does_not_reopen(
    service: Service, method: str, end: str
) -> None:
    ended = samples.session(status=end, end_date_time=at(1), last_updated=at(1))
    await push(service, "PUT", ended)
    late = samples.session(kwh=13, status="ACTIVE", last_updated=at(2))
    http, message = await push(service, method, late)
    assert (http, message) == (
        200,
        f"The Session has ended: its status stays {end}, the rest is stored.",
    )
    assert await stored(service) == plain({**ended, "kwh": 13, "last_updated": at(2)})


@pytest.mark.req("SE-14")
async def test_a_completed_session_can_still_turn_out_invalid(service: Service) -> None:
    await push(service, "PUT", samples.session(status="COMPLETED", end_date_time=at(1)))
    changes = {"status": "INVALID", "last_updated": at(2)}
    assert await push(service, "PATCH", changes) == (200, None)
    assert (await stored(service))["status"] == "INVALID"


@pytest.mark.req("SE-18")
async def test_a_reservation_needs_no_evse_yet_and_an_old_word_for_it_is_understood(
    service: Service,
) -> None:
    body = samples.session(status="RESERVED", evse_uid="#NA", connector_id="#NA")
    await push(service, "PUT", body)
    assert await stored(service) == plain({**body, "status": "RESERVATION"})


async def test_what_is_refused_of_ours_is_taken_of_a_partner_lest_the_session_be_lost(
    service: Service,
) -> None:
    body = samples.session(evse_uid="#NA", connector_id="#NA", end_date_time="2026-01-15T08:00:00Z")
    assert await push(service, "PUT", body) == (201, None)
    assert await stored(service) == plain(body)


@pytest.mark.pitfall("IP-18")
async def test_a_session_at_an_unknown_location_with_an_unknown_token_is_taken(
    service: Service,
) -> None:
    token = samples.cdr_token(country_code="FR", party_id="ZZZ", uid="NEVER-SEEN")
    body = samples.session(location_id="NEVER-SEEN", cdr_token=token, x_grid={"a": [1, None]})
    assert await push(service, "PUT", body) == (201, None)
    assert await stored(service) == plain(body)


BAD: list[tuple[str, str, Any, tuple[int, int], str]] = [
    ("PUT", URL, {}, (200, 2001), "country_code: is required"),
    ("PUT", URL, samples.session(id="X"), (200, 2001), "id: the URL says 'SESSION-1'"),
    ("PUT", URL, samples.session(country_code="NL"), (200, 2001), "country_code: the URL says"),
    ("PUT", URL, samples.session(kwh="much"), (200, 2001), "kwh: "),
    ("PUT", URL, samples.session(cdr_token={}), (200, 2001), "cdr_token.uid: is required"),
    ("PATCH", URL, {"kwh": 1}, (200, 2001), "last_updated: is required"),
    ("PATCH", URL, {"kwh": None, "last_updated": at(1)}, (200, 2001), "kwh: can't be removed"),
    ("PATCH", URL, {"id": "X", "last_updated": at(1)}, (200, 2001), "id: the URL says"),
    ("PATCH", URL.replace("N-1", "N-2"), {"last_updated": at(1)}, (404, 2000), "no such object"),
    ("GET", URL.replace("N-1", "N-2"), None, (404, 2000), "no such object"),
    ("PUT", URL.replace("DE/CPO", "FR/OTH"), samples.session(), (404, 2000), "no party of"),
    ("PATCH", URL.replace("DE/CPO", "FR/OTH"), {}, (404, 2000), "no party of"),
    ("GET", URL.replace("DE/CPO", "FR/OTH"), None, (404, 2000), "no party of"),
    ("PATCH", f"{URL}/charging_periods", [], (404, 2000), "nothing at"),
    ("PUT", f"{URL}/charging_preferences", {}, (404, 2000), "nothing at"),
    ("DELETE", URL, None, (405, 2000), "DELETE is not offered"),
    ("POST", URL, samples.session(), (405, 2000), "POST is not offered"),
]


@pytest.mark.req("SE-08", "SE-13", "PP-01", "PP-07", "CO-04", "CO-05", "CO-06", "ST-15", "TR-11")
async def test_bad_requests_are_refused_and_change_nothing(service: Service) -> None:
    await push(service, "PUT", samples.session())
    for method, url, body, codes, sentence in BAD:
        answer = await service.cpo.request(method, url, json=body)
        assert (method, url, codes_of(answer)) == (method, url, codes), answer.text
        assert sentence in envelope_of(answer)["status_message"]
    assert await stored(service) == plain(samples.session())


async def test_periods_that_are_added_at_once_are_all_kept(each_service: Service) -> None:
    await push(each_service, "PUT", samples.session(charging_periods=[]))
    patches = [{"charging_periods": [period(n)], "last_updated": at(30)} for n in range(8)]
    await asyncio.gather(*(push(each_service, "PATCH", patch) for patch in patches))
    starts = [each["start_date_time"] for each in (await stored(each_service))["charging_periods"]]
    assert sorted(starts) == [at(n) for n in range(8)]


async def test_a_late_start_does_not_reopen_even_when_it_comes_at_the_same_time(
    each_service: Service,
) -> None:
    started = samples.session(last_updated=at(2))
    ended = samples.session(status="COMPLETED", end_date_time=at(1), last_updated=at(2))
    await asyncio.gather(*(push(each_service, "PUT", body) for body in (started, ended) * 3))
    assert (await stored(each_service))["status"] == "COMPLETED"


MINUTES = st.integers(0, 8)
PERIODS = st.dictionaries(st.integers(0, 5), st.integers(1, 3), max_size=3).map(
    lambda given: [period(minute, kwh) for minute, kwh in given.items()]
)
PUSHES = st.lists(
    st.fixed_dictionaries(
        {"method": st.sampled_from(["PUT", "PATCH"]), "minute": MINUTES},
        optional={
            "kwh": st.integers(0, 99),
            "meter_id": st.sampled_from(["M1", "M2"]),
            "charging_periods": PERIODS,
            "status": st.sampled_from(["ACTIVE", "ACTIVE", "PENDING", "COMPLETED", "INVALID"]),
            "end_date_time": MINUTES.map(at),
        },
    ),
    min_size=1,
    max_size=10,
)
NUMBERS = count()
ENDED = ("COMPLETED", "INVALID")


def added(before: Document, given: list[Document]) -> list[Document]:
    """Give the periods after a PATCH: those of a start that is given again are replaced."""
    known: list[Document] = before.get("charging_periods", [])
    if not given:
        return known
    starts = {each["start_date_time"]: each for each in [*known, *given]}
    return sorted(starts.values(), key=lambda each: str(each["start_date_time"]))


def modelled(before: Document | None, method: str, body: Document) -> Document | None:
    """What should be stored after a push."""
    if before is None:
        after = body if method == "PUT" else None
    elif body["last_updated"] < before["last_updated"]:
        known = {each["start_date_time"] for each in before.get("charging_periods", [])}
        new = [
            each
            for each in body.get("charging_periods", [])
            if each["start_date_time"] not in known
        ]
        if method == "PUT" or not new or before["status"] in ENDED:
            return before
        return {**before, "charging_periods": added(before, new)}
    else:
        after = body if method == "PUT" else {**before, **body}
        if method == "PATCH":
            after["charging_periods"] = added(before, body.get("charging_periods", []))
        if before["status"] in ENDED and after["status"] not in ENDED:
            after = {**after, "status": before["status"]}
            after.setdefault("end_date_time", before.get("end_date_time"))
    return after and {name: value for name, value in after.items() if value not in ([], None)}


@pytest.mark.req("SE-10", "SE-11", "SE-12", "PP-02", "PP-04", "PP-05")
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(pushes=PUSHES)
async def test_any_sequence_of_pushes_leaves_what_the_rules_say(
    service: Service, pushes: list[Document]
) -> None:
    # Each example has a Session of its own in the same database.
    name = f"S-{next(NUMBERS)}"
    url, model = URL.replace("SESSION-1", name), None
    for given_push in pushes:
        fields = dict(given_push)
        method, minute = fields.pop("method"), fields.pop("minute")
        body = {**fields, "last_updated": at(minute)}
        if method == "PUT":
            whole = samples.session(id=name)
            del whole["charging_periods"]
            body = {**whole, **body}
        answer = await service.cpo.request(method, url, json=body)
        unknown = model is None and method == "PATCH"
        assert codes_of(answer)[1] == (2000 if unknown else 1000)
        model = modelled(model, method, body)
    answer = await service.cpo.get(url)
    assert (data_of(answer) if model else answer.status_code) == (plain(model) if model else 404)
