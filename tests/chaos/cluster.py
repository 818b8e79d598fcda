"""One installation in several processes, which can be killed one by one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.flows.process import Installation, Serving, free_port


@dataclass
class Member:
    """One process, in one life after the other."""

    installation: Installation
    serves: bool = True
    life: Serving | None = None

    @property
    def url(self) -> str:
        """Where this very process answers."""
        return self.installation.base_url

    async def start(self) -> None:
        """Begin a life; who serves is waited for until it answers."""
        words = ("serve", "--port", str(self.installation.port)) if self.serves else ("worker",)
        self.life = Serving(self.installation, await self.installation.start(*words))
        if self.serves:
            await self.life.wait_until_ready()

    async def kill(self) -> None:
        assert self.life is not None
        await self.life.kill()

    async def stop(self) -> None:
        if self.life is not None:
            await self.life.stop()


@dataclass
class Cluster:
    """All processes on one database."""

    members: list[Member] = field(default_factory=list)

    @property
    def serving(self) -> list[Member]:
        return [member for member in self.members if member.serves]

    async def kill_one(self, chance: random.Random) -> None:
        """End one as a power cut would, and start it again."""
        member = chance.choice(self.members)
        await member.kill()
        await member.start()


def members_of(database_url: str, folder: Path) -> list[Member]:
    """One process on SQLite; on PostgreSQL two that serve and one that only works."""
    first = Installation(database_url, folder)
    if database_url.startswith("sqlite"):
        return [Member(first)]
    shared = {"OCPI_BASE_URL": first.base_url}
    second = replace(first, port=free_port(), settings=shared)
    return [Member(first), Member(second), Member(first, serves=False)]


@asynccontextmanager
async def running_cluster(members: Sequence[Member]) -> AsyncIterator[Cluster]:
    """Run an installation while the context is open."""
    cluster = Cluster(list(members))
    async with AsyncExitStack() as stack:
        for member in cluster.members:
            stack.push_async_callback(member.stop)
        # The first one migrates the database for all.
        await cluster.members[0].start()
        await asyncio.gather(*(member.start() for member in cluster.members[1:]))
        yield cluster
