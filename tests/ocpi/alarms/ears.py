"""Who hears alarms in tests, and what there is to hear."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from ocpi.alarms.channels import News, TellingFailed
from ocpi.alarms.conditions import Check, Condition
from ocpi.context import Context

DOWN = Condition("partner_down", "one", "one is down: do something.")


@dataclass
class Ear:
    """Hears news, and is deaf for a while."""

    deaf: int = 0
    heard: list[str] = field(default_factory=list)

    async def tell(self, news: News) -> None:
        await asyncio.sleep(0)
        if self.deaf:
            self.deaf -= 1
            raise TellingFailed("Nobody listens.")
        self.heard.append(f"{news.event} {news.alarm['subject']}")

    async def close(self) -> None:
        """Nothing is open."""


def finding(*conditions: Condition) -> Sequence[Check]:
    async def find(_context: Context) -> Sequence[Condition]:
        return conditions

    return [Check(frozenset({"partner_down"}), find)]
