"""Lints between objects: the tariffs that a Connector names."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import combinations
from typing import Any

from modules.tariffs.pricing.lint.findings import Finding, warning
from modules.tariffs.pricing.terms import Terms


def lint_connector(
    connector: Mapping[str, Any], tariffs: Mapping[str, Terms], now: datetime
) -> Iterator[Finding]:
    """Yield tariffs that nobody could choose between, among those known by ids in lower case.

    Pointers are into the Connector.
    """
    named = dict.fromkeys(str(name).lower() for name in connector.get("tariff_ids") or ())
    valid = [tariffs[name] for name in named if name in tariffs and tariffs[name].valid_at(now)]
    for first, second in combinations(valid, 2):
        if first.type == second.type:
            sentence = f"{first.id} and {second.id} are both valid, and nothing chooses between."
            yield warning("several_valid", "/tariff_ids", sentence)
