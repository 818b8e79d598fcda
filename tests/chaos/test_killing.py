"""kill -9 again and again, under load, among partners that misbehave in every way."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.load import Acknowledged, Load, delays, percentile
from tests.chaos.partners import Mood, Partners, Watched
from tests.chaos.scale import SCALE, WHOLE, seeded
from tests.chaos.settling import forgotten, settle
from tests.chaos.stage import a_stage
from tests.flows.process import until


@dataclass
class Phases:
    """What was acknowledged while nothing, partners, and partners and kills made trouble."""

    quiet: list[Acknowledged]
    misbehaving: list[Acknowledged]
    killing: list[Acknowledged]
    kills: int


async def make_trouble(cluster: Cluster, load: Load, partners: Partners) -> Phases:
    marks = list[int]()
    async with load.flowing():
        await asyncio.sleep(SCALE.phase)
        marks.append(len(load.acknowledged))
        partners.misbehave()
        await asyncio.sleep(SCALE.phase)
        marks.append(len(load.acknowledged))
        kills = await kill_on(cluster, load, partners)
    done = load.acknowledged
    return Phases(done[: marks[0]], done[marks[0] : marks[1]], done[marks[1] :], kills)


async def kill_on(cluster: Cluster, load: Load, partners: Partners) -> int:
    """Kill one process after the other, each in the midst of changes; gives how many."""
    chance, ends = seeded("kills"), time.monotonic() + SCALE.longest
    kills = 0
    while kills < SCALE.kills and time.monotonic() < ends:
        enough = len(load.acknowledged) + chance.randint(2, 15)
        await until(lambda enough=enough: len(load.acknowledged) >= enough, 60)  # type: ignore[misc]
        await cluster.kill_one(chance)
        kills += 1
        if kills == SCALE.kills // 2:
            partners.behave(Mood.LOCKS_OUT)
    return kills


# On SQLite a shorter test of `tests/flows` does in `make test`.
@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"][not WHOLE :], indirect=True)
@pytest.mark.timeout(900)
async def test_kills_and_bad_partners_lose_nothing_that_was_acknowledged(
    database_url: str, tmp_path: Path
) -> None:
    async with a_stage(database_url, tmp_path, "moods") as stage:
        load, partners = stage.load, stage.partners
        phases = await make_trouble(stage.cluster, load, partners)
        ended = time.monotonic()
        ours = await settle(stage.admins[0], load, partners)
        report(phases, load, partners.healthy, time.monotonic() - ended)
        judge_delays(phases, partners.healthy)
        assert forgotten(ours, load) == []
        assert load.refused == []
        # Among these would be a version that goes back, and a CDR that differs from its copy.
        assert [each.violations for each in partners.mocks if each.violations] == []


def judge_delays(phases: Phases, healthy: list[Watched]) -> None:
    """Eight partners that misbehave delay the others little; generous, for slow machines."""
    quiet, troubled = (
        max(percentile(delays(phase, each), 0.99) for each in healthy)
        for phase in (phases.quiet, phases.misbehaving)
    )
    assert troubled < 10 * quiet + 3


def report(phases: Phases, load: Load, healthy: list[Watched], seconds: float) -> None:
    """Print the figures, for `make chaos`."""
    print(f"seed {SCALE.seed}: {phases.kills} kills")
    for name in ("quiet", "misbehaving", "killing"):
        phase: list[Acknowledged] = getattr(phases, name)
        found = sorted(delay for each in healthy for delay in delays(phase, each))
        p50, p99 = (round(percentile(found, part), 3) for part in (0.5, 0.99))
        print(f"{name}: {len(phase)} acknowledged; healthy partners p50 {p50} s, p99 {p99} s")
    print(f"{load.unknown} changes unknown; settled in {seconds:.1f} s")
