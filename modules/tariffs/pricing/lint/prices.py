"""Lints of prices, VAT and step sizes."""

from collections import Counter
from collections.abc import Iterator

from modules.tariffs.pricing.lint.findings import Finding, Subject, error, info, warning
from modules.tariffs.pricing.usage import Kind
from ocpi.spec.tariffs import PriceComponent

_LARGEST_STEP = {"ENERGY": 1000, "TIME": 3600, "PARKING_TIME": 3600}


def lint_prices(subject: Subject) -> Iterator[Finding]:
    for index, element in enumerate(subject.tariff.elements):
        types = Counter(str(each.type) for each in element.price_components)
        for name, count in types.items():
            if count > 1:
                sentence = f"The element has {count} prices for {name}; only the first counts."
                yield error("duplicate_component", f"/elements/{index}", sentence)
        for position, component in enumerate(element.price_components):
            pointer = f"/elements/{index}/price_components/{position}"
            yield from _price(component, pointer)
            yield from _step(component, pointer)
    yield from _mixed_vat(subject)
    yield from _mixed_steps(subject)
    yield from _flats(subject)


def _price(given: PriceComponent, pointer: str) -> Iterator[Finding]:
    if given.price < 0:
        yield error("negative_price", f"{pointer}/price", "The price is negative.")
    exponent = given.price.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < -4:
        yield warning("fine_price", f"{pointer}/price", "The price has more than four decimals.")
    if given.vat is None:
        return
    if not 0 <= given.vat <= 100:
        yield error("bad_vat", f"{pointer}/vat", f"VAT of {given.vat} % can't be.")
    elif 0 < given.vat < 1:
        sentence = f"VAT is in percent: {given.vat} means {given.vat} %, not {given.vat * 100} %."
        yield warning("fraction_vat", f"{pointer}/vat", sentence)


def _step(given: PriceComponent, pointer: str) -> Iterator[Finding]:
    pointer, step = f"{pointer}/step_size", given.step_size
    if given.type not in _LARGEST_STEP:
        if given.type == "FLAT" and step > 1:
            yield info("flat_step", pointer, "A fixed fee has no steps.")
        return
    if step < 1:
        sentence = "step_size must be 1 or more; nothing will be rounded."
        yield warning("no_step", pointer, sentence)
    elif step > _LARGEST_STEP[given.type]:
        unit = "Wh" if given.type == "ENERGY" else "seconds"
        yield warning("large_step", pointer, f"step_size is in {unit}; {step} is a lot.")
    elif step > 1:
        yield info("step", pointer, "OCPI advises a step_size of 1.")
    if step > 1 and given.price == 0:
        sentence = "Free time or energy counts towards the step; without a price it would not."
        yield warning("free_step", pointer, sentence)


def _mixed_vat(subject: Subject) -> Iterator[Finding]:
    told = {
        each.vat is None for element in subject.tariff.elements for each in element.price_components
    }
    if len(told) > 1:
        yield warning("mixed_vat", "/elements", "Some prices have VAT and some have none.")


def _mixed_steps(subject: Subject) -> Iterator[Finding]:
    candidates = subject.terms.candidates
    for kind in (Kind.ENERGY, Kind.TIME, Kind.PARKING_TIME, Kind.RESERVATION_TIME):
        if len({each.step_size for each in candidates[kind]}) > 1:
            sentence = f"Prices for {kind} differ in step_size; only the last one used counts."
            yield warning("mixed_steps", "/elements", sentence)
    if candidates[Kind.PARKING_TIME] and any(each.step_size > 1 for each in candidates[Kind.TIME]):
        sentence = "The step_size of TIME has no effect on a session with priced parking."
        yield info("time_step_idle", "/elements", sentence)


def _flats(subject: Subject) -> Iterator[Finding]:
    if len(subject.terms.candidates[Kind.FLAT]) > 1:
        sentence = "Several elements have a fixed fee; a session is charged only the first in time."
        yield warning("several_flats", "/elements", sentence)
