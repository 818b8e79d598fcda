"""A tariff compiled: for each kind of amount, the components that may price it, in order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from modules.tariffs.pricing.restrictions import (
    LOCAL,
    Range,
    Restriction,
    UnreadableRestriction,
    read_restrictions,
)
from modules.tariffs.pricing.usage import Kind, Note, PricingError
from ocpi.spec.reading import problems, read
from ocpi.spec.tariffs import (
    PriceComponent,
    ReservationRestrictionType,
    TariffDimensionType,
    TariffElement,
    TariffRestrictions,
)
from ocpi.spec.types import CiString36, DateTime, OCPIModel, Price, Some, String, String3

_SESSION: Mapping[str, Kind] = {
    TariffDimensionType.FLAT: Kind.FLAT,
    TariffDimensionType.ENERGY: Kind.ENERGY,
    TariffDimensionType.TIME: Kind.TIME,
    TariffDimensionType.PARKING_TIME: Kind.PARKING_TIME,
}
# A reservation has fees and time only (TA-20).
_RESERVATION: Mapping[str, Kind] = {
    TariffDimensionType.FLAT: Kind.RESERVATION_FLAT,
    TariffDimensionType.TIME: Kind.RESERVATION_TIME,
}
_DIMENSIONS = frozenset(TariffDimensionType)
_RESERVES = ReservationRestrictionType.RESERVATION
_EXPIRES = ReservationRestrictionType.RESERVATION_EXPIRES


class TariffToPrice(OCPIModel):
    """What pricing reads of a Tariff; the rest of the document may be missing."""

    id: CiString36 | None = None
    currency: String3 | None = None
    type: String | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    elements: Some[TariffElement]
    start_date_time: DateTime | None = None
    end_date_time: DateTime | None = None
    tax_included: String | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Component:
    """One price, excluding VAT, per kWh, hour or session; `element` and `position` count from 0."""

    element: int
    position: int
    kind: Kind
    price: Fraction
    vat: Fraction | None
    gross: Fraction  # What an amount is multiplied by to include VAT: 1.21 for 21 %.
    step_size: int
    restrictions: tuple[Restriction, ...]


@dataclass(frozen=True)
class Limit:
    """A min_price or max_price."""

    excl: Fraction
    incl: Fraction | None


@dataclass(frozen=True, eq=False)
class Terms:
    """A tariff ready for use; `expired` has the candidates where a reservation ran out."""

    id: str
    currency: str | None
    type: str | None
    start: datetime | None
    end: datetime | None
    min_price: Limit | None
    max_price: Limit | None
    candidates: Mapping[Kind, tuple[Component, ...]]
    expired: Mapping[Kind, tuple[Component, ...]]
    notes: tuple[Note, ...]
    document: Mapping[str, Any]

    def valid_at(self, moment: datetime) -> bool:
        return (self.start is None or self.start <= moment) and (
            self.end is None or moment < self.end
        )

    def restrictions(self) -> Iterator[Restriction]:
        for components in self.expired.values():
            for component in components:
                yield from component.restrictions

    @cached_property
    def needs_local_time(self) -> bool:
        return any(isinstance(restriction, LOCAL) for restriction in self.restrictions())

    @cached_property
    def moving(self) -> frozenset[Kind]:
        """The kinds whose choice may change while a period lasts: not by measured ranges alone."""
        return frozenset(
            kind
            for kind, components in self.expired.items()
            for component in components
            if any(not isinstance(restriction, Range) for restriction in component.restrictions)
        )


def read_tariff(document: Mapping[str, Any]) -> Terms:
    """Compile a Tariff document; raises PricingError for one that has no readable prices.

    An element with a restriction that can't be understood is left out, since without it the
    element would apply to everyone; components of unknown dimensions are left out too.
    """
    try:
        tariff = read(TariffToPrice, document)
    except ValidationError as error:
        raise PricingError("unreadable_tariff", problems(error)) from None
    notes: list[Note] = []
    found: dict[tuple[str | None, Kind], list[Component]] = {}
    for index, element in enumerate(tariff.elements):
        for context, component in _components(tariff, index, element, notes):
            found.setdefault((context, component.kind), []).append(component)
    return Terms(
        id=tariff.id or "",
        currency=tariff.currency,
        type=tariff.type,
        start=tariff.start_date_time,
        end=tariff.end_date_time,
        min_price=_limit(tariff.min_price),
        max_price=_limit(tariff.max_price),
        candidates=_ordered(found, (None,), (_RESERVES,)),
        expired=_ordered(found, (None,), (_EXPIRES, _RESERVES)),
        notes=tuple(notes),
        document=document,
    )


def _ordered(
    found: Mapping[tuple[str | None, Kind], list[Component]],
    *groups: tuple[str | None, ...],
) -> dict[Kind, tuple[Component, ...]]:
    """Candidates of each kind; on expiry RESERVATION_EXPIRES comes before RESERVATION (TA-21)."""
    return {
        kind: tuple(
            component
            for group in groups
            for context in group
            for component in found.get((context, kind), ())
        )
        for kind in Kind
    }


def _components(
    tariff: TariffToPrice, index: int, element: TariffElement, notes: list[Note]
) -> Iterator[tuple[str | None, Component]]:
    """Yield what an element prices; of two components of one dimension only the first counts."""
    given = element.restrictions or TariffRestrictions()
    try:
        restrictions = read_restrictions(given)
        kinds = _kinds(given.reservation)
    except UnreadableRestriction as error:
        notes.append(_unusable(index, error))
        return
    seen = set()
    for position, component in enumerate(element.price_components):
        if component.type not in _DIMENSIONS:
            notes.append(_unknown_dimension(index, component.type))
        elif component.type in kinds and component.type not in seen:
            seen.add(component.type)
            yield (
                given.reservation,
                _component(tariff, (index, position), component, kinds, restrictions),
            )


def _kinds(reservation: str | None) -> Mapping[str, Kind]:
    if reservation not in (None, _RESERVES, _EXPIRES):
        raise UnreadableRestriction(f"reservation '{reservation}'")
    return _SESSION if reservation is None else _RESERVATION


def _component(
    tariff: TariffToPrice,
    place: tuple[int, int],
    given: PriceComponent,
    kinds: Mapping[str, Kind],
    restrictions: tuple[Restriction, ...],
) -> Component:
    price, vat = _taxed(tariff, given)
    kind = kinds[given.type]
    gross = Fraction(1) if vat is None else 1 + vat
    return Component(*place, kind, price, vat, gross, given.step_size, restrictions)


def _taxed(tariff: TariffToPrice, given: PriceComponent) -> tuple[Fraction, Fraction | None]:
    """The price before tax and the rate; OCPI 2.3.0's `tax_included` is understood."""
    price = Fraction(given.price)
    vat = None if given.vat is None else Fraction(given.vat) / 100
    if tariff.tax_included == "N/A":
        return price, None
    if tariff.tax_included == "YES" and vat is not None and vat > -1:
        return price / (1 + vat), vat
    return price, vat


def _limit(price: Price | None) -> Limit | None:
    if price is None:
        return None
    return Limit(
        Fraction(price.excl_vat), None if price.incl_vat is None else Fraction(price.incl_vat)
    )


def _unusable(index: int, error: UnreadableRestriction) -> Note:
    return Note(
        "unknown_restriction",
        f"Element {index + 1} has a restriction that can't be understood ({error}), "
        "so it was left out.",
        element=index,
    )


def _unknown_dimension(index: int, name: str) -> Note:
    return Note(
        "unknown_dimension",
        f"Element {index + 1} has a price for {name}, which OCPI 2.2.1 does not know; "
        "it was left out.",
        element=index,
    )
