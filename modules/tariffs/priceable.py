"""Whether a Tariff of ours can be priced by: what we write, others must be able to read."""

from collections.abc import Iterator

from modules.tariffs.pricing.restrictions import UnreadableRestriction, read_restrictions
from ocpi.editing import Document
from ocpi.errors import InvalidParameters
from ocpi.spec.reading import read
from ocpi.spec.tariffs import (
    PriceComponent,
    Tariff,
    TariffDimensionType,
    TariffElement,
    TariffRestrictions,
)
from ocpi.spec.types import OCPIModel

_OF_RESERVATIONS = (TariffDimensionType.FLAT, TariffDimensionType.TIME)


def refuse_unpriceable(document: Document) -> None:
    """Raises ``InvalidParameters`` for elements of which OCPI 2.2.1 does not know a part.

    Such an element of a partner's is left out when pricing, and noted; in a Tariff of ours it is a
    slip that makes charging free. OCPI does not forbid a negative price: it gives a discount.
    """
    tariff = read(Tariff, document)
    found = [
        f"elements.{index}{line}"
        for index, element in enumerate(tariff.elements)
        for line in _of_element(element)
    ]
    if found:
        raise InvalidParameters("; ".join(found))


def _of_element(element: TariffElement) -> Iterator[str]:
    yield from _unknown_fields(element, "")
    reserved = False
    if element.restrictions is not None:
        yield from _of_restrictions(element.restrictions, ".restrictions")
        reserved = element.restrictions.reservation is not None
    for index, component in enumerate(element.price_components):
        path = f".price_components.{index}"
        yield from _of_component(component, path)
        if reserved and component.type not in _OF_RESERVATIONS:
            yield f"{path}.type: a reservation has no {component.type}, only FLAT and TIME (TA-20)"


def _of_restrictions(given: TariffRestrictions, path: str) -> Iterator[str]:
    unknown = list(_unknown_fields(given, path))
    yield from unknown
    if not unknown:
        try:
            read_restrictions(given)
        except UnreadableRestriction as error:
            yield f"{path}: {error} can't be understood"


def _of_component(given: PriceComponent, path: str) -> Iterator[str]:
    yield from _unknown_fields(given, path)
    for name in ("step_size", "vat"):
        value = getattr(given, name)
        if value is not None and value < 0:
            yield f"{path}.{name}: {value} is negative"


def _unknown_fields(given: OCPIModel, path: str) -> Iterator[str]:
    for name, value in (given.model_extra or {}).items():
        if value is not None:
            yield f"{path}.{name}: OCPI 2.2.1 has no such field"
