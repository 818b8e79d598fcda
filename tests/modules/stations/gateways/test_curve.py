"""The power that a simulated vehicle takes, over all vehicles and limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.stations.gateways.curve import Vehicle, active_profile, limit_at
from ocpi.spec.chargingprofiles import ActiveChargingProfile
from ocpi.spec.moments import format_moment
from ocpi.spec.reading import defects

BEGAN = datetime(2026, 1, 15, 9, tzinfo=UTC)

kilowatts = st.decimals("1", "350", places=1)
vehicles = st.builds(Vehicle, kilowatts, st.decimals("0.1", "100", places=2))
limits = st.none() | st.decimals("0", "400", places=1)
steps = st.lists(st.tuples(st.floats(0.01, 900), limits), max_size=50)
periods = st.dictionaries(st.integers(0, 400), st.decimals("0", "50000", places=1), max_size=4).map(
    lambda limits: [{"start_period": at, "limit": limits[at]} for at in sorted(limits)]
)
profiles = st.fixed_dictionaries(
    {"charging_rate_unit": st.sampled_from(["W", "A"]), "charging_profile_period": periods},
    optional={
        "duration": st.integers(1, 400),
        "start_date_time": st.integers(-300, 300).map(
            lambda seconds: format_moment(BEGAN + timedelta(seconds=seconds))
        ),
    },
)


@pytest.mark.req("CP-16")
@settings(deadline=None)
@given(vehicles, steps)
def test_power_keeps_to_every_limit_and_energy_only_grows_up_to_the_need(
    vehicle: Vehicle, course: list[tuple[float, Decimal | None]]
) -> None:
    seconds, charged = 0.0, Decimal(0)
    for step, limit in course:
        after, power = vehicle.charge(seconds, charged, step, limit)
        assert 0 <= power <= vehicle.most_kw
        assert limit is None or power <= limit
        assert charged <= after <= vehicle.needs_kwh
        rounding = Decimal("1e-20")
        assert after - charged <= power * Decimal(str(step)) / 3600 + rounding
        seconds, charged = seconds + step, after


@settings(deadline=None)
@given(vehicles, st.floats(30, 600))
def test_every_vehicle_gets_full(vehicle: Vehicle, step: float) -> None:
    seconds, charged = 0.0, Decimal(0)
    # At the least share of its power all the time, and five seconds more.
    longest = vehicle.needs_kwh / vehicle.most_kw * 3600 / Decimal("0.15") + 5
    while charged < vehicle.needs_kwh:
        charged, power = vehicle.charge(seconds, charged, step, None)
        assert power > 0
        seconds += step
        assert seconds <= float(longest) + step
    assert vehicle.power(seconds, charged, None) == 0


def test_power_rises_stays_and_falls() -> None:
    vehicle = Vehicle(Decimal(50), Decimal(10))
    rising = [vehicle.power(seconds, Decimal(0), None) for seconds in (0, 1, 5, 60)]
    assert rising == [0, 10, 50, 50]
    falling = [vehicle.power(60, Decimal(kwh), None) for kwh in ("7", "8.5", "9.99", "10")]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] == 50
    assert falling[-1] == 0


def limit_after(profile: dict[str, Any], seconds: float) -> Decimal | None:
    return limit_at(profile, BEGAN, BEGAN + timedelta(seconds=seconds))


@pytest.mark.req("CP-17", "CP-18", "CP-19")
def test_a_limit_is_that_of_the_period_and_ends_with_the_profile() -> None:
    profile = {
        "charging_rate_unit": "W",
        "duration": 100,
        "charging_profile_period": [
            {"start_period": 10, "limit": 11000},
            {"start_period": 20, "limit": Decimal("3700.5")},
        ],
    }
    found = [limit_after(profile, seconds) for seconds in (-1, 0, 10, 19.9, 20, 99.9, 100)]
    reduced = Decimal("3.7005")
    assert found == [None, None, 11, 11, reduced, reduced, None]
    del profile["duration"]
    assert limit_after(profile, 1e6) == reduced


@pytest.mark.req("CP-17", "CP-18")
def test_amperes_are_per_phase_and_a_profile_may_have_its_own_begin() -> None:
    profile = {
        "charging_rate_unit": "A",
        "start_date_time": format_moment(BEGAN + timedelta(seconds=60)),
        "charging_profile_period": [{"start_period": 0, "limit": 16}],
    }
    assert [limit_after(profile, seconds) for seconds in (0, 59, 60)] == [
        None,
        None,
        Decimal("11.04"),
    ]


@pytest.mark.req("CP-13")
@settings(deadline=None)
@given(profiles, st.integers(0, 500), kilowatts, st.integers(1, 900))
def test_an_active_profile_says_for_every_second_what_the_limit_is(
    profile: dict[str, Any], passed: int, most: Decimal, duration: int
) -> None:
    now = BEGAN + timedelta(seconds=passed)
    told = active_profile(profile, BEGAN, now, most, duration)
    assert defects(told, ActiveChargingProfile) == []
    inner = told["charging_profile"]
    assert inner["duration"] == duration
    told_at = -1
    for second in range(0, duration, 7):
        limit = limit_at(profile, BEGAN, now + timedelta(seconds=second))
        expected = most if limit is None else min(limit, most)
        periods = [
            each for each in inner["charging_profile_period"] if each["start_period"] <= second
        ]
        assert periods[-1]["limit"] == (expected * 1000).quantize(Decimal("0.1"))
        told_at = max(told_at, periods[-1]["start_period"])
    assert told_at < duration


@pytest.mark.req("CP-13", "CP-14")
def test_without_a_profile_all_that_the_evse_can_is_told() -> None:
    told = active_profile(None, BEGAN, BEGAN, Decimal(22), 10**9)
    assert told["charging_profile"] == {
        "duration": 10**9,
        "charging_rate_unit": "W",
        "charging_profile_period": [{"start_period": 0, "limit": Decimal("22000.0")}],
    }
