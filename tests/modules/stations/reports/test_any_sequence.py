"""Whatever stations report, in whatever order: Sessions and CDRs agree, and no energy is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select, update

from modules.cdrs.store import CDRRow
from modules.sessions.store import SessionRow
from modules.stations.charges import Charge
from modules.stations.reports.applying import Station, take_reports
from modules.stations.reports.charging import close_overdue
from modules.stations.reports.desk import Outcome
from modules.stations.reports.record import Record, Taken
from modules.tariffs.pricing import check_cdr
from ocpi.editing import object_key
from ocpi.spec.cdrs import CDR
from ocpi.spec.document import decode
from ocpi.spec.moments import parse_moment
from ocpi.spec.reading import defects
from ocpi.spec.sessions import Session
from tests.house import OURS
from tests.modules.stations.reports.yard import (
    EVSES,
    UID,
    Document,
    Receiver,
    Yard,
    energy_of,
    open_yard,
)

# The night in which the clock leaps from two to three; the cheap hours end at six.
NIGHT = datetime(2026, 3, 28, 20, 30, tzinfo=UTC)
NAMES = ("a", "b", "c")
STATES = ("CHARGING", "PARKED", "PAUSED_BY_STATION")
EXAMPLES = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
STATION = Station(OURS, "LOC-1")


def moment(seconds: float) -> str:
    """A moment of that night, in a form whose order as text is that of time."""
    return (NIGHT + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")[:23] + "Z"


def padded(text: str) -> str:
    return text if "." in text else f"{text[:-1]}.000Z"


# Coarse, so that moments and values often coincide; some fall into one second.
moments = st.one_of(
    st.integers(0, 40).map(lambda n: moment(n * 900)),
    st.integers(0, 3000).map(lambda n: moment(3600 + n / 1000)),
)
registers = st.one_of(
    st.integers(0, 60).map(Decimal), st.integers(0, 600_000).map(lambda n: Decimal(n) / 10_000)
)
maybe = st.none() | registers


def document(kind: str, **members: Any) -> Document:
    return {"type": kind, **{name: each for name, each in members.items() if each is not None}}


starts = st.builds(
    lambda name, when, evse, kwh, known: document(
        "start",
        transaction_id=name,
        at=when,
        evse_uid=evse,
        connector_id="1",
        kwh=kwh,
        token={"uid": UID if known else "unknown"},
    ),
    st.sampled_from(NAMES),
    moments,
    st.sampled_from(EVSES),
    maybe,
    st.integers(0, 9),
)
meters = st.builds(
    lambda name, when, kwh, power, state: document(
        "meter", transaction_id=name, at=when, kwh=kwh, power_kw=power, state=state
    ),
    st.sampled_from(NAMES),
    moments,
    maybe,
    st.none() | st.integers(0, 50),
    st.none() | st.sampled_from(STATES),
)
stops = st.builds(
    lambda name, when, kwh: document("stop", transaction_id=name, at=when, kwh=kwh),
    st.sampled_from(NAMES),
    moments,
    maybe,
)
boots = st.builds(
    lambda when, running: document("boot", at=when, running=running),
    moments,
    st.lists(st.sampled_from(NAMES)),
)
reports = st.tuples(
    st.lists(starts, min_size=1, max_size=5),
    st.lists(st.one_of(meters, meters, meters, stops, boots), min_size=3, max_size=14),
).flatmap(lambda parts: st.permutations([*parts[0], *parts[1]]))


class World:
    """One service for all examples; the transactions of each have names of their own."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.receiver = Receiver(yard)
        self.numbers = count()

    def named(self, number: int, document: Document) -> Document:
        told = dict(document)
        if "transaction_id" in told:
            told["transaction_id"] = f"{number}-{told['transaction_id']}"
        if "running" in told:
            told["running"] = [f"{number}-{name}" for name in told["running"]]
        return told

    async def take(self, *documents: Document) -> list[Outcome]:
        outcomes = await take_reports(self.yard.service.context, STATION, documents)
        await self.receiver.listen()
        return outcomes

    async def close_all(self) -> None:
        async with self.yard.database.write() as db:
            begun = col(Charge.evse_key).is_not(None)
            await db.exec(
                update(Charge).where(col(Charge.open).is_(True), begun).values(closing_at=0)
            )
        async with self.yard.database.write() as db:
            await close_overdue(db, self.yard.service.context.settings)
        await self.receiver.listen()

    async def records(self, number: int) -> dict[str, tuple[Charge, Record]]:
        async with self.yard.database.read() as db:
            found = await db.exec(
                select(Charge).where(col(Charge.transaction_key).startswith(f"loc-1*{number}-"))
            )
            loaded = [(each, Record.load(decode(each.record))) for each in found.all()]
        return {record.transaction_id: (charge, record) for charge, record in loaded}

    async def books(self, session_id: str) -> tuple[Document, Document]:
        """The Session and its one CDR, each as a strict receiver takes it."""
        async with self.yard.database.read() as db:
            key = object_key(OURS, session_id)
            session = await db.exec(select(SessionRow.body).where(SessionRow.key == key))
            cdr = await db.exec(select(CDRRow.body).where(CDRRow.session_key == session_id))
            found = decode(session.one()), decode(cdr.one())
        assert (defects(found[0], Session), defects(found[1], CDR)) == ([], [])
        return found


def check_session(session: Document, cdr: Document, expected: Decimal) -> None:
    assert session["status"] == "COMPLETED"
    assert session["kwh"] == energy_of(session) == energy_of(cdr) == cdr["total_energy"] == expected
    for name in ("charging_periods", "end_date_time", "total_cost", "currency"):
        assert session.get(name) == cdr.get(name)
    starts = [parse_moment(each["start_date_time"]) for each in cdr["charging_periods"]]
    assert starts[0] == parse_moment(cdr["start_date_time"])
    assert all(first < second for first, second in pairwise(starts))
    assert starts[-1] < parse_moment(cdr["end_date_time"])
    check = check_cdr(cdr, zone="Europe/Berlin")
    assert [each for each in check.figures if each.difference] == []


def metered(
    told: Sequence[Document], taken: Sequence[Outcome], closed: str | None
) -> Decimal | None:
    """The energy by the rule: first start to first stop, the register never falling.

    None where the meter counted on below its first value, or told no two values.
    """
    values: list[tuple[str, Decimal]] = []
    began = ended = None
    for each, outcome in zip(told, taken, strict=True):
        when, kind = each["at"], each["type"]
        again = (kind == "stop" and ended) or (kind == "start" and began)
        if again and kind == "stop" and outcome.result is Taken.TAKEN:
            again = None  # It brings the value that it lacked.
        if again or "after the end" in (outcome.note or ""):
            continue
        if kind == "start":
            began = when
            if ended is not None and ended < began:
                values = [(began if at == ended else at, kwh) for at, kwh in values]
                ended = began
        elif kind == "stop":
            when = ended = max(when, began or when)
        if "kwh" in each:
            values.append((when, Decimal(each["kwh"])))
    ended = ended or padded(str(closed))
    return _risen(values, str(began), ended)


def _risen(values: Sequence[tuple[str, Decimal]], began: str, ended: str) -> Decimal | None:
    """Of all rows of values from the first on that never fall the longest with the lowest end."""
    inside = [(at, kwh) for at, kwh in sorted(set(values)) if began <= at <= ended]
    told = [kwh for _, kwh in inside]
    if any(low < high for low, high in pairwise(told[1:])) and max(told[1:]) < told[0]:
        return None
    longest: list[tuple[int, Decimal, str]] = []
    for at, kwh in inside[1:]:
        shorter = [n for n, end, _ in longest if end <= kwh]
        if kwh >= told[0]:
            longest.append((max(shorter, default=0) + 1, kwh, at))
    ends = [(-n, end, at) for n, end, at in longest] or [(0, kwh, at) for at, kwh in inside[:1]]
    # A value, or several of one moment, tell nothing but of a session that has no length.
    if began != ended and (not ends or min(ends)[2] == inside[0][0]):
        return None
    return min(ends)[1] - told[0] if told else Decimal(0)


async def try_sequence(world: World, documents: Sequence[Document]) -> None:
    number = next(world.numbers)
    told = [world.named(number, each) for each in documents]
    taken = [(await world.take(each))[0] for each in told]
    assert all(each.result is not Taken.REFUSED for each in taken)
    await world.close_all()
    for name, (charge, record) in (await world.records(number)).items():
        if not record.begun:
            assert charge.trouble == "Its start was not reported."
            continue
        assert (charge.open, charge.closing_at) == (False, None)
        if record.session is None:
            assert charge.trouble is not None
            continue
        own = [n for n, each in enumerate(told) if each.get("transaction_id") == name]
        expected = metered([told[n] for n in own], [taken[n] for n in own], record.ended_at)
        if expected is None:
            assert "energy is not known" in str(charge.trouble)
            assert not record.billed
            continue
        session, cdr = await world.books(record.session["session_id"])
        if "total_cost" not in session:
            # Its end was told before its energy came, which the CDR alone has.
            session = {**cdr, "kwh": cdr["total_energy"], "status": session["status"]}
        check_session(session, cdr, expected)
        assert charge.trouble == record.reused


def told_within_a_second(*registers: int) -> list[Document]:
    """A session whose meter says nothing for an hour, and then this within milliseconds."""
    begun = document("start", at=moment(0), evse_uid=EVSES[0], connector_id="1", token={"uid": UID})
    told = [document("meter", at=moment(3600 + n / 1000), kwh=k) for n, k in enumerate(registers)]
    return [{**each, "transaction_id": NAMES[0]} for each in (begun, *told)]


def told_by_meter(*registers: int) -> list[Document]:
    """A session at whose start and then each quarter of an hour the meter said this."""
    begun = document("start", at=moment(0), evse_uid=EVSES[0], connector_id="1", token={"uid": UID})
    told = [begun, *(document("meter", at=moment(900 * n)) for n in range(1, len(registers)))]
    return [
        each | {"transaction_id": NAMES[0], "kwh": Decimal(kwh)}
        for each, kwh in zip(told, registers, strict=True)
    ]


def test_any_sequence_of_reports_ends_consistent(sqlite_url: str) -> None:
    with asyncio.Runner() as runner:
        opening = open_yard(sqlite_url)
        world = World(runner.run(opening.__aenter__()))

        @EXAMPLES
        @given(reports)
        @example([])
        @example(told_by_meter(10, 12, 58, 14, 15))
        @example(told_by_meter(58, 12, 14, 15))
        @example(told_within_a_second(0, 1))
        def consistent(documents: list[Document]) -> None:
            runner.run(try_sequence(world, documents))

        consistent()
        runner.run(opening.__aexit__(None, None, None))


steps = st.tuples(st.integers(1, 3600), st.integers(0, 200_000).map(lambda n: Decimal(n) / 10_000))
sessions = st.lists(st.lists(steps, min_size=1, max_size=4), min_size=1, max_size=3)


@pytest.mark.req("SE-24")
def test_energy_is_conserved_over_sessions_that_were_reported_cleanly(sqlite_url: str) -> None:
    with asyncio.Runner() as runner:
        opening = open_yard(sqlite_url)
        world = World(runner.run(opening.__aenter__()))

        async def fed(charged: list[list[tuple[int, Decimal]]], shuffle: Any) -> None:
            number = next(world.numbers)
            told: list[list[Document]] = []
            total = Decimal(0)
            for index, each in enumerate(charged):
                name, when, kwh = f"s{index}", 0, Decimal(5000)
                members = {"transaction_id": name, "connector_id": "1"}
                evse = EVSES[index % len(EVSES)]
                begun = document("start", at=moment(0), evse_uid=evse, kwh=kwh, **members)
                told.append([begun | {"token": {"uid": UID}}])
                for seconds, gained in each:
                    when, kwh, total = when + seconds, kwh + gained, total + gained
                    told[-1].append(
                        document("meter", at=moment(when), transaction_id=name, kwh=kwh)
                    )
                told[-1][-1]["type"] = "stop"
            mixed = shuffle([each for events in told for each in events[:-1]])
            ends = shuffle([events[-1] for events in told])
            for each in [*mixed, *ends, *mixed, *ends]:
                await world.take(world.named(number, each))
            found = await world.records(number)
            billed = [
                (await world.books(record.session["session_id"]))[1]
                for _, record in found.values()
                if record.session is not None
            ]
            assert len(billed) == len(charged)
            assert sum(each["total_energy"] for each in billed) == total

        @EXAMPLES
        @given(sessions, st.data())
        def conserved(charged: list[list[tuple[int, Decimal]]], data: st.DataObject) -> None:
            runner.run(fed(charged, lambda each: data.draw(st.permutations(each))))

        conserved()
        runner.run(opening.__aexit__(None, None, None))
