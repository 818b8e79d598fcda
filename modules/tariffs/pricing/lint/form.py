"""Lints of the document itself: fields, codes, enums and what a strict receiver refuses."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from iso3166 import countries_by_alpha2
from iso4217 import Currency

from modules.tariffs.pricing.lint.findings import Finding, error, info, warning
from ocpi.spec.reading import defects
from ocpi.spec.tariffs import PriceComponent, Tariff, TariffElement, TariffRestrictions
from ocpi.spec.types import OCPIModel, Price

_LATER = frozenset({"tax_included"})  # Of OCPI 2.3.0, and understood here.
_REFUSED = ("is required", "needs at least one item", "is no number", "is no object")


def lint_form(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield findings that need no understanding of the prices."""
    for defect in defects(dict(document), Tariff):
        path, _, rule = defect.partition(": ")
        pointer = "" if path == "the document" else "/" + path.replace(".", "/")
        make = error if any(words in rule for words in _REFUSED) else warning
        # What concerns the whole names its fields by itself.
        sentence = f"{path}: {rule}." if pointer else f"{rule}."
        yield make("not_ocpi", pointer, sentence)
    yield from _fields(Tariff, document, "")
    for limit in ("min_price", "max_price"):
        yield from _fields(Price, document.get(limit), f"/{limit}")
    for index, element in enumerate(_list(document.get("elements"))):
        yield from _element(element, f"/elements/{index}")
    yield from _codes(document)


def _element(element: Any, pointer: str) -> Iterator[Finding]:
    yield from _fields(TariffElement, element, pointer)
    if not isinstance(element, Mapping):
        return
    restrictions = element.get("restrictions")
    yield from _fields(TariffRestrictions, restrictions, f"{pointer}/restrictions")
    if restrictions == {}:
        sentence = "An empty restrictions object restricts nothing; leave it out."
        yield warning("empty_restrictions", f"{pointer}/restrictions", sentence)
    for index, component in enumerate(_list(element.get("price_components"))):
        yield from _fields(PriceComponent, component, f"{pointer}/price_components/{index}")


def _fields(model: type[OCPIModel], document: Any, pointer: str) -> Iterator[Finding]:
    for name, value in document.items() if isinstance(document, Mapping) else ():
        if value is None:
            yield warning("null_field", f"{pointer}/{name}", f"Leave {name} out instead of null.")
        elif name not in model.model_fields and name not in _LATER:
            yield _unknown(model, name, f"{pointer}/{name}")


def _unknown(model: type[OCPIModel], name: str, pointer: str) -> Finding:
    known = {field.replace("_", ""): field for field in model.model_fields}
    near = get_close_matches(name.replace("_", "").lower(), known, 1, 0.75)
    meant = f" Is {known[near[0]]} meant?" if near else ""
    sentence = f"OCPI has no {name} here.{meant}"
    if model is TariffRestrictions:
        return error("unknown_restriction", pointer, f"{sentence} The element can't be used.")
    return (
        error("unknown_field", pointer, sentence)
        if near
        else info("unknown_field", pointer, sentence)
    )


def _codes(document: Mapping[str, Any]) -> Iterator[Finding]:
    country, currency = document.get("country_code"), document.get("currency")
    if isinstance(country, str):
        if country.upper() not in countries_by_alpha2:
            sentence = f"There is no country {country} (ISO 3166-1 alpha-2)."
            yield error("unknown_country", "/country_code", sentence)
        elif country != country.upper():
            yield warning("lower_case", "/country_code", "Write the country in capital letters.")
    if isinstance(currency, str):
        if not _is_currency(currency):
            yield error("unknown_currency", "/currency", f"There is no currency {currency}.")
        elif currency != currency.upper():
            yield warning("lower_case", "/currency", "Write the currency in capital letters.")


def _is_currency(code: str) -> bool:
    try:
        Currency(code.upper())
    except ValueError:
        return False
    return True


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
