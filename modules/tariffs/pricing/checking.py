"""Whether a CDR asks for what its tariffs say, and if not, which other reading explains it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from modules.tariffs.pricing.bill import COST_FIELDS, Bill
from modules.tariffs.pricing.cdrlint import lint_cdr
from modules.tariffs.pricing.curves import seconds
from modules.tariffs.pricing.entrances import Tariff, compile_tariffs, prepare
from modules.tariffs.pricing.money import NOTHING, half_up, plain
from modules.tariffs.pricing.policy import DEFAULT, Policy
from modules.tariffs.pricing.pricing import price_usage
from modules.tariffs.pricing.reading import CdrToPrice, read_cdr, read_tariffs
from modules.tariffs.pricing.terms import Terms
from modules.tariffs.pricing.usage import Kind, Note
from ocpi.spec.types import Price

_FINEST = 8  # Decimals to which a claimed amount is compared.


@dataclass(frozen=True)
class Comparison:
    """One figure of a CDR: `explained_by` names a policy setting by which it is met exactly."""

    pointer: str
    claimed: Decimal
    computed: Decimal
    within: bool
    explained_by: str | None = None

    @property
    def difference(self) -> Decimal:
        return self.claimed - self.computed

    def sentence(self) -> str:
        verdict = (
            "agrees" if not self.difference else "is close enough" if self.within else "differs"
        )
        why = f"; it is met with {self.explained_by}" if self.explained_by else ""
        return (
            f"{self.pointer}: {plain(self.claimed)} is claimed, {plain(self.computed)} was "
            f"computed, which {verdict}{why}."
        )


@dataclass(frozen=True)
class Check:
    """What was found: costs against the tariffs, quantities against the CDR itself, its form."""

    bill: Bill
    costs: tuple[Comparison, ...]
    quantities: tuple[Comparison, ...]
    form: tuple[Note, ...]

    @property
    def agrees(self) -> bool:
        """Whether every figure is within the tolerance; form is another question."""
        return all(each.within for each in self.figures)

    @property
    def figures(self) -> tuple[Comparison, ...]:
        """Everything that was compared."""
        return (*self.costs, *self.quantities)

    @property
    def explained_by(self) -> list[str]:
        """The policy settings by which figures that differ would be met, the first most."""
        named = Counter(each.explained_by for each in self.figures if each.explained_by)
        return [setting for setting, _ in named.most_common() if setting]

    def sentence(self) -> str:
        """What the comparison came to."""
        beyond = [each for each in self.figures if not each.within]
        why = f" Explained by {' and '.join(self.explained_by)}." if self.explained_by else ""
        if not beyond:
            close = any(each.difference for each in self.figures)
            return f"All figures agree{' within the tolerance' if close else ''}.{why}"
        told = ", ".join(each.pointer for each in beyond)
        return f"{len(beyond)} of {len(self.figures)} figures differ: {told}.{why}"


def check_cdr(
    cdr: Mapping[str, Any],
    stored: Sequence[Tariff] = (),
    zone: str | None = None,
    *,
    expired: bool | None = None,
    policy: Policy = DEFAULT,
) -> Check:
    """Price a CDR by the tariffs in it, or else the stored ones, and compare (rule by rule).

    Only figures that the CDR has are compared. Raises PricingError where there is no price.
    """
    given = read_cdr(cdr)
    kept = compile_tariffs(stored)
    terms = read_tariffs(given) or kept
    usage, local = prepare(given, terms, zone, expired=expired)
    bill = price_usage(usage, terms, local, policy)
    costs = list(_costs(given, bill))
    if any(each.difference for each in costs):
        others = [price_usage(usage, terms, local, other) for other in _alternatives(policy)]
        costs = _explained(costs, [(bill, list(_costs(given, bill))) for bill in others], policy)
    return Check(
        bill=bill,
        costs=tuple(_with_parking_fees(costs)),
        quantities=tuple(_quantities(given, bill)),
        form=(*bill.notes, *lint_cdr(given, usage), *_stale(terms, kept)),
    )


def _costs(cdr: CdrToPrice, bill: Bill) -> Iterator[Comparison]:
    """Compare each cost the CDR has; a Credit CDR repeats all, but its total_cost is negative."""
    for field in ("total_cost", *dict.fromkeys(COST_FIELDS.values())):
        claimed: Price | None = getattr(cdr, field)
        if claimed is None:
            continue
        exact = bill.total if field == "total_cost" else bill.parts.get(field, NOTHING)
        if cdr.credit and field == "total_cost":
            exact = NOTHING - exact
        yield _amount(bill, f"/{field}/excl_vat", claimed.excl_vat, exact.excl)
        if claimed.incl_vat is not None:
            yield _amount(bill, f"/{field}/incl_vat", claimed.incl_vat, exact.incl)


def _amount(bill: Bill, pointer: str, claimed: Decimal, exact: Fraction) -> Comparison:
    """Compare at the decimals that are claimed, at least those of the currency."""
    exponent = claimed.as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) else 0
    computed = half_up(exact, min(max(decimals, bill.places), _FINEST))
    tolerance = Fraction(bill.policy.money_tolerance_units) / 10**bill.places
    within = abs(Fraction(claimed - computed)) <= tolerance
    return Comparison(pointer, claimed, computed, within)


def _alternatives(policy: Policy) -> Iterator[Policy]:
    """Every reading of the specification that differs from ours in one setting."""
    changes: list[dict[str, Any]] = [
        {name: other}
        for name, value in policy.settings().items()
        if isinstance(value, StrEnum) and name != "charger_pause"
        for other in type(value)
        if other != value
    ]
    changes.append({"apply_step_size": not policy.apply_step_size})
    if policy.time_step_tolerance_s:
        changes.append({"time_step_tolerance_s": Decimal(0)})
    for change in changes:
        yield replace(policy, **change)


def _explained(
    costs: Sequence[Comparison], others: Sequence[tuple[Bill, list[Comparison]]], policy: Policy
) -> list[Comparison]:
    """Name for each difference the setting that removes it, first the one that removes most."""
    ranked = sorted(others, key=lambda other: sum(bool(each.difference) for each in other[1]))
    explained = list(costs)
    for bill, compared in reversed(ranked):
        setting = _changed_setting(policy, bill.policy)
        for index, each in enumerate(compared):
            if costs[index].difference and not each.difference:
                explained[index] = replace(explained[index], explained_by=setting)
    return explained


def _changed_setting(policy: Policy, other: Policy) -> str:
    settings = policy.settings()
    return next(
        other.setting(name) for name, value in other.settings().items() if value != settings[name]
    )


def _with_parking_fees(costs: Sequence[Comparison]) -> Iterator[Comparison]:
    """Accept fees counted as parking: total_fixed_cost and total_parking_cost as one sum."""
    for vat in ("excl_vat", "incl_vat"):
        pair = [f"/{field}/{vat}" for field in ("total_fixed_cost", "total_parking_cost")]
        both = [each for each in costs if each.pointer in pair]
        if len(both) == 2 and not sum(each.difference for each in both):
            costs = [
                replace(each, within=True, explained_by="fees counted as parking")
                if each in both and not each.within
                else each
                for each in costs
            ]
    yield from costs


def _quantities(cdr: CdrToPrice, bill: Bill) -> Iterator[Comparison]:
    """Compare the CDR's totals with its own periods and times."""
    usage, policy = bill.usage, bill.policy
    sums = {
        kind: [period.volumes[kind] for period in usage.periods if kind in period.volumes]
        for kind in Kind
    }
    in_hours = Fraction(policy.time_tolerance_s) / 3600
    if cdr.total_energy is not None and sums[Kind.ENERGY]:
        tolerance = Fraction(policy.quantity_tolerance)
        yield _quantity("/total_energy", cdr.total_energy, sum(sums[Kind.ENERGY]), tolerance)
    if cdr.total_time is not None:
        span = seconds(usage.end - usage.start) / 3600
        claimed = Fraction(cdr.total_time)
        # The words of OCPI allow for both: with the reservation or without it.
        either = (span, span - sum(sums[Kind.RESERVATION_TIME]))
        nearer = min(either, key=lambda hours: abs(claimed - hours))
        yield _quantity("/total_time", cdr.total_time, nearer, in_hours)
    if cdr.total_parking_time is not None:
        parking = sum(sums[Kind.PARKING_TIME])
        yield _quantity("/total_parking_time", cdr.total_parking_time, parking, in_hours)


def _quantity(
    pointer: str, claimed: Decimal, exact: Fraction | int, tolerance: Fraction
) -> Comparison:
    within = abs(Fraction(claimed) - exact) <= tolerance
    return Comparison(pointer, claimed, half_up(Fraction(exact), 4), within)


def _stale(embedded: Sequence[Terms], stored: Sequence[Terms]) -> Iterator[Note]:
    """Remark tariffs that say other things in the CDR than where they are kept."""
    known = {terms.id.lower(): terms for terms in stored}
    for terms in embedded:
        kept = known.get(terms.id.lower(), terms)
        if _prices(kept) != _prices(terms):
            sentence = f"The tariff {terms.id} in the CDR differs from the one that is stored."
            yield Note("tariff_differs", sentence)


def _prices(terms: Terms) -> Any:
    return {**terms.document, "last_updated": None}
