"""How stories are told: hypothesis makes up the steps, one event loop plays each from the start."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5"))
Step = tuple[Any, ...]


def play(
    steps: st.SearchStrategy[Step],
    story: Callable[[str, Sequence[Step]], Awaitable[None]],
    *,
    shortest: int = 4,
) -> None:
    """Have a story told with many lists of steps, each with an empty database of its own."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        # To make a long story short takes longer than to read it.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(told=st.lists(steps, min_size=shortest, max_size=25))
    def tell(told: list[Step]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_tell(f"sqlite+aiosqlite:///{Path(folder)}/ocpi.sqlite", told))

    async def _tell(url: str, told: list[Step]) -> None:
        await story(url, told)

    tell()
