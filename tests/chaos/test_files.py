"""There are few files to be opened, and more connections than that."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.chaos.cluster import Member
from tests.chaos.crowding import Press
from tests.chaos.partners import Mood
from tests.chaos.scale import SCALE, WHOLE
from tests.chaos.scarcity import Spell, endure

FILES = 256
PRESS = Press(callers=400 if WHOLE else 300, rest=2)
# Each message to those that are not well needs another connection, now and then.
MOODS = [Mood.WELL, Mood.WELL, Mood.LOSES, Mood.RESETS]


@asynccontextmanager
async def few_files(member: Member) -> AsyncIterator[None]:
    """For good: a process lets itself have what it may have at most."""
    assert member.life is not None
    resource.prlimit(member.life.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
    yield


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"][: 1 + WHOLE], indirect=True)
@pytest.mark.timeout(300)
async def test_more_connections_than_files_lose_nothing_that_was_acknowledged(
    database_url: str, tmp_path: Path
) -> None:
    spell = await endure(
        database_url, tmp_path, MOODS, few_files, PRESS, SCALE.scarce, felt=there_was_none_left
    )
    assert spell.ends == []
    assert closed(spell) <= {"ReadError", "RemoteProtocolError", "ConnectError", "WriteError"}


def there_was_none_left(spell: Spell) -> bool:
    return spell.files == FILES and bool(closed(spell))


def closed(spell: Spell) -> set[str]:
    """How it closed connections that it had no file for."""
    return set(spell.crowd.answers) - {"200/1000", "201/1000", "503/3000"}
