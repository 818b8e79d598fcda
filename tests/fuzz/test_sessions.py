"""Whatever happens to messages on their way, a Session and its bill are the same at both ends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st

from ocpi.headers import routing_headers
from ocpi.push.operating import list_lanes
from ocpi.spec.document import decode, encode
from ocpi.spec.moments import format_moment, parse_moment
from ocpi.spec.reading import defects
from ocpi.spec.sessions import Session
from ocpi.testing import samples
from tests.fuzz.playing import Step, play
from tests.house import (
    CPO,
    CPO_TOKEN,
    OWNER,
    RECEIVER,
    SENDER,
    Service,
    calling,
    codes_of,
    data_of,
    open_service,
    present,
)
from tests.modules.cdrs.ends import AWAY, EMSP, HEADERS, open_away, told
from tests.ocpi.push.world import until_found

Document = dict[str, Any]
SESSION, BILL = "sessions/NL/TNM/SESSION-1", "cdrs/NL/TNM/CDR-1"
DRIVER = samples.cdr_token(country_code=EMSP.country_code, party_id=EMSP.party_id)
ENDED = ("COMPLETED", "INVALID")


def at(minute: int) -> str:
    return f"2026-01-15T10:{minute:02}:00Z"


def period(minute: int) -> Document:
    return samples.charging_period(at(minute), 1.5)


MINUTES = st.integers(0, 9)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "kwh": st.integers(0, 99),
        "meter_id": st.sampled_from(["M1", "M2"]),
        "charging_periods": st.lists(MINUTES.map(period), max_size=3, unique_by=str),
        "status": st.sampled_from([*["ACTIVE", "PENDING"] * 4, "COMPLETED"]),
        "end_date_time": MINUTES.map(lambda minute: f"2026-01-15T12:0{minute}:00Z"),
    },
)
# A write is dated so many minutes after the one before, and mostly told before the next step.
TOLD = st.sampled_from([True, True, False])
AFTER = st.sampled_from([-1, 0, 1, 1, 2])
WRITE = st.tuples(st.just("write"), st.sampled_from(["PUT", "PATCH", "PATCH"]), AFTER, FIELDS, TOLD)
LATE = st.tuples(st.just("late"), st.integers(0, 99))
FATE = st.tuples(st.just("fate"), st.sampled_from(["lost", "held", "failed"]))
STEPS = st.one_of(
    *(WRITE, WRITE, WRITE, LATE, LATE, FATE),
    st.tuples(st.just("spoil"), st.integers(0, 99)),
    st.tuples(st.just("bill"), st.sampled_from([5, 5, 6])),
    st.sampled_from([("settle",)] * 4 + [("withdraw",)]),
)
# What is refused at home, and what is refused of home by away.
SPOILT: list[tuple[str, Document]] = [
    ("PUT", {}),
    ("PUT", samples.session(**OWNER, id="OTHER")),
    ("PUT", samples.session(**{**OWNER, "party_id": "XXX"})),
    ("PUT", samples.session(**OWNER, cdr_token=DRIVER, kwh="much", last_updated=at(59))),
    ("PATCH", {"kwh": None, "last_updated": at(59)}),
    ("PATCH", {"status": "COMPLETED", "charging_periods": 1, "last_updated": at(59)}),
    ("PATCH", {"status": "COMPLETED", "last_updated": "soon"}),
]


class Wire(httpx.AsyncBaseTransport):
    """The way to away, on which things happen to messages."""

    def __init__(self, away: Service) -> None:
        self.away = httpx.ASGITransport(away.app)
        self.fates: deque[str] = deque()
        self.sent: list[httpx.Request] = []
        self.before_bill: list[httpx.Response] = []
        """What away told of the Session whenever the bill was about to arrive.

        A Session that could not be told does not hold its bill back, so nothing is noted then.
        """
        self.disturbed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        if request.method == "GET":
            return await self.away.handle_async_request(request)
        self.sent.append(request)
        fate = self.fates.popleft() if self.fates else "arrives"
        self.disturbed |= fate != "arrives" and request.method != "POST"
        if fate == "failed":
            return httpx.Response(503)
        if fate == "held":
            raise httpx.ReadTimeout(fate, request=request)
        answer = await self.deliver(request)
        if fate == "lost":
            raise httpx.ReadTimeout(fate, request=request)
        return answer

    async def deliver(self, request: httpx.Request) -> httpx.Response:
        """Have a message arrive, as often as that may be."""
        if request.method != "POST":
            await asyncio.sleep(0.02)  # A bill that does not wait for its Session overtakes it.
        elif not self.disturbed:
            url = f"{AWAY}{RECEIVER}/{SESSION}"
            self.before_bill.append(await self._ask(httpx.Request("GET", url, headers=HEADERS)))
        headers = request.headers
        again = httpx.Request(request.method, request.url, headers=headers, content=request.content)
        return await self._ask(again)

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        answer = await self.away.handle_async_request(request)
        await answer.aread()
        return answer


@dataclass
class Model:
    """What home holds by the rules, and which Session its bill is to follow."""

    session: Document | None = None
    bill: Document | None = None
    due: datetime | None = None


@dataclass
class Ends:
    """Home and away, and who speaks to them."""

    home: Service
    away: Service
    wire: Wire
    as_home: httpx.AsyncClient
    as_emsp: httpx.AsyncClient
    stranger: httpx.AsyncClient
    """Presents to away the token of another CPO."""
    model: Model = field(default_factory=Model)

    async def all_is_told(self) -> bool:
        (lane,) = await list_lanes(self.home.database)
        return not lane["behind"] and not lane["parked"]


@asynccontextmanager
async def _open(url: str) -> AsyncIterator[Ends]:
    async with open_service(url) as home, open_away(url.replace("ocpi.", "away.")) as away:
        wire = Wire(away)
        async with (
            told(home, away, wire) as as_home,
            calling(home.app, present("away-presents-this")) as as_emsp,
            calling(away.app, present(CPO_TOKEN) | routing_headers(EMSP, CPO)) as stranger,
        ):
            yield Ends(home, away, wire, as_home, as_emsp, stranger)


@pytest.mark.timeout(3600)
def test_a_session_and_its_bill_come_through_whatever_becomes_of_messages() -> None:
    play(STEPS, _story, shortest=12)


async def _story(url: str, steps: Sequence[Step]) -> None:
    async with _open(url) as ends:
        for step in (("write", "PUT", 0, {}, True), *steps, ("settle",)):
            await _step(ends, step)
            await _check_home(ends)


async def _step(ends: Ends, step: Step) -> None:
    match step:
        case ("write", str() as method, int() as after, dict() as fields, bool() as told_now):
            await _write(ends, method, after, fields)
            if told_now:
                await _settle(ends)
        case ("withdraw",):
            await _withdraw(ends)
        case ("bill", int() as cost):
            # The newest state of the Session is under way when its bill is made.
            await _write(ends, "PATCH", 1, {"kwh": cost})
            await _bill(ends, cost)
        case ("spoil", int() as number):
            await _spoil(ends, *SPOILT[number % len(SPOILT)])
        case ("fate", str() as fate):
            ends.wire.fates.append(fate)
        case ("late", int() as number):
            if ends.wire.sent:
                await ends.wire.deliver(ends.wire.sent[number % len(ends.wire.sent)])
        case ("settle",):
            await _settle(ends)


async def _settle(ends: Ends) -> None:
    await until_found(ends.all_is_told)
    await _check_away(ends)


async def _write(ends: Ends, method: str, minutes: int, fields: Document) -> None:
    before = ends.model.session
    moment = parse_moment(before["last_updated"] if before else at(0))
    date = format_moment(moment + timedelta(minutes=minutes))
    whole = samples.session(**OWNER, cdr_token=DRIVER, charging_periods=[])
    body = {**(whole if method == "PUT" else {}), **fields, "last_updated": date}
    after = _after(before, method, body)
    answer = await ends.home.admin.request(method, f"/admin/{SESSION}", json=body)
    if before is None:
        assert answer.status_code == (404 if method == "PATCH" else 201), answer.text
    else:
        assert answer.status_code == (409 if after is None else 200), answer.text
    ends.model.session = before if after is None else after


def _after(before: Document | None, method: str, body: Document) -> Document | None:
    """The Session after a change of ours; None where the change is refused."""
    if before is None:
        return _plain(body) if method == "PUT" else None
    moment, stored = (parse_moment(each["last_updated"]) for each in (body, before))
    if moment < stored:
        return None
    after = body if method == "PUT" else {**before, **body, **_grown(before, body)}
    after = _plain(after)
    if (method, before["status"]) == ("PUT", "ACTIVE"):
        after["start_date_time"] = max(after["start_date_time"], before["start_date_time"])
    if {**after, "last_updated": before["last_updated"]} == before:
        return before
    if before["status"] in ENDED or (before["status"], after["status"]) == ("ACTIVE", "PENDING"):
        return None
    if moment == stored:
        after["last_updated"] = format_moment(stored + timedelta(milliseconds=1))
    begins = (before["status"], after["status"]) == ("PENDING", "ACTIVE")
    if begins and after["start_date_time"] == before["start_date_time"]:
        after["start_date_time"] = after["last_updated"]
    return after


def _grown(before: Document, body: Document) -> Document:
    known, given = (each.get("charging_periods", []) for each in (before, body))
    if not given:
        return {"charging_periods": known}
    periods = {each["start_date_time"]: each for each in (*known, *given)}
    return {"charging_periods": [period for _, period in sorted(periods.items())]}


def _plain(document: Document) -> Document:
    """As the wire has it: exact numbers, and no empty list."""
    return {name: value for name, value in decode(encode(document)).items() if value != []}


async def _withdraw(ends: Ends) -> None:
    before = ends.model.session
    answer = await ends.home.admin.delete(f"/admin/{SESSION}")
    if before is None or before["status"] in ENDED:
        again = before is not None and before["status"] == "INVALID"
        assert answer.status_code == (404 if before is None else 200 if again else 409), answer.text
        return
    after = decode(answer.content)
    assert parse_moment(after["last_updated"]) > parse_moment(before["last_updated"])
    ends.model.session = {**before, "status": "INVALID", "last_updated": after["last_updated"]}


async def _bill(ends: Ends, cost: int) -> None:
    body = samples.cdr(**OWNER, cdr_token=DRIVER, total_cost={"excl_vat": cost})
    model = ends.model
    answer = await ends.home.admin.post("/admin/cdrs", json=body)
    if model.bill is None:
        assert answer.status_code == 201, answer.text
        model.bill = _plain(body)
        model.due = parse_moment(model.session["last_updated"]) if model.session else None
    else:
        assert answer.status_code == (200 if _plain(body) == model.bill else 409), answer.text


async def _spoil(ends: Ends, method: str, body: Document) -> None:
    """Neither home nor away takes what is wrong, and nobody writes for another party."""
    answer = await ends.home.admin.request(method, f"/admin/{SESSION}", json=body)
    assert answer.status_code in (400, 404, 409), answer.text
    answer = await ends.as_home.request(method, f"{RECEIVER}/{SESSION}", json=body)
    assert codes_of(answer) in ((200, 2001), (404, 2000)), answer.text
    forged = samples.session(**OWNER, cdr_token=DRIVER, status="INVALID", last_updated=at(59))
    answer = await ends.stranger.put(f"{RECEIVER}/{SESSION}", json=forged)
    assert codes_of(answer) == (404, 2000), answer.text
    answer = await ends.stranger.post(f"{RECEIVER}/cdrs", json=samples.cdr(**OWNER))
    assert codes_of(answer)[1] != 1000, answer.text
    # A namesake, whose id is that of our Session.
    namesake = samples.session(status="COMPLETED", last_updated=at(59))
    answer = await ends.stranger.put(f"{RECEIVER}/sessions/DE/CPO/SESSION-1", json=namesake)
    assert codes_of(answer)[1] == 1000, answer.text


async def _check_home(ends: Ends) -> None:
    """Home holds what the model does, and shows it to the eMSP of its driver only."""
    held = [ends.model.session] if ends.model.session else []
    for client, expected in ((ends.as_emsp, held), (ends.home.partner, [])):
        url = f"{SENDER}/sessions?date_from=1970-01-01T00:00:00Z"
        assert data_of(await client.get(url)) == expected
    assert [defects(each, Session) for each in held] == [[]] * len(held)


def _limited(known: Document, held: Document) -> Document:
    """What away holds without the periods that home has not.

    A PATCH that lands behind the PUT that removed its periods brings them back: nothing tells it
    from one that was overtaken by another PATCH.
    """
    own = held.get("charging_periods", [])
    periods = [each for each in known.get("charging_periods", []) if each in own]
    return _plain({**known, "charging_periods": periods})


async def _check_away(ends: Ends) -> None:
    """Away holds what home holds; the bill came once, and behind the Session it is of."""
    for path, held in ((SESSION, ends.model.session), (BILL, ends.model.bill)):
        answer = await ends.as_home.get(f"{RECEIVER}/{path}")
        assert (_limited(data_of(answer), held) if held else answer.status_code) == (held or 404)
    due = ends.model.due
    for answer in ends.wire.before_bill:
        assert due is None or parse_moment(data_of(answer)["last_updated"]) >= due
    assert (await ends.away.admin.get("/admin/cdrs/conflicts")).json() == []
