"""A bill told in sentences that can be read to a driver over the telephone."""

from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache

from modules.tariffs.pricing.bill import STEPS_IN_ONE, Bill, Line, Step
from modules.tariffs.pricing.money import Money, add_up, differ, plain, written
from modules.tariffs.pricing.policy import Rounding
from modules.tariffs.pricing.remarks import WORDS, quantity
from modules.tariffs.pricing.restrictions import Situation, hour_and_minute
from modules.tariffs.pricing.terms import Component
from modules.tariffs.pricing.usage import Kind

_PLACES = 4  # No currency has more.
_READ_OUT = 3  # More reasons than these nobody wants to hear; the data has them all.
TITLES = {kind: words[0].upper() + words[1:] for kind, words in WORDS.items()}
_FEES = {Kind.FLAT, Kind.RESERVATION_FLAT}
PER = {Kind.ENERGY: " per kWh", Kind.FLAT: "", Kind.RESERVATION_FLAT: ""}
_FIELD_WORDS = {
    "total_fixed_cost": "Fixed fees",
    "total_energy_cost": "Energy",
    "total_time_cost": "Charging time",
    "total_parking_cost": "Parking",
    "total_reservation_cost": "The reservation",
}
_ROUNDING_WORDS = {
    Rounding.TOTAL: "Amounts were rounded only at the end, each by itself (rounding=total)",
    Rounding.PER_DIMENSION: (
        "The cost of each dimension was rounded, and the total is their sum "
        "(rounding=per_dimension)"
    ),
    Rounding.PER_PERIOD: "Each period's amount before VAT was rounded (rounding=per_period)",
}


def explain(bill: Bill) -> list[str]:
    """Tell what was charged and why, a few sentences a line; periods and elements count from 1."""
    return [
        _heading(bill),
        *_periods(bill),
        *[_step(bill, step) for step in bill.steps if differ(step.billed, step.measured)],
        *_totals(bill),
        *dict.fromkeys(
            f"{note.sentence.removesuffix('.')}{_policy(note.policy)}."
            for note in bill.notes
            if note.code != "no_price_component"  # The lines of the periods have said so.
        ),
    ]


def _heading(bill: Bill) -> str:
    tariffs = " and ".join([terms.id or "without id" for terms in bill.tariffs]) or "none"
    zone, usage = bill.zone or UTC, bill.usage
    start, end = usage.start.astimezone(zone), usage.end.astimezone(zone)
    return (
        f"The session lasted from {_minute(start)} to {_minute(end)} ({zone}) "
        f"and is priced in {bill.currency} by the tariff {tariffs}."
    )


def _minute(moment: datetime) -> str:
    """Write `2024-01-31 08:30`."""
    return f"{moment.date().isoformat()} {hour_and_minute(moment)}"


def _periods(bill: Bill) -> Iterator[str]:
    lines: list[list[Line]] = [[] for _ in bill.usage.periods]
    for line in bill.lines:
        lines[line.period].append(line)
    zone = bill.zone or UTC
    for index, period in enumerate(bill.usage.periods):
        start, end = period.start.astimezone(zone), period.end.astimezone(zone)
        yield f"Period {index + 1}, {hour_and_minute(start)} to {hour_and_minute(end)}:"
        for line in lines[index]:
            if line.measured or line.billed:
                yield f"- {_line(bill, line)}"


def _line(bill: Bill, line: Line) -> str:
    title = TITLES[line.kind]
    amount = "" if line.kind in _FEES else f": {quantity(line.kind, line.measured)}"
    component = line.choice.component
    if component is None:
        return f"{title}{amount}, not priced.{_skipped(line)}"
    if differ(line.billed, line.measured):
        amount += f", billed as {quantity(line.kind, line.billed)}"
    currency, places = bill.currency, bill.places
    price, vat, element = _offer(component, currency, places)
    cost = (
        f" at {price} is {amount_words(line.cost.excl, currency, places)}"
        if amount
        else f", {price}"
    )
    taxed = f"{vat} {amount_words(line.cost.incl, currency, places)}" if vat else "no VAT applies"
    reasons = _because(component, line.choice.now)
    return f"{title}{amount}{cost}, {taxed}. {element}, which {reasons}.{_skipped(line)}"


@lru_cache(maxsize=1024)
def _offer(component: Component, currency: str, places: int) -> tuple[str, str | None, str]:
    """A component's price, VAT and element, which are told of every session alike."""
    price = (
        f"{amount_words(component.price, currency, places)}{PER.get(component.kind, ' per hour')}"
    )
    vat = None if component.vat is None else f"with {plain(component.vat * 100)} % VAT"
    return price, vat, f"The price is that of element {component.element + 1}"


def _because(component: Component, now: Situation) -> str:
    if not component.restrictions:
        return "always applies"
    reasons = [f"{each.words} ({each.saw(now)})" for each in component.restrictions]
    return f"applies {' and '.join(reasons)}"


def _skipped(line: Line) -> str:
    skipped = line.choice.skipped
    if not skipped:
        return ""
    told = "; ".join(each.reason() for each in skipped[:_READ_OUT])
    more = f"; and {len(skipped) - _READ_OUT} more" if len(skipped) > _READ_OUT else ""
    return f" Not used: {told}{more}."


def _step(bill: Bill, step: Step) -> str:
    one = int(STEPS_IN_ONE[step.kind])
    measured, billed = (quantity(step.kind, each / one) for each in (step.measured, step.billed))
    size = f"{step.step_size} Wh" if step.kind == Kind.ENERGY else None
    return (
        f"{TITLES[step.kind]} is billed in steps of "
        f"{size or quantity(step.kind, Fraction(step.step_size, one))}: "
        f"{measured} in all became {billed}; "
        f"the difference is part of period {bill.lines[step.line].period + 1}."
    )


def _totals(bill: Bill) -> Iterator[str]:
    total = _both(bill, bill.total)
    for field, words in _FIELD_WORDS.items():
        if part := bill.parts.get(field):
            yield f"{words}: {total if part is bill.total else _both(bill, part)}."
    for limit in bill.limits:
        minimum = limit.name == "min_price"
        yield (
            f"The {'minimum' if minimum else 'maximum'} price of the tariff "
            f"{'raised' if minimum else 'lowered'} the total from {_both(bill, limit.before)}."
        )
    yield f"In all: {total}."
    yield f"{_ROUNDING_WORDS[bill.policy.rounding]}{_cent(bill)}."


def _cent(bill: Bill) -> str:
    """Say so where the rounded parts do not add up to the rounded total."""
    if bill.limits or len(bill.parts) < 2:
        return ""
    parts = add_up([part.rounded(bill.places) for part in bill.parts.values()])
    if parts == bill.total.rounded(bill.places):
        return ""
    return "; therefore the parts as shown do not add up to the total exactly"


def _both(bill: Bill, cost: Money) -> str:
    excl, incl = written(cost.excl, bill.places), written(cost.incl, bill.places)
    return f"{bill.currency} {excl} without VAT, {bill.currency} {incl} with VAT"


def amount_words(amount: Fraction, currency: str, places: int) -> str:
    """Up to four decimals, and never fewer than the currency has."""
    text = written(amount, _PLACES)
    kept = len(text) - _PLACES + places
    return f"{currency} {text[:kept]}{text[kept:].rstrip('0')}".rstrip(".")


def _policy(setting: str | None) -> str:
    return f" ({setting})" if setting else ""
