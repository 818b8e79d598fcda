"""Objects of parties behind a hub: taken from its lists whenever the party became known."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from modules.hubclientinfo.announcing import announce
from ocpi.catalogue import PULLABLES
from ocpi.headers import Party
from ocpi.parties import PlatformID
from ocpi.pull.issuers import read_lists
from ocpi.pull.pulling import pull
from ocpi.pull.syncs import HOUR, LEASE, PartnerSync
from ocpi.spec.document import encode
from ocpi.spec.hubclientinfo import ClientInfo
from ocpi.spec.reading import read
from ocpi.testing import samples
from tests.house import RECEIVING, add_party
from tests.ocpi.pull.world import World, open_world, owned

HUB, BEHIND = Party("AT", "HUB"), Party("AT", "CPB")
THEIRS = samples.location(**owned(BEHIND))


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url, offers=RECEIVING) as opened:
        lists = {"locations": "http://acme.test/locations"}
        await opened.connect("acme", [("HUB", HUB)], lists, platform=PlatformID.HUB)
        opened.serve("acme", [THEIRS])
        yield opened


async def tell(world: World, status: str, day: int = 1) -> None:
    date = f"2026-01-{day:02}T00:00:00Z"
    given = {**owned(BEHIND), "role": "CPO", "status": status, "last_updated": date}
    async with world.context.database.write() as db:
        await announce(db, await partner_id(world), read(ClientInfo, given))


async def partner_id(world: World) -> int:
    (listed,) = await read_lists(world.context, PULLABLES)
    return listed.issuer.partner_id


async def synced(world: World) -> PartnerSync:
    sync = await world.sync("acme", "locations")
    assert sync is not None
    return sync


async def sentence(world: World, *, full: bool = False) -> str:
    (pulled,) = await world.pull(full=full)
    return pulled.sentence()


@pytest.mark.req("HC-04", "TR-23")
async def test_what_a_new_party_behind_a_hub_has_is_asked_for_at_once_and_whole(
    world: World,
) -> None:
    assert await sentence(world) == "All Locations: 1 refused."
    assert await sentence(world) == "Recent Locations: 1 refused."
    later = (await synced(world)).next_at
    await tell(world, "CONNECTED")
    assert (await synced(world)).next_at < later - 5 * HOUR
    assert await sentence(world) == "All Locations: 1 new."
    # It is due again after six hours and a random fifth of them, as it was before.
    assert (await synced(world)).next_at > later - 2 * HOUR
    assert await sentence(world) == "Recent Locations: 1 unchanged."


@pytest.mark.parametrize(("away", "soon"), [("SUSPENDED", True), ("OFFLINE", False)])
async def test_what_a_party_has_that_is_back_is_asked_for_whole(
    world: World, away: str, *, soon: bool
) -> None:
    """At once where its objects were refused, else in the next pull."""
    await tell(world, away, 1)
    await world.pull()
    later = (await synced(world)).next_at
    await tell(world, "CONNECTED", 2)
    assert ((await synced(world)).next_at < later) == soon
    assert (await sentence(world)).startswith("All Locations: ")
    await tell(world, "CONNECTED", 3)
    assert (await sentence(world)).startswith("Recent Locations: ")


async def test_who_is_offline_still_owns_its_objects_and_loses_none(world: World) -> None:
    await tell(world, "OFFLINE")
    assert await sentence(world) == "All Locations: 1 new."
    world.serve("acme", [])
    assert await sentence(world, full=True) == "All Locations: none."
    await tell(world, "CONNECTED", 2)
    assert await sentence(world) == "All Locations: none. 1 is gone."


@pytest.mark.parametrize("status", ["PLANNED", "SUSPENDED"])
async def test_who_is_not_there_owns_nothing(world: World, status: str) -> None:
    await tell(world, status)
    assert await sentence(world) == "All Locations: 1 refused."


@pytest.mark.parametrize("full", [True, False])
async def test_a_party_that_comes_while_the_list_is_read_has_it_read_again(
    world: World, *, full: bool
) -> None:
    if not full:
        await world.pull()
    (listed,) = await read_lists(world.context, PULLABLES)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def answer(_request: httpx.Request) -> httpx.Response:
        asked.set()
        await go_on.wait()
        return httpx.Response(200, content=encode({"status_code": 1000, "data": [THEIRS]}))

    world.network.hosts["acme.test"] = httpx.MockTransport(answer)
    pulling = asyncio.create_task(pull(world.context, listed))
    await asked.wait()
    leased = (await synced(world)).next_at
    await tell(world, "CONNECTED")
    assert (await synced(world)).next_at == leased
    go_on.set()
    assert (await pulling).full == full
    assert (await synced(world)).next_at <= leased - LEASE + HOUR / 60
    assert await sentence(world) == "All Locations: 1 new."
    assert (await synced(world)).next_at > leased


@pytest.mark.threat("TA-28", "TA-05")
async def test_of_a_party_that_is_ours_now_nothing_is_taken_from_a_hubs_list_or_gone(
    world: World,
) -> None:
    await tell(world, "CONNECTED")
    await world.pull()
    await add_party(world.context.database, BEHIND)
    later = {**THEIRS, "name": "Theirs", "last_updated": "2026-03-01T00:00:00Z"}
    world.serve("acme", [later])
    assert await sentence(world, full=True) == "All Locations: 1 refused."
    world.serve("acme", [])
    assert await sentence(world, full=True) == "All Locations: none."
