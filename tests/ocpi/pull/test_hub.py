"""The hub pulls what CPOs and eMSPs list, keeps it, and has the others told."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from sqlmodel import col, select

from modules.locations.store import locations
from modules.tariffs.store import tariffs
from modules.tokens.store import hub_tokens, tokens
from ocpi.editing import Document
from ocpi.errors import PeerUnusable
from ocpi.headers import Party
from ocpi.parties import PlatformID
from ocpi.pull.asking import Pulled
from ocpi.pull.syncs import OVERLAP
from ocpi.push.feed import SyncObject
from ocpi.spec.document import decode, encode
from ocpi.spec.moments import microseconds, parse_moment
from ocpi.store import Store
from ocpi.testing import samples
from tests.house import RECEIVING
from tests.ocpi.pull.world import ABC, World, open_world, owned, token

CPO, TWO, MSP = Party("DE", "CPA"), Party("DE", "CPB"), Party("FR", "MSP")
T1 = "2026-02-01T00:00:00Z"


@pytest.fixture
async def world(sqlite_url: str) -> AsyncIterator[World]:
    async with open_world(sqlite_url, offers=RECEIVING) as opened:
        yield opened


@pytest.fixture
async def each_world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url, offers=RECEIVING) as opened:
        yield opened


def location(identifier: str, owner: Party = CPO, **over: Any) -> Document:
    return samples.location(**{**owned(owner), "id": identifier, **over})


def tariff(identifier: str, owner: Party = CPO, **over: Any) -> Document:
    return samples.tariff(**{**owned(owner), "id": identifier, **over})


class Partner:
    """A partner of the hub, whose lists are as a test has them."""

    def __init__(self, world: World, name: str) -> None:
        self.lists: dict[str, list[Any]] = {}
        self.asked = world.serve(name, self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        data = self.lists[request.url.path.strip("/")]
        return httpx.Response(200, content=encode({"status_code": 1000, "data": data}))


async def add_partner(
    world: World, *roles: tuple[str, Party], name: str = "acme", **lists: list[Any]
) -> Partner:
    partner = Partner(world, name)
    partner.lists = lists
    urls = {module: f"http://{name}.test/{module}" for module in lists}
    await world.connect(name, roles or [("CPO", CPO)], urls, platform=PlatformID.HUB)
    return partner


def told(pulled: list[Pulled]) -> list[str]:
    return [each.sentence() for each in pulled]


async def stored(world: World, store: Store[Any]) -> list[Document]:
    async with world.context.database.read() as db:
        rows = await db.exec(select(store.table).order_by(col(store.table.position)))
        return [decode(row.body) for row in rows]


async def absent(world: World, store: Store[Any]) -> list[str]:
    """Give the keys of what is marked."""
    async with world.context.database.read() as db:
        marked = col(store.table.absent_since).is_not(None)
        return sorted(await db.exec(select(store.table.key).where(marked)))


async def feed(world: World) -> dict[str, int]:
    """Give what partners must hear of, each with the number of its newest change."""
    async with world.context.database.read() as db:
        rows = await db.exec(select(SyncObject).order_by(col(SyncObject.seq)))
        return {row.key: row.seq for row in rows}


@pytest.mark.req("TR-23", "CO-07")
@pytest.mark.pitfall("IP-09", "IP-11")
async def test_locations_and_tariffs_are_stored_and_told_save_bad_and_foreign_ones(
    each_world: World,
) -> None:
    good = [location("L1"), location("L2")]
    foreign, bad = location("L3", Party("NL", "XYZ")), location("L4", coordinates=None)
    await add_partner(
        each_world, locations=[good[0], bad, foreign, None, good[1]], tariffs=[tariff("T1")]
    )
    pulled = await each_world.pull()
    assert told(pulled) == ["All Locations: 2 new, 3 refused.", "All Tariffs: 1 new."]
    assert [reason.partition(":")[0] for reason in pulled[0].refused] == [
        "Location L4",
        "Location L3",
        "item 3",
    ]
    assert await stored(each_world, locations) == good
    assert await stored(each_world, tariffs) == [tariff("T1")]
    keys = ["locations/de*cpa*l1", "locations/de*cpa*l2", "tariffs/de*cpa*t1"]
    assert list(await feed(each_world)) == keys


async def test_what_changed_is_told_again_and_what_did_not_is_not(each_world: World) -> None:
    partner = await add_partner(each_world, locations=[location("L1"), location("L2")])
    await each_world.pull()
    before = await feed(each_world)
    partner.lists["locations"] = [location("L1"), location("L2", name="Other", last_updated=T1)]
    assert told(await each_world.pull()) == ["Recent Locations: 1 changed, 1 unchanged."]
    after = await feed(each_world)
    assert after["locations/de*cpa*l1"] == before["locations/de*cpa*l1"]
    assert after["locations/de*cpa*l2"] > before["locations/de*cpa*l2"]


async def test_a_tariff_that_was_deleted_may_be_listed_again(each_world: World) -> None:
    await add_partner(each_world, tariffs=[tariff("T1")])
    await each_world.pull()
    before = await feed(each_world)
    async with each_world.context.database.write() as db:
        await tariffs.delete(db, CPO, "T1")
    assert told(await each_world.pull()) == ["Recent Tariffs: 1 new."]
    assert (await feed(each_world))["tariffs/de*cpa*t1"] > before["tariffs/de*cpa*t1"]


@pytest.mark.req("RT-16")
async def test_a_pulled_location_keeps_the_dates_that_its_owner_gave_it(world: World) -> None:
    later = location("L1", evses=[samples.evse(last_updated=T1)])
    await add_partner(world, locations=[later])
    await world.pull()
    assert await stored(world, locations) == [later]


@pytest.mark.req("CO-07")
@pytest.mark.threat("TA-05")
async def test_a_list_has_nothing_of_a_party_in_a_role_that_it_plays_elsewhere(
    each_world: World,
) -> None:
    """A vendor of CPOs and eMSPs lists nothing of its eMSP whose CPO is at another vendor."""
    own = location("L1", MSP)
    await add_partner(each_world, ("CPO", MSP), name="home", locations=[own])
    roles = [("CPO", CPO), ("EMSP", MSP), ("NAP", MSP)]
    later = {**own, "last_updated": T1}
    listed = [token(CPO), token(MSP)]
    await add_partner(each_world, *roles, locations=[later], tokens=listed)
    await each_world.pull("home")
    refused = ["All Locations: 1 refused.", "All Tokens: 1 new, 1 refused."]
    assert told(await each_world.pull()) == refused
    assert await stored(each_world, locations) == [own]


async def test_each_party_is_asked_for_its_list_and_the_next_time_for_what_changed(
    world: World,
) -> None:
    partner = await add_partner(world, ("CPO", CPO), ("CPO", TWO), ("EMSP", MSP), locations=[])
    await world.pull()
    sync = await world.sync("acme", "locations")
    assert sync is not None
    assert sync.synced_at is not None
    await world.pull()
    names = ("ocpi-from-party-id", "ocpi-to-party-id")
    assert [[each.headers[name] for name in names] for each in partner.asked] == [
        ["HUB", "CPA"],
        ["HUB", "CPB"],
    ] * 2
    queries = [parse_qs(each.url.query.decode()) for each in partner.asked]
    assert ["date_from" in query for query in queries] == [False, False, True, True]
    since = microseconds(parse_moment(queries[2]["date_from"][0]))
    assert abs(since - (sync.synced_at - OVERLAP)) < 1_000_000


@pytest.mark.parametrize("platform", PlatformID)
async def test_a_hub_is_asked_once_for_all_behind_it(world: World, platform: PlatformID) -> None:
    hub = Party("BE", "HBB")
    asked = world.serve("acme", [token()])
    roles = [("EMSP", ABC), ("EMSP", MSP), ("HUB", hub)]
    await world.connect("acme", roles, {"tokens": "http://acme.test/tokens"}, platform=platform)
    assert told(await world.pull()) == ["All Tokens: 1 new."]
    assert [each.headers["ocpi-to-party-id"] for each in asked] == ["HBB"]


@pytest.mark.req("RT-19", "RT-38")
async def test_tokens_that_the_hub_pulls_are_for_all_and_what_our_cpo_was_told_is_not(
    each_world: World,
) -> None:
    """AT-44."""
    private = [token(uid="PUSHED"), token(uid="BOTH", valid=False)]
    await each_world.store(*private)
    pulled = [token(uid="BOTH"), token(uid="PULLED")]
    partner = await add_partner(each_world, ("EMSP", ABC), tokens=pulled)
    assert told(await each_world.pull()) == ["All Tokens: 2 new."]
    await each_world.store(token(uid="PULLED", valid=False, last_updated=T1))
    assert await stored(each_world, hub_tokens) == pulled
    assert (await stored(each_world, tokens))[:2] == private
    news = await feed(each_world)
    assert set(news) == {"tokens/de*abc*both*rfid", "tokens/de*abc*pulled*rfid"}
    partner.lists["tokens"] = [token(uid="PULLED")]
    assert told(await each_world.pull(full=True)) == ["All Tokens: 1 unchanged. 1 is gone."]
    assert await absent(each_world, hub_tokens) == ["de*abc*both*rfid"]
    assert await absent(each_world, tokens) == []
    assert await feed(each_world) == news


async def test_our_cpo_keeps_the_tokens_that_it_pulls_to_itself(world: World) -> None:
    emsp = await world.add_emsp()
    emsp.issue_token(token())
    await world.pull()
    assert await stored(world, tokens) == [token()]
    assert await stored(world, hub_tokens) == []
    assert await feed(world) == {}


@pytest.mark.pitfall("IP-19")
async def test_what_is_gone_is_marked_after_a_full_pull_and_stays(each_world: World) -> None:
    """AT-21, IP-19."""
    partner = await add_partner(
        each_world,
        ("CPO", CPO),
        locations=[location("L1"), location("L2"), location("L3")],
        tariffs=[tariff("T1")],
    )
    await each_world.pull()
    partner.lists["locations"] = [location("L1")]
    assert told(await each_world.pull())[0] == "Recent Locations: 1 unchanged."
    assert await absent(each_world, locations) == []
    pulled = await each_world.pull(full=True)
    assert told(pulled)[0] == "All Locations: 1 unchanged. 2 are gone."
    assert await absent(each_world, locations) == ["de*cpa*l2", "de*cpa*l3"]
    assert await absent(each_world, tariffs) == []
    assert len(await stored(each_world, locations)) == 3
    again = await each_world.pull(full=True)
    assert told(again)[0] == "All Locations: 1 unchanged."


async def test_what_is_listed_or_written_again_is_there_again(each_world: World) -> None:
    names = ["L1", "L2", "L3", "L4"]
    partner = await add_partner(each_world, locations=[location(each) for each in names])
    await each_world.pull()
    partner.lists["locations"] = []
    assert told(await each_world.pull(full=True)) == ["All Locations: none. 4 are gone."]
    partner.lists["locations"] = [location("L1")]
    await each_world.pull()
    async with each_world.context.database.write() as db:
        await locations.put(db, CPO, "L2", location("L2"))
        renaming = locations.patching(CPO, "L3", {"name": "Other", "last_updated": T1})
        await locations.write_one(db, renaming)
    assert await absent(each_world, locations) == ["de*cpa*l4"]


@pytest.mark.pitfall("IP-19")
async def test_nothing_is_gone_from_a_list_that_breaks_off(world: World) -> None:
    await add_partner(world, locations=[location("L1"), location("L2")])
    await world.pull()

    def break_off(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/2":
            return httpx.Response(200, content=b'{"status_code":2000}')
        link = {"Link": '<http://acme.test/2>; rel="next"'}
        body = encode({"status_code": 1000, "data": [location("L1")]})
        return httpx.Response(200, headers=link, content=body)

    world.serve("acme", break_off)
    with pytest.raises(PeerUnusable, match="Not complete"):
        await world.pull(full=True)
    assert await absent(world, locations) == []


@pytest.mark.pitfall("IP-19", "IP-23")
async def test_nothing_is_gone_from_a_list_that_counts_more_than_it_has(world: World) -> None:
    """Its end may be missing, or the count is wrong: what was met is taken all the same."""
    await add_partner(world, locations=[location("L1"), location("L2")])
    await world.pull()
    body = encode({"status_code": 1000, "data": [location("L1")]})
    headers: dict[str, str] = {}
    world.serve("acme", lambda _: httpx.Response(200, headers=headers, content=body))
    for count in ("2", "1000"):
        headers["X-Total-Count"] = count
        assert told(await world.pull(full=True)) == [
            "All Locations: 1 unchanged. Its X-Total-Count tells of more, so none counts as gone."
        ]
    assert await absent(world, locations) == []
    sync = await world.sync("acme", "locations")
    assert sync is not None
    assert sync.full_at == sync.synced_at
    for count in ("9" * 5000, "nonsense", "1", "0"):
        headers["X-Total-Count"] = count
        assert "Its X-Total-Count" not in told(await world.pull(full=True))[0]
    assert await absent(world, locations) == ["de*cpa*l2"]


async def test_what_is_listed_badly_or_pushed_meanwhile_is_not_gone(world: World) -> None:
    await add_partner(world, locations=[location(each) for each in ("L1", "L2", "L3")])
    await world.pull()
    await world.pull()

    async def answer(_request: httpx.Request) -> httpx.Response:
        async with world.context.database.write() as db:
            await locations.put(db, CPO, "L2", location("L2", last_updated=T1))
            await locations.put(db, CPO, "NEW", location("NEW"))
        data = [location("L1", coordinates=None)]
        return httpx.Response(200, content=encode({"status_code": 1000, "data": data}))

    world.network.hosts["acme.test"] = httpx.MockTransport(answer)
    assert told(await world.pull(full=True)) == ["All Locations: 1 refused. 1 is gone."]
    assert await absent(world, locations) == ["de*cpa*l3"]


async def test_only_what_a_party_owns_is_gone_from_its_list(world: World) -> None:
    everything = {CPO: [location("A1"), location("A2")], TWO: [location("B1", TWO)]}

    def answer(request: httpx.Request) -> httpx.Response:
        owner = Party("DE", request.headers["ocpi-to-party-id"])
        if not everything[owner]:
            return httpx.Response(500)
        body = encode({"status_code": 1000, "data": everything[owner]})
        return httpx.Response(200, content=body)

    world.serve("acme", answer)
    roles = [("CPO", CPO), ("CPO", TWO)]
    lists = {"locations": "http://acme.test/locations"}
    await world.connect("acme", roles, lists, platform=PlatformID.HUB)
    await world.pull()
    everything[CPO].pop()
    everything[TWO].clear()
    with pytest.raises(PeerUnusable, match=r"1 unchanged\. 1 is gone\. Not complete"):
        await world.pull(full=True)
    assert await absent(world, locations) == ["de*cpa*a2"]


async def test_a_token_that_its_emsp_no_longer_lists_is_marked_on_our_cpo_too(
    world: World,
) -> None:
    """AT-62: marked, and decided upon by `valid` as before."""
    await world.store(token(uid="KEPT"), token(uid="LOST"), token(MSP, uid="ANOTHER"))
    emsp = await world.add_emsp()
    emsp.issue_token(token(uid="KEPT"))
    assert told(await world.pull()) == ["All Tokens: 1 unchanged. 1 is gone."]
    assert await absent(world, tokens) == ["de*abc*lost*rfid"]


async def test_one_list_that_fails_hinders_no_other_and_all_are_told(world: World) -> None:
    partner = await add_partner(world, locations=[location("L1")], tariffs=[tariff("T1")])
    partner.lists["locations"] = {}  # type: ignore[assignment]
    with pytest.raises(PeerUnusable) as caught:
        await world.pull()
    assert caught.value.message == (
        "All Locations: none. Not complete: acme answered with something else than a list. "
        "All Tariffs: 1 new."
    )
    failed, done = await world.sync("acme", "locations"), await world.sync("acme", "tariffs")
    assert failed is not None
    assert done is not None
    assert (failed.synced_at, failed.note) == (None, caught.value.message.partition(" All T")[0])
    assert (done.synced_at is not None, done.note) == (True, "All Tariffs: 1 new.")


@pytest.mark.req("TR-23", "CO-06")
@pytest.mark.parametrize("role", ["NSP", "OTHER", "NAP"])
async def test_whatever_role_owns_objects_its_list_is_asked_for(world: World, role: str) -> None:
    lists: dict[str, list[Any]] = {"tokens": [token(MSP)], "locations": [location("L1", MSP)]}
    partner = await add_partner(world, (role, MSP), name="acme", **lists)
    await world.pull()
    assert len(await stored(world, hub_tokens)) == 1
    assert len(await stored(world, locations)) == (role == "NAP")
    assert len(partner.asked) == (2 if role == "NAP" else 1)


async def test_what_a_party_owns_elsewhere_is_neither_asked_for_here_nor_gone(
    world: World,
) -> None:
    await add_partner(world, locations=[location("L1")])
    nap = await add_partner(world, ("NAP", CPO), name="nap", locations=[])
    await world.pull(full=True)
    await world.pull("nap", full=True)
    assert not nap.asked
    assert len(await stored(world, locations)) == 1
    assert not await absent(world, locations)
