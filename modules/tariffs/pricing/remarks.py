"""The notes that pricing leaves, in sentences."""

from fractions import Fraction

from modules.tariffs.pricing.money import in_units, plain, times
from modules.tariffs.pricing.policy import Flat, Policy
from modules.tariffs.pricing.terms import Component, Terms
from modules.tariffs.pricing.usage import Kind, Note

WORDS = {
    Kind.FLAT: "the fixed fee",
    Kind.ENERGY: "energy",
    Kind.TIME: "charging time",
    Kind.PARKING_TIME: "parking time",
    Kind.RESERVATION_FLAT: "the reservation fee",
    Kind.RESERVATION_TIME: "reserved time",
}


def quantity(kind: Kind, volume: Fraction) -> str:
    """Say a volume: `12.5 kWh`, or to the second `1 h 20 min`."""
    if kind == Kind.ENERGY:
        return f"{plain(volume)} kWh"
    minutes, seconds = divmod(in_units(times(volume, 3600), 0), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{amount} {unit}" for amount, unit in parts if amount) or "0 s"


def no_component(index: int, kind: Kind, volume: Fraction) -> Note:
    sentence = (
        f"Nothing in the tariff priced the {quantity(kind, volume)} of {WORDS[kind]} "
        f"in period {index + 1}, so it costs nothing."
    )
    return Note("no_price_component", sentence, index, kind)


def spans(index: int, kind: Kind, first: Component | None, later: Component | None) -> Note:
    sentence = (
        f"The price of {WORDS[kind]} changed within period {index + 1}, which should have been "
        f"split there: {_element(first)} applied at its start and {_element(later)} at "
        "its end. It was priced as at its start."
    )
    return Note("period_spans_price_change", sentence, index, kind)


def flat_again(index: int, component: Component, policy: Policy) -> Note:
    ignored = policy.flat == Flat.ONCE_PER_SESSION
    sentence = (
        f"A second fixed fee, that of element {component.element + 1}, applied from period "
        f"{index + 1}; it was {'not charged' if ignored else 'charged too'}."
    )
    code = "second_flat_ignored" if ignored else "second_flat_charged"
    return Note(code, sentence, index, component.kind, policy.setting("flat"))


def currency_differs(terms: Terms, currency: str) -> Note:
    sentence = f"The tariff {terms.id} is in {terms.currency}, the session in {currency}."
    return Note("currency_differs", sentence)


def limits_of_first(terms: Terms) -> Note:
    sentence = (
        "Several tariffs applied; the minimum and maximum price are those of the first, "
        f"{terms.id}."
    )
    return Note("limits_of_first_tariff", sentence)


def unpriced_in_total(policy: Policy) -> Note:
    sentence = "Volumes without a price count towards the step size."
    return Note("step_over_measured", sentence, policy=policy.setting("step_total"))


def _element(component: Component | None) -> str:
    return "nothing" if component is None else f"element {component.element + 1}"
