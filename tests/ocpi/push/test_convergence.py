"""Whatever happens, in the end a partner holds what we hold."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocpi.push.status import retry
from tests.ocpi.push.simulated import Simulated, envelope
from tests.ocpi.push.world import World, a_world, until_found

NAMES = st.sampled_from("abc")
CHANGES = st.one_of(
    st.tuples(st.just("put"), NAMES),
    st.tuples(st.just("change"), NAMES),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("cdr"), NAMES),
)
MOODS = ("well", "500", "404", "rejecting", "throttling", "losing answers", "forgetful", "html")
TROUBLES = st.one_of(
    st.tuples(st.just("mood"), st.sampled_from(MOODS)),
    st.tuples(st.just("worker"), st.sampled_from(["killed", "stopped"])),
    st.tuples(st.just("wait"), st.sampled_from(["a little", "longer"])),
)
HISTORIES = st.lists(st.one_of(CHANGES, CHANGES, TROUBLES), min_size=5, max_size=30)


def in_mood(partner: Simulated, mood: str) -> Callable[[httpx.Request], Awaitable[object]]:
    async def answer(request: httpx.Request) -> httpx.Response | None:
        if request.method == "GET" or mood == "well":
            return None
        if mood == "losing answers":
            _, module, *parts = request.url.path.strip("/").split("/")
            partner.behave(request.method, module, parts, partner.requests[-1].body)
            raise httpx.ReadError("reset")
        if mood == "forgetful":
            partner.locations.pop(request.url.path.split("/")[-2], None)
            return None
        return {
            "500": envelope(3000, 500),
            "404": envelope(2003, 404),
            "rejecting": envelope(2001, 400),
            "throttling": envelope(2000, 429),
            "html": httpx.Response(200, text="<html>"),
        }[mood]

    return answer


class Story:
    """A world to which a history happens."""

    def __init__(self, world: World, partner: Simulated) -> None:
        self.world = world
        self.partner = partner
        self.worker = world.add_worker()
        self.forgot = False

    async def happen(self, what: str, how: str) -> None:
        await getattr(self, what)(how)

    async def put(self, name: str) -> None:
        await self.world.put_location(name, "1", "2")

    async def change(self, name: str) -> None:
        if name in self.world.ours.locations:
            await self.world.change_evse(name, "1", "a")
            await self.world.change_evse(name, "12"[self.world.count % 2], "b")

    async def delete(self, name: str) -> None:
        if name in self.world.ours.locations:
            await self.world.delete_location(name)

    async def cdr(self, name: str) -> None:
        await self.world.post_cdr(f"{name}{self.world.count}")

    async def mood(self, mood: str) -> None:
        self.partner.misbehave = in_mood(self.partner, mood)  # type: ignore[assignment]
        self.forgot |= mood == "forgetful"

    async def worker_(self, end: str) -> None:
        await (self.worker.stop() if end == "stopped" else self.world.kill(self.worker))
        self.worker = self.world.add_worker()

    async def wait(self, how_long: str) -> None:
        await asyncio.sleep(0.01 if how_long == "a little" else 0.08)


async def tell(history: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with a_world(f"sqlite+aiosqlite:///{folder}/ocpi.sqlite") as world:
            story = Story(world, await world.add_partner("msp"))
            for what, how in history:
                await story.happen("worker_" if what == "worker" else what, how)
            await until_it_converges(story)
            check_order(story)


async def until_it_converges(story: Story) -> None:
    world, partner = story.world, story.partner
    partner.misbehave = None
    if story.forgot:
        # What a partner forgets by itself comes back with the next change only.
        for name in list(world.ours.locations):
            await world.put_location(name)

    async def look() -> bool:
        async with world.database.write() as db:
            await retry(db, world.ids["msp"])
        return world.is_up_to_date(partner)

    await until_found(look)


def check_order(story: Story) -> None:
    assert {name: sorted(seen) for name, seen in story.partner.versions.items()} == (
        story.partner.versions
    )


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=HISTORIES)
def test_a_partner_ends_up_with_what_we_hold(history: list[tuple[str, str]]) -> None:
    asyncio.run(tell(history))
