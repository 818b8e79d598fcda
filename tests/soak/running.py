"""One soak: a service that works for long, while all that it takes and gives is watched."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.load import an_admin, delays, percentile
from tests.chaos.partners import Mood, Partners, partners_of
from tests.chaos.scale import seeded
from tests.chaos.settling import party_of, register, settled
from tests.flows.process import Installation, until
from tests.soak.crossing import SETTINGS, a_crossing
from tests.soak.ledger import Ledger
from tests.soak.mix import Mix
from tests.soak.oracle import Evidence, found_in_file, judge, read_log, secrets_of
from tests.soak.sampling import Sample, Sampler, drawn, growing, slope

REGISTERING = 300
"""Seconds within which all partners must have heard of everything that there is at first."""
SETTLING = 60
FEW = 10


@dataclass(frozen=True)
class Extent:
    """How long, how much, and with whom; three partners at the hub do well beside these."""

    seconds: float
    rate: float
    """Requests a second."""
    locations: int
    """Of three EVSEs each."""
    moods: Sequence[Mood]
    every: float
    """Seconds between two samples."""


@dataclass
class Outcome:
    """What a soak came to."""

    faults: list[str]
    samples: list[Sample]
    ledger: Ledger
    waits: Sequence[float]
    """Milliseconds until partners that do well had each change that is for all, sorted."""
    settling: float
    """Seconds until everybody held what we hold."""
    rig_cpu: float
    """Seconds of the processor that partners took, and who made the load."""


async def soak(database_url: str, folder: Path, extent: Extent, kept: Path) -> Outcome:
    """Put the service under load; `kept` is where ledger, samples and log go, without an ending."""
    log = kept.with_suffix(".log")
    log.unlink(missing_ok=True)
    installation = Installation(database_url, folder, settings=SETTINGS, log=log)
    samples: list[Sample] = []
    async with AsyncExitStack() as stack:
        ledger = Ledger(kept.with_suffix(".jsonl"))
        stack.callback(ledger.close)
        partners = await stack.enter_async_context(partners_of(seeded("moods"), extent.moods))
        crossing = await stack.enter_async_context(a_crossing(ledger, seeded("hub")))
        async with installation.serving() as served, an_admin(installation.base_url) as admin:
            load = Mix(
                [admin],
                [party_of(each) for each in partners.mocks],
                seeded("load"),
                extent.locations,
                ledger=ledger,
                crossing=crossing,
                drivers=partners.healthy,
            )
            await prepare(load, partners, installation)
            first, rig = len(load.acknowledged), time.process_time()
            sampler = Sampler(served, kept.with_suffix(".csv"))
            watching = asyncio.create_task(sampler.watch(samples, extent.every))
            partners.misbehave()
            await load.press(extent.rate, extent.seconds)
            await stop(watching)
            rig, ended = time.process_time() - rig, time.monotonic()
            ours, lacking = await settled(admin, load, partners)
            with suppress(TimeoutError):
                await until(lambda: not crossing.differing(ours.locations.values()), SETTLING)
            settling = time.monotonic() - ended
            await load.end()
        secrets = secrets_of([*partners.mocks, *crossing.mocks])
        logged, told = await read_log(database_url, secrets)
        told |= found_in_file(log, secrets)
        evidence = Evidence(load, partners, crossing, ledger, ours, lacking, logged, sorted(told))
        faults = [*judge(evidence), *growing(samples)]
        # What never came has no delay.
        changes = () if lacking else load.acknowledged[first:]
        waits = sorted(1000 * wait for each in partners.healthy for wait in delays(changes, each))
    return Outcome(faults, samples, ledger, waits, settling, rig)


async def prepare(load: Mix, partners: Partners, installation: Installation) -> None:
    """Have everybody registered and told of everything, before anything is measured."""
    (admin,) = load.admins
    await load.crossing.begin(installation)
    await load.put_locations()
    await register(admin, partners)
    await load.begin()
    async with asyncio.timeout(REGISTERING):
        # What is waited for happens in another process.
        while any(lane["behind"] for lane in (await admin.get("push")).json()):  # noqa: ASYNC110
            await asyncio.sleep(0.5)


async def stop(watching: asyncio.Task[None]) -> None:
    """End it; raises what it has met."""
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


def report(outcome: Outcome) -> str:
    """Tell in lines what a soak came to."""
    ledger, samples = outcome.ledger, outcome.samples
    lines = [f"{ledger.count} requests, settled in {outcome.settling:.1f} s"]
    for kind, taken in sorted(ledger.ms.items()):
        lines.append(f"  {kind:<22} {len(taken):>8} {shares(sorted(taken))} ms")
    if outcome.waits:
        name = "pushes to the well"
        lines.append(f"  {name:<22} {len(outcome.waits):>8} {shares(outcome.waits)} ms")
    memory = [each.memory_mb for each in samples]
    first, last = samples[0], samples[-1]
    spent, lasted = last.cpu_seconds - first.cpu_seconds, last.seconds - first.seconds
    lines += [
        f"memory {min(memory):.0f} to {max(memory):.0f} MB {drawn(memory)}",
        f"  {slope(samples):+.1f} MB/h after the first third",
        f"open files {drawn([each.files for each in samples])} {first.files} to {last.files}",
        f"database {first.database_mb} to {last.database_mb} MB, feed {first.feed} to {last.feed}",
        f"behind {drawn([each.behind for each in samples])} to {max(e.behind for e in samples)}",
        f"processor: service {spent / lasted:.0%}, partners {outcome.rig_cpu / lasted:.0%}",
        *shown(outcome.faults),
    ]
    return "\n".join(lines)


def shown(faults: Sequence[str]) -> list[str]:
    """A few of each rule's, and how many there are."""
    rules = defaultdict(list)
    for fault in faults:
        rules[fault.partition(":")[0]].append(fault)
    return [
        *(f"FAULT {fault}" for some in rules.values() for fault in some[:FEW]),
        f"{len(faults)} faults{''.join(f', {name}: {len(some)}' for name, some in rules.items())}",
    ]


def shares(found: Sequence[float]) -> str:
    """Median, p95 and p99 of sorted values."""
    names = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return ", ".join(f"{name} {percentile(found, part):.0f}" for name, part in names.items())
