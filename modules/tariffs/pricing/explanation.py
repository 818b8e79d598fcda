"""A bill told in sentences that can be read to a driver over the telephone."""

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction

from modules.tariffs.pricing.bill import COST_FIELDS, STEPS_IN_ONE, Bill, Line, Step
from modules.tariffs.pricing.money import Money, add_up, plain, written
from modules.tariffs.pricing.policy import Rounding
from modules.tariffs.pricing.remarks import WORDS, quantity
from modules.tariffs.pricing.usage import Kind

_PLACES = 4
_READ_OUT = 3  # More reasons than these nobody wants to hear; the data has them all.
_PER = {Kind.ENERGY: " per kWh", Kind.FLAT: "", Kind.RESERVATION_FLAT: ""}
_FIELD_WORDS = {
    "total_fixed_cost": "Fixed fees",
    "total_energy_cost": "Energy",
    "total_time_cost": "Charging time",
    "total_parking_cost": "Parking",
    "total_reservation_cost": "The reservation",
}
_ROUNDING_WORDS = {
    Rounding.TOTAL: "Amounts were rounded only at the end, each by itself",
    Rounding.PER_DIMENSION: "The cost of each dimension was rounded, and the total is their sum",
    Rounding.PER_PERIOD: "Each period's amount before VAT was rounded",
}


def explain(bill: Bill) -> list[str]:
    """Tell what was charged and why, a few sentences a line; periods and elements count from 1."""
    return [
        _heading(bill),
        *_periods(bill),
        *(_step(bill, step) for step in bill.steps if step.billed > step.measured),
        *_totals(bill),
        *dict.fromkeys(
            f"{note.sentence.removesuffix('.')}{_policy(note.policy)}."
            for note in bill.notes
            if note.code != "no_price_component"  # The lines of the periods have said so.
        ),
    ]


def _heading(bill: Bill) -> str:
    tariffs = " and ".join(terms.id or "without id" for terms in bill.tariffs) or "none"
    zone = bill.zone.key if bill.zone else "UTC"
    start, end = (_minute(bill, moment) for moment in (bill.usage.start, bill.usage.end))
    return (
        f"The session lasted from {start} to {end} ({zone}) "
        f"and is priced in {bill.currency} by the tariff {tariffs}."
    )


def _minute(bill: Bill, moment: datetime) -> str:
    """Local time as `2024-01-31 08:30`."""
    local = moment.astimezone(bill.zone) if bill.zone else moment
    return local.isoformat(" ", "minutes")[:16]


def _periods(bill: Bill) -> Iterator[str]:
    lines: list[list[Line]] = [[] for _ in bill.usage.periods]
    for line in bill.lines:
        lines[line.period].append(line)
    for index, period in enumerate(bill.usage.periods):
        start, end = _minute(bill, period.start), _minute(bill, period.end)
        yield f"Period {index + 1}, {start[11:]} to {end[11:]}:"
        for line in lines[index]:
            if line.measured or line.billed:
                yield f"- {_line(bill, line)}"


def _line(bill: Bill, line: Line) -> str:
    words = WORDS[line.kind]
    amount = "" if line.kind in _FEES else f": {quantity(line.kind, line.measured)}"
    component = line.choice.component
    if component is None:
        return f"{_capital(words)}{amount}, not priced.{_skipped(line)}"
    if line.billed != line.measured:
        amount += f", billed as {quantity(line.kind, line.billed)}"
    price = f"{_money(bill, component.price)}{_PER.get(line.kind, ' per hour')}"
    vat = (
        f"with {plain(component.vat * 100)} % VAT {_money(bill, line.cost.incl)}"
        if component.vat is not None
        else "no VAT applies"
    )
    at = f"{amount} at {price} is {_money(bill, line.cost.excl)}" if amount else f", {price}"
    return f"{_capital(words)}{at}, {vat}. {_because(line)}{_skipped(line)}"


_FEES = {Kind.FLAT, Kind.RESERVATION_FLAT}


def _because(line: Line) -> str:
    component, now = line.choice.component, line.choice.now
    assert component is not None
    told = f"The price is that of element {component.element + 1}"
    if not component.restrictions:
        return f"{told}, which always applies."
    reasons = (f"{each.words()} ({each.saw(now)})" for each in component.restrictions)
    return f"{told}, which applies {' and '.join(reasons)}."


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
        f"{_capital(WORDS[step.kind])} is billed in steps of "
        f"{size or quantity(step.kind, Fraction(step.step_size, one))}: "
        f"{measured} in all became {billed}; "
        f"the difference is part of period {bill.lines[step.line].period + 1}."
    )


def _totals(bill: Bill) -> Iterator[str]:
    for field in dict.fromkeys(COST_FIELDS.values()):
        if field in bill.parts:
            yield f"{_FIELD_WORDS[field]}: {_both(bill, bill.parts[field])}."
    for limit in bill.limits:
        minimum = limit.name == "min_price"
        yield (
            f"The {'minimum' if minimum else 'maximum'} price of the tariff "
            f"{'raised' if minimum else 'lowered'} the total from {_both(bill, limit.before)}."
        )
    yield f"In all: {_both(bill, bill.total)}."
    rounding = _policy(bill.policy.setting("rounding"))
    yield f"{_ROUNDING_WORDS[bill.policy.rounding]}{rounding}{_cent(bill)}."


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


def _money(bill: Bill, amount: Fraction) -> str:
    """Up to four decimals, and never fewer than the currency has."""
    text = written(amount, max(_PLACES, bill.places))
    idle = len(text) - len(text.rstrip("0"))
    return f"{bill.currency} {text[: len(text) - min(idle, _PLACES - bill.places)]}".rstrip(".")


def _policy(setting: str | None) -> str:
    return f" ({setting})" if setting else ""


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
