"""Prices of CDRs on one core, with the explanation, and how their time grows."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from modules.tariffs.pricing import Terms, bill_document, explain, price_cdr, read_tariff
from tests.modules.tariffs.pricing.sample import (
    BY_NAME,
    Document,
    cdr,
    component,
    element,
    period,
    tariff,
)

ZONE = "Europe/Amsterdam"
ROUNDS, ROUND_S, BATCH = 20, 0.1, 10


async def measure() -> dict[str, Any]:
    """CDRs a second: priced (the reasons are data), told in sentences too, and as JSON-able data.

    The CDR is a decoded document, its Tariff is compiled already. `growth` is how many times longer
    eight times the periods, or the elements, take; 8 is linear.
    """
    return await asyncio.to_thread(_measure)


def _measure() -> dict[str, Any]:
    vector = BY_NAME["ref-10-codeberg-228"]
    small = cdr(period("08:00", ENERGY="20.5"), end="09:00")
    cases = {
        "1x1": (small, read_tariff(tariff(element(component("ENERGY", "0.25", vat="20"))))),
        "2x48": (vector["cdr"], read_tariff(vector["tariff"])),
    }
    result: dict[str, Any] = {}
    ways = {"priced": _pricing, "explained": _explaining, "as JSON": _documenting}
    for name, (document, terms) in cases.items():
        for way, action in ways.items():
            result[f"{name} {way}"] = round(1 / _seconds(action(document, terms)))
    base = _seconds(_explaining(*_grid(12, 12)))
    for name, (periods, elements) in {"periods": (96, 12), "elements": (12, 96)}.items():
        longer = _seconds(_explaining(*_grid(periods, elements)))
        result[f"growth by {name}"] = round(longer / base, 1)
    return result


def _pricing(document: Document, terms: Terms) -> Callable[[], object]:
    return lambda: price_cdr(document, [terms], ZONE)


def _explaining(document: Document, terms: Terms) -> Callable[[], object]:
    return lambda: explain(price_cdr(document, [terms], ZONE))


def _documenting(document: Document, terms: Terms) -> Callable[[], object]:
    return lambda: bill_document(price_cdr(document, [terms], ZONE))


def _grid(periods: int, elements: int) -> tuple[Document, Terms]:
    """A session whose every period asks every element in vain before the last one applies."""
    never = element(component("ENERGY", "1"), component("TIME", "1"), min_kwh=10**6)
    last = element(component("ENERGY", "0.5"), component("TIME", "2"))
    rows = [
        period(f"{8 + index // 60:02}:{index % 60:02}", ENERGY="0.1", TIME="0.0167")
        for index in range(periods)
    ]
    return cdr(*rows, end="12:00"), read_tariff(tariff(*[never] * (elements - 1), last))


def _seconds(action: Callable[[], object]) -> float:
    """The time of one run on this core, from the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        runs, started = 0, time.thread_time()
        while time.thread_time() - started < ROUND_S:
            # Looking at the clock for every CDR would count as if it were pricing.
            for _ in range(BATCH):
                action()
            runs += BATCH
        best = min(best, (time.thread_time() - started) / runs)
    return best
