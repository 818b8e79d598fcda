"""Random tariffs and sessions cost what an independent reckoning says."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modules.tariffs.pricing import (
    Bill,
    Measured,
    Reading,
    State,
    StateChange,
    bill_session,
    cdr_fields,
    check_cdr,
    price_cdr,
)
from modules.tariffs.pricing.bill import COST_FIELDS
from ocpi.spec.document import decode, encode
from tests.modules.tariffs.pricing import oracle
from tests.modules.tariffs.pricing.sample import VECTORS, Document, component, element, tariff

ZONES = ("Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo")
SECOND = timedelta(seconds=1)
NIGHTS = [
    datetime(2025, month, day, tzinfo=UTC)
    for month, day in ((3, 9), (3, 30), (4, 5), (10, 4), (10, 26), (11, 2))
]

prices = st.decimals("0", "9.9999", places=4)
steps = st.sampled_from((0, 1, 60, 300, 500, 600, 900))
rates = st.sampled_from((None, "0", "5.5", "21"))
# Bounds that sessions often meet exactly.
clocks = st.sampled_from(("00:00", "01:30", "02:00", "02:30", "03:00", "06:00", "22:00"))
kilowatthours = st.sampled_from(("0", "0.1667", "0.5", "1.25", "1.75", "2.5", "6")).map(Decimal)
minutes = st.sampled_from((0, 1, 10, 30, 60, 90, 240)).map(lambda count: count * 60)
levels = st.sampled_from((0, 10, 16, 32))
RESTRICTIONS: dict[str, st.SearchStrategy[Any]] = {
    "start_time": clocks,
    "end_time": clocks | st.just("23:59"),
    "start_date": st.sampled_from(("2025-03-09", "2025-03-30", "2025-10-26")),
    "end_date": st.sampled_from(("2025-03-10", "2025-03-31", "2025-10-26")),
    "day_of_week": st.lists(st.sampled_from(("MONDAY", "SATURDAY", "SUNDAY")), unique=True),
    "min_kwh": kilowatthours,
    "max_kwh": kilowatthours,
    "min_duration": minutes,
    "max_duration": minutes,
    "min_power": levels,
    "max_power": levels,
    "min_current": levels,
    "max_current": levels,
    "reservation": st.sampled_from(("RESERVATION", "RESERVATION_EXPIRES")),
}


def restricted(*names: str) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries({name: RESTRICTIONS[name] for name in names})


# What is restricted together; with all at a time nearly nothing would ever apply.
THEMES: dict[str, st.SearchStrategy[Document]] = {
    "windows": restricted("start_time", "end_time"),
    "dates": restricted("start_date") | restricted("end_date"),
    "days": restricted("day_of_week", "end_time"),
    "energy": restricted("min_kwh", "max_kwh") | restricted("max_kwh"),
    "duration": restricted("min_duration", "max_duration") | restricted("max_duration"),
    "power": restricted("min_power") | restricted("max_power"),
    "current": restricted("min_current", "max_current") | restricted("max_current"),
    "reservation": restricted("reservation") | restricted("reservation", "max_duration"),
    "anything": st.fixed_dictionaries({}, optional=RESTRICTIONS),
}
restrictions: st.SearchStrategy[Document] = st.one_of(st.just({}), *THEMES.values())


def components(sizes: st.SearchStrategy[int]) -> st.SearchStrategy[Document]:
    kinds = st.sampled_from(("FLAT", "ENERGY", "TIME", "PARKING_TIME"))
    return st.builds(component, kinds, prices.map(str), sizes, rates)


def elements(
    sizes: st.SearchStrategy[int], limits: st.SearchStrategy[Document]
) -> st.SearchStrategy[list[Document]]:
    one = st.builds(
        lambda parts, limit: element(*parts, **limit),
        st.lists(components(sizes), min_size=1, max_size=4),
        limits,
    )
    return st.lists(one, min_size=1, max_size=5)


bounds = st.fixed_dictionaries({"excl_vat": prices}, optional={"incl_vat": prices})
moments = st.sampled_from(("2025-03-09T00:00:00Z", "2025-04-01T00:00:00Z", "2025-10-26T03:00:00Z"))


def offers(limits: st.SearchStrategy[Document]) -> st.SearchStrategy[Document]:
    return st.builds(
        lambda parts, members: tariff(*parts, **members),
        elements(steps, st.just({}) | limits),
        st.fixed_dictionaries(
            {},
            optional={
                "min_price": bounds,
                "max_price": bounds,
                "start_date_time": moments,
                "end_date_time": moments,
            },
        ),
    )


volumes = st.sampled_from(("0", "0.1667", "0.3334", "0.5", "0.0001", "1.25", "2.5", "7.3333"))
dimensions = st.lists(
    st.sampled_from(
        ("ENERGY", "TIME", "PARKING_TIME", "RESERVATION_TIME", "ENERGY", "TIME")
    ).flatmap(lambda kind: st.tuples(st.just(kind), volumes)),
    min_size=1,
    max_size=3,
)
ranges = st.dictionaries(
    st.sampled_from(("MIN_POWER", "MAX_POWER", "MIN_CURRENT", "MAX_CURRENT")),
    levels.map(str),
    max_size=4,
)


# Mostly at the minutes at which windows begin and end.
minutes_of_day = st.one_of(
    st.integers(-8, 16).map(lambda count: count * 30),
    st.integers(-6, 12).map(lambda count: count * 10),
    st.integers(-600, 900),
)


@st.composite
def cdrs(draw: st.DrawFn) -> Document:
    """A CDR of up to five periods, in any order, that name all, some or none of two tariffs."""
    night = draw(st.sampled_from(NIGHTS))
    minutes = sorted(draw(st.sets(minutes_of_day, min_size=1, max_size=5)))
    ids = draw(st.sampled_from(((None,), ("T1",), ("t1", "T2"), ("T1", "T2", None))))
    periods: list[Document] = []
    for minute in minutes:
        names = [*draw(dimensions), *draw(ranges).items()]
        document: Document = {
            "start_date_time": f"{night + minute * 60 * SECOND:%Y-%m-%dT%H:%M:%SZ}",
            "dimensions": [{"type": name, "volume": Decimal(volume)} for name, volume in names],
        }
        tariff_id = draw(st.sampled_from(ids))
        periods.append(document | ({"tariff_id": tariff_id} if tariff_id else {}))
    start = periods[0]["start_date_time"]
    end = night + (minutes[-1] + draw(st.integers(1, 300))) * 60 * SECOND
    return {
        "start_date_time": start,
        "end_date_time": f"{end:%Y-%m-%dT%H:%M:%SZ}",
        "currency": "EUR",
        "charging_periods": draw(st.permutations(periods)),
    }


def found(bill: Bill) -> tuple[dict[str, Any], tuple[Fraction, Fraction]]:
    parts = {name: (cost.excl, cost.incl) for name, cost in bill.parts.items()}
    return with_every_field(parts), (bill.total.excl, bill.total.incl)


def with_every_field(parts: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(COST_FIELDS.values(), (0, 0)) | parts


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_oracle_itself_meets_the_vectors(vector: dict[str, Any]) -> None:
    if vector["ocpi_version"] != "2.2.1":
        return
    expired = vector.get("options", {}).get("reservation_expired")
    answer = oracle.price_periods(
        vector["cdr"], [vector["tariff"]], vector["timezone"], expired=expired
    )
    wanted = vector["expected"]["total_cost"]
    assert [round(side * 10**4 + Fraction(1, 10**9)) for side in answer.total] == [
        int(wanted[vat] * 10**4) for vat in ("excl_vat", "incl_vat")
    ]


@pytest.mark.parametrize("theme", THEMES)
@settings(deadline=None, max_examples=60)
@given(
    received=cdrs(),
    zone=st.sampled_from(ZONES),
    expired=st.sampled_from((None, None, True, False)),
    data=st.data(),
)
@pytest.mark.req("TA-06", "TA-07", "TA-10", "TA-13", "TA-14", "TA-15", "TA-16", "TA-17", "TA-18")
@pytest.mark.req("TA-19", "TA-20", "TA-21", "CD-23", "CD-24", "CD-25", "CD-26")
def test_a_cdr_costs_what_the_oracle_says(
    *, theme: str, received: Document, zone: str, expired: bool | None, data: st.DataObject
) -> None:
    first, second = (data.draw(offers(THEMES[theme])) for _ in range(2))
    known = [first, second | {"id": "T2"}]
    bill = price_cdr(received, known, zone, expired=expired)
    answer = oracle.price_periods(received, known, zone, expired=expired)
    assert found(bill) == (with_every_field(answer.parts), answer.total)


@st.composite
def walked(draw: st.DrawFn) -> oracle.Walked:
    """A session of up to 40 minutes: perhaps reserved, then charging, then perhaps parked."""
    start = draw(st.sampled_from(NIGHTS)) + draw(st.integers(-40, 960)) * 60 * SECOND
    length = draw(st.integers(60, 2400))
    reserved = draw(st.sampled_from((0, 0, 0, length // 3, length)))
    parked = draw(st.integers(reserved, length))
    marks = sorted(draw(st.sets(st.integers(reserved, parked), max_size=3)) | {reserved, parked})
    kwh, readings = Fraction(0), []
    for mark in dict.fromkeys((0, *marks)):
        if mark > reserved:
            kwh += Fraction(draw(st.decimals("0", "8", places=3)))
        readings.append((mark, kwh, Fraction(draw(levels))))
    return oracle.Walked(start, length, reserved, parked, readings)


def measured(session: oracle.Walked) -> Measured:
    def at(second: int) -> datetime:
        return session.start + second * SECOND

    states = {0: State.RESERVED} if session.reserved else {0: State.CHARGING}
    if session.reserved < session.seconds:
        states[session.reserved] = State.CHARGING
    if session.parked < session.seconds:
        states[session.parked] = State.PARKED
    readings = [
        Reading(at(second), Decimal(kwh.numerator) / kwh.denominator, Decimal(int(power)))
        for second, kwh, power in session.readings
    ]
    changes = [StateChange(at(second), state) for second, state in states.items()]
    return Measured(at(0), at(session.seconds), tuple(readings), tuple(changes))


stays = st.builds(
    lambda parts: tariff(*parts),
    elements(
        st.just(0),
        restrictions.map(
            lambda limit: {name: value for name, value in limit.items() if "current" not in name}
        ),
    ),
)


@settings(deadline=None, max_examples=40)
@given(stays, walked(), st.sampled_from(ZONES))
@pytest.mark.req("CD-17", "CD-18", "TA-06", "TA-16", "TA-19")
def test_a_measured_session_costs_the_sum_of_its_seconds(
    offer: Document, session: oracle.Walked, zone: str
) -> None:
    bill = bill_session(measured(session), [offer], zone)
    answer = oracle.price_seconds(session, offer, zone)
    assert abs(bill.total.excl - answer.total[0]) <= slack(bill, session)


def slack(bill: Bill, session: oracle.Walked) -> Fraction:
    """Volumes have four decimals, and thresholds are crossed at whole seconds."""
    dearest = 10
    fastest = max(
        (
            (high - low) / (done - begun)
            for (begun, low, _), (done, high, _) in zip(
                session.readings, session.readings[1:], strict=False
            )
        ),
        default=Fraction(0),
    )
    return dearest * len(bill.lines) * (Fraction(1, 10**4) + fastest + Fraction(1, 3600))


def timed(limits: st.SearchStrategy[Document], *kinds: str) -> st.SearchStrategy[Document]:
    part = st.builds(
        component,
        st.sampled_from(kinds),
        st.sampled_from(("0.5", "6", "9.9999")),
        st.sampled_from((60, 600, 1)),
        rates,
    )
    return st.builds(lambda part, limit: element(part, **limit), part, limits)


# Time without a price goes before that which has one, and whole minutes are whole steps.
begins = st.fixed_dictionaries({"min_duration": st.integers(1, 19).map(lambda n: n * 60)})
later_prices = st.builds(
    lambda first, others: tariff(first, *others),
    timed(begins, "TIME", "PARKING_TIME"),
    st.lists(
        timed(begins | THEMES["windows"] | THEMES["duration"], "TIME", "PARKING_TIME"), max_size=2
    ),
)


@st.composite
def plain_stays(draw: st.DrawFn) -> oracle.Walked:
    """Charging or parked for up to 50 minutes, or the one after the other; mostly whole minutes."""
    unit = draw(st.sampled_from((60, 60, 60, 1)))
    start = draw(st.sampled_from(NIGHTS)) + draw(st.integers(-40, 960)) * 60 * SECOND
    length = draw(st.integers(1200 // unit, 3000 // unit)) * unit
    parked = draw(st.sampled_from((0, length)) | st.integers(0, length // 60).map(lambda n: n * 60))
    return oracle.Walked(start, length, 0, parked, [(0, Fraction(0), Fraction(0))])


@settings(deadline=None, max_examples=100)
@given(later_prices, plain_stays(), st.sampled_from(ZONES))
@example(
    tariff(element(component("TIME", "6", 600), min_duration=1200)),
    oracle.Walked(NIGHTS[0], 2400, 0, 2400, [(0, Fraction(0), Fraction(0))]),
    "Asia/Tokyo",
)
@pytest.mark.req("CD-23", "CD-24", "CD-25", "CD-26", "TA-15")
def test_the_time_of_a_measured_session_is_billed_in_steps_of_its_exact_seconds(
    offer: Document, session: oracle.Walked, zone: str
) -> None:
    bill = bill_session(measured(session), [offer], zone)
    answer = oracle.price_seconds(session, offer, zone)
    assert abs(bill.total.excl - answer.total[0]) <= Fraction(10 * len(bill.lines), 10**4)
    check = check_cdr(decode(encode(cdr_fields(bill))), (), zone)
    assert (check.bill.total, check.agrees) == (bill.total, True)
