"""Processes, partners that misbehave, and a load upon them: how most of the chaos begins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.chaos.cluster import Cluster, Member, members_of, running_cluster
from tests.chaos.load import Load, an_admin
from tests.chaos.partners import TEN, Mood, Partners, partners_of
from tests.chaos.scale import seeded
from tests.chaos.settling import party_of, register


@dataclass
class Stage:
    """Who takes part."""

    cluster: Cluster
    partners: Partners
    admins: Sequence[httpx.AsyncClient]
    load: Load


@asynccontextmanager
async def a_stage(
    database_url: str,
    folder: Path,
    name: str,
    moods: Sequence[Mood] = TEN,
    members: Sequence[Member] | None = None,
) -> AsyncIterator[Stage]:
    """Start it all, and have partners register; `name` is of their chance.

    The `members` are the processes, where they are not those that a database has by default.
    """
    async with AsyncExitStack() as stack:
        partners = await stack.enter_async_context(partners_of(seeded(name), moods))
        processes = members_of(database_url, folder) if members is None else members
        cluster = await stack.enter_async_context(running_cluster(processes))
        admins = [await stack.enter_async_context(an_admin(each.url)) for each in cluster.serving]
        load = Load(admins, [party_of(each) for each in partners.mocks], seeded("load"))
        await load.put_locations()
        await register(admins[0], partners)
        yield Stage(cluster, partners, admins, load)
