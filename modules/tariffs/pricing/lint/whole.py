"""Lints of a tariff as a whole: limits, validity, reservations, text and tax."""

import re
from collections.abc import Iterator

from modules.tariffs.pricing.lint.findings import Finding, Subject, error, info, warning
from modules.tariffs.pricing.usage import Kind
from ocpi.spec.types import Price

_MONEY = re.compile(r"[0-9]+[.,][0-9]{2}|[€$£]|\b(EUR|USD|GBP|CHF)\b")
_USE = (Kind.ENERGY, Kind.TIME, Kind.PARKING_TIME)


def lint_whole(subject: Subject) -> Iterator[Finding]:
    yield from _limits(subject)
    yield from _limits_and_prices(subject)
    yield from _validity(subject)
    yield from _reservation(subject)
    yield from _use(subject)
    yield from _text(subject)
    yield from _tax(subject)


def _limits(subject: Subject) -> Iterator[Finding]:
    low, high = subject.tariff.min_price, subject.tariff.max_price
    for name, limit in (("min_price", low), ("max_price", high)):
        if limit and limit.incl_vat is None:
            sentence = f"{name} says nothing of VAT; it will be taken in proportion."
            yield warning("limit_without_vat", f"/{name}", sentence)
        elif limit and limit.incl_vat is not None and limit.incl_vat < limit.excl_vat:
            yield warning("limit_vat", f"/{name}", "incl_vat is less than excl_vat.")
    if low and high and _crossed(low, high):
        yield error("limits_crossed", "/min_price", "min_price is more than max_price.")
    if high and high.excl_vat == 0:
        yield warning("free_by_limit", "/max_price", "max_price 0 makes every session free.")


def _crossed(low: Price, high: Price) -> bool:
    with_vat = low.incl_vat is not None and high.incl_vat is not None
    return low.excl_vat > high.excl_vat or (with_vat and (low.incl_vat or 0) > (high.incl_vat or 0))


def _limits_and_prices(subject: Subject) -> Iterator[Finding]:
    terms = subject.terms
    fees = [each.price for each in terms.candidates[Kind.FLAT]]
    if terms.max_price and fees and max(fees) > terms.max_price.excl:
        yield warning("fee_above_limit", "/max_price", "A fixed fee alone exceeds max_price.")
    if terms.min_price and not any(terms.candidates[kind] for kind in _USE):
        sentence = "min_price without a price for use is a fixed fee; FLAT says that."
        yield info("limit_as_fee", "/min_price", sentence)


def _validity(subject: Subject) -> Iterator[Finding]:
    start, end = subject.terms.start, subject.terms.end
    if start and end and end <= start:
        sentence = "The tariff ends before it starts."
        yield error("never_valid", "/end_date_time", sentence)
    elif end and subject.now and end <= subject.now:
        yield warning("over", "/end_date_time", "The tariff is no longer valid.")


def _reservation(subject: Subject) -> Iterator[Finding]:
    kinds: dict[str, set[str]] = {}
    for index, element in enumerate(subject.tariff.elements):
        given = element.restrictions.reservation if element.restrictions else None
        if given is None:
            continue
        types = {str(each.type) for each in element.price_components}
        kinds.setdefault(str(given), set()).update(types)
        if types & {"ENERGY", "PARKING_TIME"}:
            sentence = "A reservation is priced by FLAT and TIME only; the rest is not used."
            yield error("reservation_dimension", f"/elements/{index}", sentence)
    used, expired = kinds.get("RESERVATION"), kinds.get("RESERVATION_EXPIRES")
    if expired and not used:
        sentence = "Expired reservations have a price, used ones have none."
        yield warning("only_expired", "/elements", sentence)
    if used and expired and "TIME" in used & expired:
        sentence = "On expiry only the TIME price of RESERVATION_EXPIRES counts."
        yield warning("two_reservation_times", "/elements", sentence)


def _use(subject: Subject) -> Iterator[Finding]:
    candidates = subject.terms.candidates
    if candidates[Kind.ENERGY] or candidates[Kind.TIME]:
        components = [each for one in candidates.values() for each in one]
        if not any(each.price for each in components):
            sentence = "Free of charge is written as one FLAT of 0.00 in one element."
            yield warning("free_otherwise", "/elements", sentence)
        return
    elements = subject.tariff.elements
    only = elements[0].price_components if len(elements) == 1 else []
    if not (len(only) == 1 and only[0].type == "FLAT" and only[0].price == 0):
        sentence = "Neither energy nor charging time has a price."
        yield warning("no_use_priced", "/elements", sentence)


def _text(subject: Subject) -> Iterator[Finding]:
    texts = subject.document.get("tariff_alt_text") or []
    for index, each in enumerate(texts if isinstance(texts, list) else []):
        text = each.get("text") if isinstance(each, dict) else None
        if isinstance(text, str) and _MONEY.search(text):
            sentence = "tariff_alt_text is for what the elements don't say, not for prices."
            yield warning("prices_in_text", f"/tariff_alt_text/{index}", sentence)
    url = subject.document.get("tariff_alt_url")
    if isinstance(url, str) and not url.startswith("https://"):
        yield warning("insecure_url", "/tariff_alt_url", "The URL is not https.")
    if subject.tariff.type == "AD_HOC_PAYMENT" and not texts:
        sentence = "Drivers without contract read tariff_alt_text, and there is none."
        yield warning("no_text", "/tariff_alt_text", sentence)


def _tax(subject: Subject) -> Iterator[Finding]:
    """The rules of OCPI 2.3.0's `tax_included`, where it is given."""
    rates = [each.vat for element in subject.tariff.elements for each in element.price_components]
    if subject.tariff.tax_included == "N/A" and any(rate is not None for rate in rates):
        yield warning("tax_not_applicable", "/tax_included", "No tax applies, yet vat is given.")
    if subject.tariff.tax_included == "YES" and None in rates:
        sentence = "Prices include tax at a rate that is not told, so none can be taken out."
        yield warning("tax_unknown", "/tax_included", sentence)
