"""What a session would cost that nobody has had yet."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil

from modules.tariffs.pricing.bill import Bill
from modules.tariffs.pricing.entrances import Tariff
from modules.tariffs.pricing.measured import Measured, Reading, State, StateChange
from modules.tariffs.pricing.policy import DEFAULT, Policy
from modules.tariffs.pricing.pricing import price_usage
from modules.tariffs.pricing.splitting import split_session
from modules.tariffs.pricing.terms import Terms, read_tariff
from modules.tariffs.pricing.usage import PricingError
from modules.tariffs.pricing.zones import localized, open_zone

_MOST_MINUTES = 366 * 24 * 60


def estimate(
    tariff: Tariff,
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
    A naive start is in local time, or in UTC where `zone` is not given. Raises PricingError if the
    stay is too short for the energy.
    """
    terms = tariff if isinstance(tariff, Terms) else read_tariff(tariff)
    local = open_zone(zone) if zone else None
    if not 0 < minutes <= _MOST_MINUTES:
        raise PricingError("bad_duration", f"The stay must last 1 to {_MOST_MINUTES} min.")
    if kwh < 0:
        raise PricingError("bad_energy", "Less than nothing can't be charged.")
    start = localized(start, local)
    end = start + timedelta(minutes=minutes)
    full = end if power is None else start + _charging(kwh, power, minutes)
    flowing = power if power is not None else kwh * 60 / minutes
    measured = Measured(
        start,
        end,
        (Reading(start, Decimal(0), flowing, current), Reading(full, kwh)),
        (StateChange(full, State.PARKED),) if full < end else (),
    )
    return price_usage(split_session(measured, [terms], local, policy), [terms], local, policy)


def _charging(kwh: Decimal, power: Decimal, minutes: int) -> timedelta:
    if power <= 0:
        raise PricingError("no_power", "Power must be more than nothing.")
    lasting = ceil(Fraction(kwh) * 3600 / Fraction(power))
    if lasting > minutes * 60:
        raise PricingError(
            "stay_too_short", f"{kwh} kWh at {power} kW takes longer than {minutes} min."
        )
    return timedelta(seconds=lasting)
