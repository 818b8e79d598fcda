"""What a session would cost that nobody has had yet."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

from modules.tariffs.pricing.bill import Bill
from modules.tariffs.pricing.measured import Measured, Reading, State, StateChange
from modules.tariffs.pricing.policy import DEFAULT, Policy
from modules.tariffs.pricing.pricing import price_usage
from modules.tariffs.pricing.splitting import split_session
from modules.tariffs.pricing.terms import read_tariff
from modules.tariffs.pricing.usage import PricingError
from modules.tariffs.pricing.zones import open_zone


def estimate(
    tariff: Mapping[str, Any],
    start: datetime,
    minutes: int,
    kwh: Decimal,
    power: Decimal | None = None,
    zone: str | None = None,
    *,
    current: Decimal | None = None,
    policy: Policy = DEFAULT,
) -> Bill:
    """Price a stay of so many minutes in which so much energy is charged at an even power.

    What is left of the stay after charging is parking; without `power` the whole stay is charging.
    Raises PricingError if the stay is too short for the energy.
    """
    terms = read_tariff(tariff)
    end = start + timedelta(minutes=minutes)
    full = end if power is None else start + _hours(kwh, power)
    if full > end:
        raise PricingError(
            "stay_too_short", f"{kwh} kWh at {power} kW takes longer than {minutes} min."
        )
    flowing = power if power is not None else _mean(kwh, minutes)
    measured = Measured(
        start,
        end,
        (Reading(start, Decimal(0), flowing, current), Reading(full, kwh)),
        (StateChange(full, State.PARKED),) if full < end else (),
    )
    local = open_zone(zone) if zone else None
    return price_usage(split_session(measured, [terms], local, policy), [terms], local, policy)


def _hours(kwh: Decimal, power: Decimal) -> timedelta:
    if power <= 0:
        raise PricingError("no_power", "Power must be more than nothing.")
    return timedelta(seconds=ceil(Fraction(kwh) * 3600 / Fraction(power)))


def _mean(kwh: Decimal, minutes: int) -> Decimal:
    if minutes <= 0:
        raise PricingError("no_duration", "The stay must last a minute.")
    return kwh * 60 / minutes
