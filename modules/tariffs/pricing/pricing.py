"""Pricing a session: periods go in as they are, costs come out exact, rounding is last."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from zoneinfo import ZoneInfo

from modules.tariffs.pricing.bill import COST_FIELDS, Bill, Choice, Limited, Line
from modules.tariffs.pricing.choosing import Progress, applying, choose
from modules.tariffs.pricing.limits import apply_limits
from modules.tariffs.pricing.money import NOTHING, Money, add_up, minor_unit, times
from modules.tariffs.pricing.policy import Flat, Policy, Rounding, StepTotal
from modules.tariffs.pricing.remarks import (
    currency_differs,
    flat_again,
    limits_of_first,
    no_component,
    spans,
    unpriced_in_total,
)
from modules.tariffs.pricing.selection import assign_tariffs
from modules.tariffs.pricing.steps import round_up
from modules.tariffs.pricing.terms import Component, Terms
from modules.tariffs.pricing.usage import VOLUMES, Kind, Note, Period, PricingError, Usage

_ONCE = Fraction(1)
_FEE, _RESERVATION_FEE = Kind.FLAT, Kind.RESERVATION_FLAT


def price_usage(
    usage: Usage, tariffs: Sequence[Terms], zone: ZoneInfo | None, policy: Policy
) -> Bill:
    """Price each period by what applies at its start; nothing is split here (rule of mod_cdrs).

    Raises PricingError where no tariff is given, one that is named is missing, or local time is
    needed and not known.
    """
    walk = _Walk(usage, tariffs, zone, policy)
    for index, period in enumerate(usage.periods):
        walk.price_period(index, period)
    lines, steps, stepped = round_up(walk.lines, usage.periods, policy)
    first = walk.tariffs[0]
    currency = usage.currency or first.currency or "EUR"
    places = minor_unit(currency)
    costed = [_cost(line, policy, places) for line in lines]
    parts = _parts(costed, policy, places)
    total = add_up(parts.values())
    limits = tuple(apply_limits(total, first, usage))
    return Bill(
        usage=usage,
        tariffs=walk.tariffs,
        zone=zone,
        policy=policy,
        currency=currency,
        places=places,
        lines=tuple(costed),
        steps=tuple(steps),
        parts=parts,
        limits=limits,
        total=limits[-1].after if limits else total,
        notes=walk.all_notes(stepped, limits, currency),
    )


class _Walk:
    """One pass over the periods, in order."""

    def __init__(
        self, usage: Usage, tariffs: Sequence[Terms], zone: ZoneInfo | None, policy: Policy
    ) -> None:
        self.usage, self.policy = usage, policy
        self.notes = list(usage.notes)
        self.assigned = assign_tariffs(usage, tariffs, self.notes)
        self.tariffs = tuple(dict.fromkeys(filter(None, self.assigned)))
        if zone is None and any(terms.needs_local_time for terms in self.tariffs):
            raise PricingError(
                "time_zone_unknown", "The tariff depends on local time, and no time zone is known."
            )
        self.progress = Progress(usage.periods, zone)
        self.lines: list[Line] = []
        self.fees: dict[Kind, list[Component]] = {_FEE: [], _RESERVATION_FEE: []}

    def price_period(self, index: int, period: Period) -> None:
        terms = self.assigned[index]
        if terms:
            self.progress.begin(period)
            self.offered = terms.expired if self.usage.expired else terms.candidates
            if self.offered[_RESERVATION_FEE] and period.reserved:
                self._price_fee(index, _RESERVATION_FEE, terms)
            if self.offered[_FEE] and period.used:
                self._price_fee(index, _FEE, terms)
            for kind in VOLUMES:
                if kind in period.volumes:
                    self._price_volume(index, period, kind, terms)
        self.progress.pass_by(period)

    def _price_fee(self, index: int, kind: Kind, terms: Terms) -> None:
        """Charge a fee the first time it is active; which others count is a policy."""
        choice = self._choose(index, kind, terms)
        taken, component = self.fees[kind], choice.component
        if component is None or component in taken:
            return
        if taken:
            self.notes.append(flat_again(index, component, self.policy))
        if not taken or self.policy.flat == Flat.ONCE_PER_COMPONENT:
            self.lines.append(Line(index, kind, _ONCE, _ONCE, choice, terms, NOTHING))
        taken.append(component)

    def _price_volume(self, index: int, period: Period, kind: Kind, terms: Terms) -> None:
        choice = self._choose(index, kind, terms)
        volume = period.volumes[kind]
        if choice.component is None and volume:
            self.notes.append(no_component(index, kind, volume))
        self.lines.append(Line(index, kind, volume, volume, choice, terms, NOTHING))

    def _choose(self, index: int, kind: Kind, terms: Terms) -> Choice:
        candidates = self.offered[kind]
        remarks: list[Note] = []
        choice = choose(candidates, self.progress.at_start(kind), self.policy, remarks)
        if remarks:
            self.notes += [replace(remark, period=index, kind=kind) for remark in remarks]
        if kind in terms.moving:
            later = applying(candidates, self.progress.before_end(kind), self.policy)
            self._compare(index, kind, choice.component, later)
        return choice

    def _compare(
        self, index: int, kind: Kind, first: Component | None, later: Component | None
    ) -> None:
        """Remark that a period should have been split; a fee that is taken changes no more."""
        settled = kind in self.fees and (self.fees[kind] or first)
        if first is not later and not (settled and self.policy.flat == Flat.ONCE_PER_SESSION):
            self.notes.append(spans(index, kind, first, later))

    def all_notes(
        self, stepped: Sequence[Note], limits: Sequence[Limited], currency: str
    ) -> tuple[Note, ...]:
        """Every note once, the tariffs' own first."""
        notes: list[Note] = []
        for terms in self.tariffs:
            notes += terms.notes
        notes += self.notes
        notes += stepped
        for terms in self.tariffs:
            if _foreign(terms, currency):
                notes.append(currency_differs(terms, currency))
        if limits and len(self.tariffs) > 1:
            notes.append(limits_of_first(self.tariffs[0]))
        if self.policy.step_total == StepTotal.MEASURED:
            notes.append(unpriced_in_total(self.policy))
        return tuple(dict.fromkeys(notes))


def _foreign(terms: Terms, currency: str) -> bool:
    return terms.currency is not None and terms.currency.upper() != currency.upper()


def _cost(line: Line, policy: Policy, places: int) -> Line:
    component = line.choice.component
    if component is None:
        return line
    excl = times(line.billed, component.price)
    if policy.rounding == Rounding.PER_PERIOD:
        excl = Money(excl, excl).rounded(places).excl
    incl = times(excl, component.gross) if component.vat else excl
    return Line(*line[:-1], Money(excl, incl))


def _parts(lines: Sequence[Line], policy: Policy, places: int) -> Mapping[str, Money]:
    """Add up the costs by the CDR's fields; what nothing priced has no field."""
    parts: dict[str, Money] = {}
    for line in lines:
        if line.choice.component:
            field = COST_FIELDS[line.kind]
            parts[field] = parts[field] + line.cost if field in parts else line.cost
    if policy.rounding == Rounding.PER_DIMENSION:
        return {field: cost.rounded(places) for field, cost in parts.items()}
    return parts
