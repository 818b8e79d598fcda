"""One process that has too little of something, under load, and what must be so after that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.benchmarks.processor import cpu_seconds
from tests.chaos.cluster import Member
from tests.chaos.crowding import Crowd, Press
from tests.chaos.load import Load
from tests.chaos.partners import Mood
from tests.chaos.scale import seeded
from tests.chaos.settling import forgotten, settle
from tests.chaos.stage import a_stage
from tests.flows.process import Installation, Serving, until
from tests.soak.sampling import open_files

SOON = 10.0
"""Seconds within which it must answer again."""
ALIVE = 5.0
"""Seconds within which it must say that it lives, where that is asked."""

UVICORNS = ("500 Internal Server Error", "400 Invalid HTTP request received.")
"""Where there is no memory for a refusal, or for what has come of a body, it answers by itself."""

Scarce = Callable[[Member], AbstractAsyncContextManager[None]]


@dataclass
class Spell:
    """What it had, and what became of it, while there was too little."""

    load: Load
    crowd: Crowd
    files: int = 0
    """Open at once, at most."""
    data_mb: float = 0
    """Of memory, at most."""
    processor: float = 0
    """The part of one that it had."""
    ends: list[int] = field(default_factory=list)
    """How its processes ended."""

    @property
    def refusals(self) -> int:
        return sum(self.load.excuses.values()) + self.crowd.answers["503/3000"]


async def endure(
    database_url: str,
    folder: Path,
    moods: Sequence[Mood],
    scarce: Scarce,
    press: Press,
    seconds: float,
    *,
    probed: bool = False,
    felt: Callable[[Spell], bool] = lambda _: True,
) -> Spell:
    """Have a process work under pressure while something is scarce, and judge it after that.

    It lasts until that is `felt`, on a slow machine longer. One that is `probed` may end or hang,
    and is started again, as a supervisor does it.
    """
    # What a push had lost would be found by a pull.
    settings = {"OCPI_PULL_HOURS": "0"}
    member = Member(Installation(database_url, folder, settings=settings, log=folder / "log"))
    async with a_stage(database_url, folder, "scarcity", moods, [member]) as stage:
        load, partners = stage.load, stage.partners
        crowd = Crowd(load, partners.healthy, seeded("crowd"), press)
        spell = Spell(load, crowd)
        await crowd.begin()
        partners.misbehave()
        async with load.flowing():
            async with attended(member, spell, scarce, probed=probed):
                async with crowd.calling(), watched(member, spell):
                    await asyncio.sleep(seconds)
                    await until(lambda: felt(spell), 60)
                again = 0.0 if probed else await crowd.answers_soon(SOON)
            if probed:
                # From now on it has what it needs.
                await restart(member)
                again = await crowd.answers_soon(SOON)
            before = len(load.acknowledged)
            await until(lambda: len(load.acknowledged) > before + 5, 60)
        ended = time.monotonic()
        ours = await settle(stage.admins[0], load, partners)
        report(spell, again, time.monotonic() - ended)
        assert forgotten(ours, load) == []
        assert await crowd.forgotten(stage.admins[0]) == []
        bare = [*load.refused, *crowd.unfit]
        if probed:
            bare = [each for each in bare if not each.endswith(UVICORNS)]
        assert bare == [], bare[:5]
        assert set(load.excuses) <= {(503, "5")}
    return spell


@asynccontextmanager
async def attended(
    member: Member, spell: Spell, scarce: Scarce, *, probed: bool
) -> AsyncIterator[None]:
    """Keep something scarce; a process that ends is started again."""

    async def attend() -> None:
        while True:
            assert member.life is not None
            async with scarce(member):
                if probed:
                    await end_when_it_hangs(member.life)
                spell.ends.append(await member.life.process.wait())
            await member.start()

    attending = asyncio.create_task(attend())
    try:
        yield
    finally:
        attending.cancel()
        with suppress(asyncio.CancelledError):
            await attending


async def restart(member: Member) -> None:
    assert member.life is not None
    if member.life.process.returncode is None:
        await member.kill()
    await member.start()


async def end_when_it_hangs(life: Serving) -> None:
    """Ask it again and again whether it lives, until it has ended."""
    async with httpx.AsyncClient(timeout=ALIVE) as client:
        while life.process.returncode is None:
            try:
                await client.get(f"{life.installation.base_url}/health/live")
            except httpx.TimeoutException:
                life.process.kill()
                return
            except httpx.TransportError:
                print("a question whether it lives broke off")
            await asyncio.sleep(1)


@asynccontextmanager
async def watched(member: Member, spell: Spell) -> AsyncIterator[None]:
    """Look now and then at what it has."""

    async def watch() -> None:
        while True:
            assert member.life is not None
            # It may end at any moment.
            with suppress(FileNotFoundError, ProcessLookupError):
                spell.files = max(spell.files, open_files(member.life.process.pid))
                spell.data_mb = max(spell.data_mb, megabytes_of_data(member))
            await asyncio.sleep(0.1)

    assert member.life is not None
    life, began = member.life, time.monotonic()
    spent = cpu_seconds(life.process.pid)
    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        if life.process.returncode is None:
            spent = cpu_seconds(life.process.pid) - spent
            spell.processor = spent / (time.monotonic() - began)


def megabytes_of_data(member: Member) -> float:
    """What RLIMIT_DATA counts."""
    assert member.life is not None
    status = Path(f"/proc/{member.life.process.pid}/status").read_text()
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmData:")]
    # One that has ended and was not waited for has none.
    return int(found[0]) * 1024 / 1e6 if found else 0.0


def report(spell: Spell, again: float, settling: float) -> None:
    """Print the figures, for `make chaos`."""
    load, crowd = spell.load, spell.crowd
    print(f"{len(load.acknowledged)} acknowledged, {load.unknown} not: {dict(load.excuses)}")
    print(f"{len(crowd.tokens)} Tokens acknowledged; {dict(crowd.answers)}")
    print(f"most: {spell.files} files, {spell.data_mb:.0f} MB; processor {spell.processor:.0%}")
    print(f"{len(load.refused) + len(crowd.unfit)} answers without an envelope")
    print(f"ended {len(spell.ends)} times, by {sorted(set(spell.ends))}")
    print(f"answers again after {again:.2f} s, settled in {settling:.1f} s")
