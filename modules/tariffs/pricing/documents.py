"""Bills as JSON-able documents: the CDR's own fields, and all that led to them."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

from modules.tariffs.pricing.bill import Bill, Limited, Line, Step
from modules.tariffs.pricing.checking import Check, Comparison
from modules.tariffs.pricing.curves import seconds
from modules.tariffs.pricing.explanation import explain
from modules.tariffs.pricing.lint import Finding
from modules.tariffs.pricing.money import Money, half_up, times
from modules.tariffs.pricing.terms import Component
from modules.tariffs.pricing.usage import Kind, Note, Period
from ocpi.spec.moments import format_moment

_PLACES = 4  # Of quantities, and of amounts where they are broken down.
_QUANTITIES = {
    Kind.ENERGY: ("energy_kwh", 1),
    Kind.TIME: ("time_s", 3600),
    Kind.PARKING_TIME: ("parking_s", 3600),
    Kind.RESERVATION_TIME: ("reservation_s", 3600),
}


def cost_fields(bill: Bill, places: int | None = None) -> dict[str, Any]:
    """The CDR's total_cost and total_*_cost, by default in the currency's minor unit."""
    shown = bill.places if places is None else places
    exact = {"total_cost": bill.total, **bill.parts}
    return {field: _price(cost, shown) for field, cost in exact.items()}


def billed_quantities(bill: Bill) -> dict[str, Decimal]:
    """What is billed after step_size, of what was priced: energy_kwh, time_s, parking_s, ..."""
    quantities = {}
    for kind, volume in bill.billed().items():
        name, units = _QUANTITIES[kind]
        quantities[name] = half_up(times(volume, units), _PLACES)
    return quantities


def cdr_fields(bill: Bill) -> dict[str, Any]:
    """The pricing part of a CDR: its times, tariffs, charging periods and totals (CD-20).

    A reservation begins the CDR, but is no part of its total_time: without total_parking_time that
    is the time for which the vehicle charged.
    """
    usage = bill.usage
    parking = _sum(usage.periods, Kind.PARKING_TIME)
    reserved = _sum(usage.periods, Kind.RESERVATION_TIME)
    hours = seconds(usage.end - usage.start) / 3600 - reserved
    return {
        "start_date_time": format_moment(usage.start),
        "end_date_time": format_moment(usage.end),
        "currency": bill.currency,
        "tariffs": [dict(terms.document) for terms in bill.tariffs],
        "charging_periods": [_charging_period(period) for period in usage.periods],
        **cost_fields(bill),
        "total_energy": half_up(_sum(usage.periods, Kind.ENERGY), _PLACES),
        "total_time": half_up(hours, _PLACES),
        **({"total_parking_time": half_up(parking, _PLACES)} if parking else {}),
    }


def bill_document(bill: Bill) -> dict[str, Any]:
    """The whole bill: costs, billed quantities, notes, and each step of the reckoning.

    `costs` have four decimals, `rounded_costs` those of the currency, as a CDR of ours has them.
    """
    return {
        "currency": bill.currency,
        "time_zone": bill.zone.key if bill.zone else None,
        "tariffs": [terms.id for terms in bill.tariffs],
        "costs": cost_fields(bill, _PLACES),
        "rounded_costs": cost_fields(bill),
        "billed": billed_quantities(bill),
        "lines": [_line(line) for line in bill.lines],
        "steps": [_step(step) for step in bill.steps],
        "price_limits": [_limit(limit) for limit in bill.limits],
        "notes": [note_document(note) for note in bill.notes],
        "policy": bill.policy.settings(),
        "explanation": explain(bill),
    }


def note_document(note: Note) -> dict[str, Any]:
    """A note without what it doesn't say; periods count from 1, as its sentence does."""
    members = {
        "code": note.code,
        "sentence": note.sentence,
        "period": None if note.period is None else note.period + 1,
        "dimension": note.kind,
        "policy": note.policy,
    }
    return {name: value for name, value in members.items() if value is not None}


def _price(cost: Money, places: int) -> dict[str, Decimal]:
    return {"excl_vat": half_up(cost.excl, places), "incl_vat": half_up(cost.incl, places)}


def _sum(periods: Sequence[Period], kind: Kind) -> Fraction:
    return sum((period.volumes.get(kind, Fraction(0)) for period in periods), Fraction(0))


def _charging_period(period: Period) -> dict[str, Any]:
    volumes = [*period.volumes.items(), *period.ranges.items()]
    document: dict[str, Any] = {
        "start_date_time": format_moment(period.start),
        "dimensions": [
            {"type": str(name), "volume": half_up(volume, _PLACES)} for name, volume in volumes
        ],
    }
    return document | ({"tariff_id": period.tariff_id} if period.tariff_id else {})


def _line(line: Line) -> dict[str, Any]:
    component = line.choice.component
    document: dict[str, Any] = {
        "period": line.period + 1,
        "dimension": line.kind,
        "measured": half_up(line.measured, _PLACES),
        "skipped": [skipped.reason() for skipped in line.choice.skipped],
    }
    if component is None:
        return document
    price, vat = _offer(component)
    return document | {
        "billed": half_up(line.billed, _PLACES),
        "element": component.element + 1,
        "component": component.position + 1,
        "because": line.choice.reasons(),
        "price": price,
        "vat": vat,
        "cost": _price(line.cost, _PLACES),
    }


@lru_cache(maxsize=1024)
def _offer(component: Component) -> tuple[Decimal, Decimal | None]:
    """A component's price and VAT, which are written for every session alike."""
    vat = None if component.vat is None else half_up(component.vat * 100, _PLACES)
    return half_up(component.price, _PLACES), vat


def _step(step: Step) -> dict[str, Any]:
    return {
        "dimension": step.kind,
        "step_size": step.step_size,
        "measured": half_up(step.measured, _PLACES),
        "billed": half_up(step.billed, _PLACES),
        "line": step.line + 1,
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """What a lint found, and where."""
    return {
        "severity": finding.severity,
        "code": finding.code,
        "pointer": finding.pointer,
        "sentence": finding.sentence,
    }


def _limit(limit: Limited) -> dict[str, Any]:
    return {
        "name": limit.name,
        "before": _price(limit.before, _PLACES),
        "after": _price(limit.after, _PLACES),
    }


def check_document(check: Check) -> dict[str, Any]:
    """A check: whether it agrees, each figure compared, remarks on the form, and our bill."""
    return {
        "agrees": check.agrees,
        "sentence": check.sentence(),
        "explained_by": check.explained_by,
        "costs": [comparison_document(each) for each in check.costs],
        "quantities": [comparison_document(each) for each in check.quantities],
        "form": [note_document(note) for note in check.form],
        "bill": bill_document(check.bill),
    }


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """One figure compared."""
    return {
        "pointer": comparison.pointer,
        "claimed": comparison.claimed,
        "computed": comparison.computed,
        "difference": comparison.difference,
        "within_tolerance": comparison.within,
        "explained_by": comparison.explained_by,
        "sentence": comparison.sentence(),
    }
