"""What holds for any tariff and any CDR, however odd."""

from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from modules.tariffs.pricing import (
    Measured,
    PricingError,
    Reading,
    bill_document,
    bill_session,
    check_cdr,
    check_document,
    estimate,
    lint_tariff,
    price_cdr,
)
from ocpi.spec.document import encode
from tests.modules.tariffs.pricing.sample import (
    MONDAY,
    Document,
    cdr,
    component,
    element,
    period,
    tariff,
)
from tests.modules.tariffs.pricing.wild import cdrs, numbers, offers

anyhow = settings(deadline=None, max_examples=80)
zones = st.sampled_from([None, "Europe/Paris", "America/New_York"])


@anyhow
@given(cdrs({}), st.lists(offers, max_size=2), zones)
def test_a_price_is_told_or_refused_in_a_sentence(
    received: Document, stored: list[Document], zone: str | None
) -> None:
    with suppress(PricingError):
        encode(bill_document(price_cdr(received, stored, zone)))
    with suppress(PricingError):
        encode(check_document(check_cdr(received, stored, zone)))


@anyhow
@given(offers, st.datetimes(), st.integers(-1, 10**9), numbers, st.none() | numbers, zones)
def test_an_estimate_is_told_or_refused_in_a_sentence(
    offer: Document,
    start: datetime,
    minutes: int,
    kwh: Decimal,
    power: Decimal | None,
    zone: str | None,
) -> None:
    with suppress(PricingError):
        encode(bill_document(estimate(offer, start, minutes % 3000, Decimal(kwh), power, zone)))


scalars = st.none() | st.booleans() | numbers | st.text(max_size=5)
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@anyhow
@given(offers, st.lists(st.tuples(st.integers(0, 30), junk), max_size=3), zones)
def test_any_document_can_be_examined(
    offer: Document, spoilt: list[tuple[int, Any]], zone: str | None
) -> None:
    document = deepcopy(offer)
    for number, value in spoilt:
        holders = [document, *document["elements"]] if _intact(document) else [document]
        holder = holders[number % len(holders)]
        holder[sorted(holder)[number % len(holder)]] = value
    for finding in lint_tariff(document, zone=zone, now=datetime.now(UTC)):
        assert finding.sentence.endswith((".", "?"))


def _intact(document: Document) -> bool:
    elements = document["elements"]
    return isinstance(elements, list) and all(isinstance(each, dict) for each in elements)


def shuffled(value: Any, data: st.DataObject) -> Any:
    if isinstance(value, dict):
        names = data.draw(st.permutations(sorted(value)))
        return {name: shuffled(value[name], data) for name in names}
    return [shuffled(item, data) for item in value] if isinstance(value, list) else value


@settings(deadline=None, max_examples=40)
@given(cdrs({}), offers, st.data())
def test_the_order_of_json_keys_changes_nothing(
    received: Document, offer: Document, data: st.DataObject
) -> None:
    def told(session: Document, terms: Document) -> Any:
        try:
            return bill_document(price_cdr(session, [terms], "Europe/Paris"))
        except PricingError as error:
            return error.code

    assert told(received, offer) == told(shuffled(received, data), shuffled(offer, data))


prices = st.decimals("0", "2", places=2)


@anyhow
@given(
    st.lists(st.tuples(prices, st.integers(1, 20)), min_size=1, max_size=4),
    st.sampled_from((0, 1, 500, 900)),
    prices,
    st.tuples(st.decimals("0", "60", places=3), st.decimals("0", "60", places=3)),
)
def test_more_energy_never_costs_less_where_prices_rise(
    tiers: list[tuple[Decimal, int]],
    step: int,
    fee: Decimal,
    amounts: tuple[Decimal, Decimal],
) -> None:
    offer = rising(tiers, step, fee)
    less, more = sorted(amounts)
    assert measured_total(offer, less) <= measured_total(offer, more)
    assert received_total(offer, less) <= received_total(offer, more)


def rising(tiers: list[tuple[Decimal, int]], step: int, fee: Decimal) -> Document:
    """Tiers of energy of which each costs more per kWh than the one before, and a fee."""
    parts, reached, price = [], 0, Decimal(0)
    for extra, width in tiers[:-1]:
        reached, price = reached + width, price + extra
        parts.append(element(component("ENERGY", str(price), step, "21"), max_kwh=reached))
    last = component("ENERGY", str(price + tiers[-1][0]), step, "21")
    limit = {"excl_vat": 50, "incl_vat": 60}
    return tariff(*parts, element(last, component("FLAT", str(fee))), max_price=limit)


def measured_total(offer: Document, kwh: Decimal) -> Any:
    readings = (Reading(MONDAY, Decimal(0)), Reading(MONDAY + timedelta(hours=1), kwh))
    session = Measured(MONDAY, MONDAY + timedelta(hours=1), readings)
    return bill_session(session, [offer]).total.incl


def received_total(offer: Document, kwh: Decimal) -> Any:
    return price_cdr(cdr(period("08:00", ENERGY=str(kwh))), [offer]).total.incl
