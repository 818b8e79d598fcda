"""There is no memory left, again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.cluster import Member
from tests.chaos.scale import SCALE
from tests.chaos.scarcity import endure, megabytes_of_data
from tests.chaos.test_memory import MOODS, PRESS, limited

MORE = 8_000_000
"""Bytes beside those that a process has when it is ready; to become ready takes no more."""


def hardly_any(member: Member) -> int:
    return int(megabytes_of_data(member) * 1e6) + MORE


@pytest.mark.timeout(300)
async def test_a_process_without_memory_loses_nothing_that_was_acknowledged(
    database_url: str, tmp_path: Path
) -> None:
    spell = await endure(
        database_url, tmp_path, MOODS, limited(hardly_any), PRESS, SCALE.scarce / 2, probed=True
    )
    # Libraries in C and Rust that do not expect it end the process, or hang.
    assert spell.ends or spell.refusals
