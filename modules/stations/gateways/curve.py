"""How much power a simulated vehicle takes: pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any

from ocpi.editing import Document
from ocpi.spec.moments import format_moment, parse_moment

RAMP_SECONDS = 5
# Beyond this share of what it needs a battery takes less and less, down to the least share.
FULL_POWER_UNTIL = Decimal("0.7")
LEAST = Decimal("0.15")
_WATT = Decimal(1000)
_HOUR = Decimal(3600)


@dataclass(frozen=True)
class Vehicle:
    """What charges: how fast at most, in kW, and how much it still takes, in kWh."""

    most_kw: Decimal
    needs_kwh: Decimal

    def power(self, seconds: float, charged: Decimal, limit_kw: Decimal | None) -> Decimal:
        """The kW that it takes now; `limit_kw` is what it is allowed, None for all it can."""
        if charged >= self.needs_kwh:
            return Decimal(0)
        share = charged / self.needs_kwh
        ramp = min(Decimal(str(seconds)) / RAMP_SECONDS, Decimal(1))
        taper = Decimal(1)
        if share > FULL_POWER_UNTIL:
            left = (1 - share) / (1 - FULL_POWER_UNTIL)
            taper = LEAST + (1 - LEAST) * left
        wanted = self.most_kw * ramp * taper
        return wanted if limit_kw is None else min(wanted, limit_kw)

    def charge(
        self, seconds: float, charged: Decimal, step: float, limit_kw: Decimal | None
    ) -> tuple[Decimal, Decimal]:
        """The kWh after `step` more seconds, and the mean kW meanwhile."""
        power = self.power(seconds + step / 2, charged, limit_kw)
        energy = min(power * Decimal(str(step)) / _HOUR, self.needs_kwh - charged)
        return charged + max(energy, Decimal(0)), power


def limit_at(profile: Document | None, since: datetime, now: datetime) -> Decimal | None:
    """The kW that a ChargingProfile allows at a moment; None where it says nothing (CP-16).

    `since` is when charging began, for a profile that is relative to it; amperes are per phase, of
    230 V in three phases (CP-17, CP-18, CP-19).
    """
    if profile is None:
        return None
    passed = (now - _start_of(profile, since)).total_seconds()
    if passed < 0 or ("duration" in profile and passed >= profile["duration"]):
        return None
    limit: Decimal | None = None
    for period in profile.get("charging_profile_period", []):
        if period["start_period"] <= passed:
            limit = Decimal(period["limit"])
    if limit is None:
        return None
    return limit / _WATT if profile["charging_rate_unit"] == "W" else limit * 230 * 3 / _WATT


def _start_of(profile: Document, since: datetime) -> datetime:
    given = profile.get("start_date_time")
    return since if given is None else parse_moment(given)


def active_profile(
    profile: Document | None, since: datetime, now: datetime, most_kw: Decimal, duration: int
) -> dict[str, Any]:
    """The ActiveChargingProfile for the next seconds; all that the EVSE can where none is set."""
    most = _one_decimal(most_kw)
    periods: list[dict[str, Any]] = []
    for second in _edges(profile, since, now, duration):
        kw = limit_at(profile, since, now + timedelta(seconds=second))
        limit = most if kw is None else min(_one_decimal(kw), most)
        if not periods or periods[-1]["limit"] != limit:
            periods.append({"start_period": second, "limit": limit})
    return {
        "start_date_time": format_moment(now),
        "charging_profile": {
            "duration": duration,
            "charging_rate_unit": "W",
            "charging_profile_period": periods,
        },
    }


def _edges(profile: Document | None, since: datetime, now: datetime, duration: int) -> list[int]:
    """The whole seconds from now on at which the limit may change."""
    if profile is None:
        return [0]
    before = (_start_of(profile, since) - now).total_seconds()
    starts = [each["start_period"] for each in profile.get("charging_profile_period", [])]
    ends = [profile["duration"]] if "duration" in profile else []
    edges = {ceil(before + each) for each in (0, *starts, *ends)}
    return [0, *sorted(edge for edge in edges if 0 < edge < duration)]


def _one_decimal(kw: Decimal) -> Decimal:
    return (kw * _WATT).quantize(Decimal("0.1"))
