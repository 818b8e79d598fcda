"""A tariff told in plain words: what each of its prices is for, and when it applies."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from modules.tariffs.pricing.bill import STEPS_IN_ONE
from modules.tariffs.pricing.estimate import estimate
from modules.tariffs.pricing.explanation import PER, TITLES, amount_words
from modules.tariffs.pricing.money import minor_unit, plain
from modules.tariffs.pricing.remarks import quantity
from modules.tariffs.pricing.restrictions import WEEKDAYS, Band, Range, Restriction, Weekdays
from modules.tariffs.pricing.terms import Component, Limit, Terms
from modules.tariffs.pricing.usage import Kind, PricingError
from ocpi.spec.moments import format_moment

_MEASURED = {
    "kwh": "for the part of the energy",
    "duration": "for the part of the time",
    "power": "at a power",
    "current": "at a current",
}
_EXAMPLE_MINUTES, _EXAMPLE_KWH = 60, Decimal(20)
_MOST = 400
"""Prices of which an example is reckoned: of ten times as many it would take minutes."""


def describe(terms: Terms) -> list[str]:
    """A sentence for each price, in the order of the elements: the first that applies counts."""
    components = {
        (each.element, each.position, each.kind): each
        for candidates in terms.expired.values()
        for each in candidates
    }
    return [
        *(_price(terms, components[place]) for place in sorted(components)),
        *_limits(terms),
        *_validity(terms),
        *(note.sentence for note in terms.notes),
    ]


def example(terms: Terms, now: datetime, zone: str | None) -> str:
    """What a usual stay would cost that begins now, or why that cannot be told."""
    stay = f"{_EXAMPLE_KWH} kWh within {_EXAMPLE_MINUTES} min, from now on"
    if sum(len(candidates) for candidates in terms.expired.values()) > _MOST:
        return f"What {stay}, would cost is not reckoned for more than {_MOST} prices."
    try:
        bill = estimate(terms, now, _EXAMPLE_MINUTES, _EXAMPLE_KWH, zone=zone)
    except PricingError as error:
        return f"What {stay}, would cost cannot be told: {error}"
    excl, incl = (
        amount_words(amount, bill.currency, bill.places)
        for amount in (bill.total.excl, bill.total.incl)
    )
    return f"{stay}, would cost {excl} without VAT, {incl} with VAT."


def _price(terms: Terms, component: Component) -> str:
    price = amount_words(component.price, *_currency(terms))
    vat = "no VAT applies" if component.vat is None else f"plus {plain(component.vat * 100)} % VAT"
    per = PER.get(component.kind, " per hour")
    told = [f"{TITLES[component.kind]}: {price}{per}, {vat}"]
    if component.kind in STEPS_IN_ONE and component.step_size > 1:
        told.append(f"in steps of {_step(component)}")
    told += [_when(each) for each in component.restrictions]
    if _expires(terms, component):
        told.append("where a reservation runs out unused")
    return f"{', '.join(told)}."


def _step(component: Component) -> str:
    if component.kind == Kind.ENERGY:
        return f"{component.step_size} Wh"
    return quantity(
        component.kind, Fraction(component.step_size, int(STEPS_IN_ONE[component.kind]))
    )


def _when(restriction: Restriction) -> str:
    if isinstance(restriction, Band | Range):
        return f"{_MEASURED[restriction.name]} {restriction.words}"
    if isinstance(restriction, Weekdays) and len(restriction.days) == len(WEEKDAYS):
        return "every day"
    return restriction.words


def _expires(terms: Terms, component: Component) -> bool:
    """Whether only a reservation that is not used costs it (TA-21)."""
    return component not in terms.candidates[component.kind]


def _limits(terms: Terms) -> Iterator[str]:
    for words, limit in (("At least", terms.min_price), ("At most", terms.max_price)):
        if limit is not None:
            yield f"{words} {_both(terms, limit)} in all."


def _both(terms: Terms, limit: Limit) -> str:
    excl = f"{amount_words(limit.excl, *_currency(terms))} without VAT"
    if limit.incl is None:
        return excl
    return f"{excl}, {amount_words(limit.incl, *_currency(terms))} with VAT"


def _validity(terms: Terms) -> Iterator[str]:
    if terms.start is not None:
        yield f"It is valid from {format_moment(terms.start)} on."
    if terms.end is not None:
        yield f"It is valid until {format_moment(terms.end)}."


def _currency(terms: Terms) -> tuple[str, int]:
    currency = terms.currency or ""
    return currency, minor_unit(currency)


def language_of(document: Mapping[str, Any]) -> list[str]:
    """The texts that the tariff's owner shows to drivers, each with its language."""
    return [
        f"{each['text']} ({each['language']})" for each in document.get("tariff_alt_text") or []
    ]
