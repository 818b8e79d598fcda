"""The two ways to a price: from what a station measured, and from a CDR as it was received."""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from modules.tariffs.pricing.bill import Bill
from modules.tariffs.pricing.measured import Measured
from modules.tariffs.pricing.policy import DEFAULT, Policy
from modules.tariffs.pricing.pricing import price_usage
from modules.tariffs.pricing.reading import (
    CdrToPrice,
    find_zone,
    read_cdr,
    read_tariffs,
    read_usage,
)
from modules.tariffs.pricing.splitting import split_session
from modules.tariffs.pricing.terms import Terms, read_tariff
from modules.tariffs.pricing.usage import Note, Usage
from modules.tariffs.pricing.zones import open_zone

Tariff = Mapping[str, Any] | Terms


def bill_session(
    measured: Measured,
    tariffs: Sequence[Tariff],
    zone: str | None = None,
    *,
    expired: bool | None = None,
    policy: Policy = DEFAULT,
) -> Bill:
    """Split what was measured at every boundary of the tariffs, and price it (CD-18).

    `zone` is the IANA name of the Location's; `expired` says that a reservation ran out. Raises
    PricingError.
    """
    terms = compile_tariffs(tariffs)
    local = open_zone(zone) if zone else None
    usage = split_session(measured, terms, local, policy, expired=expired)
    return price_usage(usage, terms, local, policy)


def price_cdr(
    cdr: Mapping[str, Any],
    tariffs: Sequence[Tariff] | None = None,
    zone: str | None = None,
    *,
    expired: bool | None = None,
    policy: Policy = DEFAULT,
) -> Bill:
    """Price a CDR document period by period as it stands, by its own tariffs if none are given.

    Without `zone` it is inferred, or done without where no price depends on local time. Raises
    PricingError.
    """
    given = read_cdr(cdr)
    terms = read_tariffs(given) if tariffs is None else compile_tariffs(tariffs)
    usage, local = prepare(given, terms, zone, expired=expired)
    return price_usage(usage, terms, local, policy)


def prepare(
    cdr: CdrToPrice, tariffs: Sequence[Terms], zone: str | None, *, expired: bool | None
) -> tuple[Usage, ZoneInfo | None]:
    """Order the periods and find the zone, which matters only where prices depend on local time."""
    usage = read_usage(cdr, expired=expired)
    notes: list[Note] = []
    local = find_zone(cdr, zone, notes)
    if notes and any(terms.needs_local_time for terms in tariffs):
        usage = usage._replace(notes=(*usage.notes, *notes))
    return usage, local


def compile_tariffs(tariffs: Sequence[Tariff]) -> list[Terms]:
    return [each if isinstance(each, Terms) else read_tariff(each) for each in tariffs]
