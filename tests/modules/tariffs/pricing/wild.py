"""Tariffs and CDRs as wild as OCPI lets them be."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.modules.tariffs.pricing.sample import Document, tariff

numbers = st.one_of(
    st.integers(-(10**20) + 1, 10**20 - 1),
    st.decimals(-(10**12), 10**12, places=8),
    st.sampled_from([Decimal("1E-30"), Decimal("9E30"), 0, Decimal("0.1667")]),
)
words = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=5)
moments = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds") + "Z"),
    st.sampled_from(["2024-01-15T08:00:00Z", "2024-01-15T08:30:00Z", "2024-01-15T23:59:59.999Z"]),
)
kinds = st.sampled_from(
    ["ENERGY", "TIME", "PARKING_TIME", "RESERVATION_TIME", "MIN_POWER", "MAX_POWER", "CURRENT"]
)


def some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=1, max_size=3)


amounts = st.fixed_dictionaries({"excl_vat": numbers}, optional={"incl_vat": numbers})
restricted = st.fixed_dictionaries(
    {},
    optional={
        "start_time": st.sampled_from(["00:00", "23:59", "24:00", "08:30", "x"]),
        "end_time": st.sampled_from(["00:00", "23:59", "08:30"]),
        "start_date": st.sampled_from(["0001-01-01", "2024-01-15", "2024-02-30"]),
        "end_date": st.sampled_from(["9999-12-31", "2024-01-16"]),
        "min_kwh": numbers,
        "max_kwh": numbers,
        "max_current": numbers,
        "min_power": numbers,
        "min_duration": st.integers(-(10**20) + 1, 10**20 - 1),
        "day_of_week": st.lists(st.sampled_from(["MONDAY", "SOMEDAY"]), max_size=2),
        "reservation": st.sampled_from(["RESERVATION", "RESERVATION_EXPIRES", "OTHER"]),
        "min_soc": numbers,
    },
)
components = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["FLAT", "ENERGY", "TIME", "PARKING_TIME", "CONGESTION_TIME"]),
        "price": numbers,
        "step_size": st.integers(-(10**20) + 1, 10**20 - 1) | st.sampled_from([0, 1, 300]),
    },
    optional={"vat": numbers},
)
offers = st.builds(
    lambda elements, members: tariff(*elements, **members),
    some(
        st.fixed_dictionaries(
            {"price_components": some(components)}, optional={"restrictions": restricted}
        )
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "id": words,
            "currency": words.map(lambda text: text[:3]),
            "min_price": amounts,
            "max_price": amounts,
            "start_date_time": moments,
            "end_date_time": moments,
            "tax_included": st.sampled_from(["YES", "NO", "N/A"]),
        },
    ),
)
periods = st.fixed_dictionaries(
    {
        "start_date_time": moments,
        "dimensions": some(st.fixed_dictionaries({"type": kinds, "volume": numbers})),
    },
    optional={"tariff_id": st.just("T1") | words},
)
claims = st.fixed_dictionaries(
    {},
    optional={
        "total_cost": amounts,
        "total_fixed_cost": amounts,
        "total_energy_cost": amounts,
        "total_time_cost": amounts,
        "total_energy": numbers,
        "total_time": numbers,
        "total_parking_time": numbers,
        "currency": st.sampled_from(["JPY", "KWD", "XXX", "$$$"]),
        "credit": st.booleans(),
    },
)


def cdrs(stated: Document) -> st.SearchStrategy[Document]:
    """CDRs that hold what is stated, and of everything that a price is for whatever OCPI allows."""
    return st.builds(
        lambda times, charging, tariffs, members: (
            stated
            | {"start_date_time": times[0], "end_date_time": times[1], "currency": "EUR"}
            | {"total_cost": {"excl_vat": 1}, "charging_periods": charging, "tariffs": tariffs}
            | members
        ),
        st.tuples(moments, moments),
        some(periods),
        st.lists(offers, max_size=2),
        claims,
    )
