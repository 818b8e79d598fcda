"""There is little memory, while many come at once and some bring much."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.chaos.cluster import Member
from tests.chaos.crowding import Press
from tests.chaos.partners import Mood
from tests.chaos.scale import SCALE, WHOLE
from tests.chaos.scarcity import Scarce, endure

ENOUGH = 256 * 1024 * 1024
"""Bytes that do for this pressure: it starts with half of it."""
# 450 EVSEs are 310 kB, which is large.
PRESS = (
    Press(callers=60, rest=0.5, large=12, evses=600)
    if WHOLE
    else Press(callers=20, rest=0.5, large=5, evses=450)
)
MOODS = [Mood.WELL, Mood.WELL] if WHOLE else [Mood.WELL]


def limited(most: Callable[[Member], int]) -> Scarce:
    """A limit of that many bytes, for as long as the process lives or is watched."""

    @asynccontextmanager
    async def limit(member: Member) -> AsyncIterator[None]:
        assert member.life is not None
        pid = member.life.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
        resource.prlimit(pid, resource.RLIMIT_DATA, (most(member), hard))
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_DATA, (hard, hard))

    return limit


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"][: 1 + WHOLE], indirect=True)
@pytest.mark.timeout(300)
async def test_large_bodies_by_many_callers_do_with_256_mib(
    database_url: str, tmp_path: Path
) -> None:
    spell = await endure(
        database_url, tmp_path, MOODS, limited(lambda _: ENOUGH), PRESS, SCALE.scarce
    )
    assert spell.ends == []
