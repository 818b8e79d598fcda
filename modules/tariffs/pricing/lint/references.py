"""Lints between objects: the tariffs that a Connector names."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import combinations
from typing import Any

from modules.tariffs.pricing.lint.findings import Finding, error, warning
from modules.tariffs.pricing.terms import Terms


def lint_connector(
    connector: Mapping[str, Any], tariffs: Sequence[Terms], now: datetime
) -> Iterator[Finding]:
    """Yield tariffs that are missing or that nobody could choose between.

    Pointers are into the Connector.
    """
    known = {terms.id.lower(): terms for terms in tariffs}
    named = [str(name).lower() for name in connector.get("tariff_ids") or []]
    for index, name in enumerate(named):
        if name not in known:
            sentence = f"There is no tariff {name}; perhaps it was deleted."
            yield error("unknown_tariff", f"/tariff_ids/{index}", sentence)
    valid = [known[name] for name in named if name in known and known[name].valid_at(now)]
    for first, second in combinations(valid, 2):
        if first.type == second.type:
            sentence = f"{first.id} and {second.id} are both valid, and nothing chooses between."
            yield warning("several_valid", "/tariff_ids", sentence)
