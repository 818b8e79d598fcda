"""A hub is asked in the name of each of our parties: it may show one what it hides from another."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, update
from sqlmodel import col, select

from modules.tokens.store import tokens
from ocpi.errors import PeerUnusable
from ocpi.headers import Party
from ocpi.parties import OurParty
from ocpi.pull import syncs
from ocpi.pull.syncs import FULL_EVERY, PartySync
from ocpi.spec.document import encode
from tests.house import OURS, add_party
from tests.ocpi.pull.world import ABC, World, open_world, token

TWO, SIX, HUB = Party("NL", "TWO"), Party("NL", "SIX"), Party("BE", "HBB")
REFUSALS = {
    "forbidden": httpx.Response(403),
    "unknown": httpx.Response(404, content=b'{"status_code":2000}'),
    "invalid": httpx.Response(200, content=b'{"status_code":2001}'),
}


class Hub:
    """A partner that shows each of our parties what a test has for it."""

    def __init__(self, world: World) -> None:
        self.shows: dict[str, Any] = {}
        self.asked = world.serve("acme", self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        shown = self.shows[request.headers["ocpi-from-party-id"]]
        if isinstance(shown, httpx.Response):
            return httpx.Response(shown.status_code, headers=shown.headers, content=shown.content)
        data = [token(uid=each) for each in shown]
        return httpx.Response(200, content=encode({"status_code": 1000, "data": data}))

    def questions(self) -> list[tuple[str, bool]]:
        """Give who was asked for since the last time, and whether for everything."""
        told = [
            (each.headers["ocpi-from-party-id"], "date_from" not in each.url.params)
            for each in self.asked
        ]
        self.asked.clear()
        return told


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url, parties=(OURS, TWO)) as opened:
        roles = [("EMSP", ABC), ("HUB", HUB)]
        await opened.connect("acme", roles, {"tokens": "http://acme.test/tokens"})
        yield opened


@pytest.fixture
def hub(world: World) -> Hub:
    return Hub(world)


async def pull(world: World, *, full: bool = False) -> str:
    (pulled,) = await world.pull(full=full)
    return pulled.sentence()


async def stored(world: World) -> set[str]:
    async with world.context.database.read() as db:
        return {key.split("*")[2] for key in await db.exec(select(tokens.table.key))}


async def absent(world: World) -> set[str]:
    async with world.context.database.read() as db:
        marked = col(tokens.table.absent_since).is_not(None)
        found = await db.exec(select(tokens.table.key).where(marked))
        return {key.split("*")[2] for key in found}


async def copies(world: World) -> dict[str, PartySync]:
    """Give how far each party's copy is."""
    async with world.context.database.read() as db:
        query = select(OurParty.party_id, PartySync).join(
            OurParty, col(OurParty.id) == PartySync.our_party_id
        )
        return dict((await db.exec(query)).all())


async def change(world: World, **values: Any) -> None:
    async with world.context.database.write() as db:
        await db.exec(update(PartySync).values(**values))


@pytest.mark.req("TK-13")
async def test_what_a_hub_shows_one_party_alone_arrives(world: World, hub: Hub) -> None:
    hub.shows = {"TNM": ["all", "one"], "TWO": ["all", "two"]}
    assert await pull(world) == (
        "All Tokens for NL*TNM: 2 new. All Tokens for NL*TWO: 1 new, 1 unchanged."
    )
    assert await stored(world) == {"all", "one", "two"}
    assert hub.questions() == [("TNM", True), ("TWO", True)]


async def test_the_next_pull_asks_for_what_changed_in_each_name(world: World, hub: Hub) -> None:
    hub.shows = {"TNM": ["one"], "TWO": ["two"]}
    await pull(world)
    before = await copies(world)
    hub.questions()
    assert (
        await pull(world) == "Recent Tokens for NL*TNM: 1 unchanged. "
        "Recent Tokens for NL*TWO: 1 unchanged."
    )
    assert hub.questions() == [("TNM", False), ("TWO", False)]
    after = await copies(world)
    for name in ("TNM", "TWO"):
        assert after[name].full_at == before[name].full_at == before[name].synced_at
        assert (after[name].synced_at or 0) > (before[name].synced_at or 0)


async def test_after_a_week_everything_is_asked_for_in_every_name(world: World, hub: Hub) -> None:
    hub.shows = {"TNM": ["one"], "TWO": ["two"]}
    await pull(world)
    async with world.context.database.write() as db:
        one = select(OurParty.id).where(OurParty.party_id == "TWO").scalar_subquery()
        whose = update(PartySync).where(col(PartySync.our_party_id) == one)
        await db.exec(whose.values(full_at=col(PartySync.full_at) - FULL_EVERY))
    hub.questions()
    await pull(world)
    assert hub.questions() == [("TNM", True), ("TWO", True)]


@pytest.mark.pitfall("IP-19")
async def test_what_one_party_sees_is_not_gone_for_being_hidden_from_another(
    world: World, hub: Hub
) -> None:
    hub.shows = {"TNM": ["all", "one"], "TWO": ["all", "two", "gone"]}
    await pull(world)
    hub.shows["TWO"] = ["all", "two"]
    assert (await pull(world, full=True)).endswith(" 1 is gone.")
    assert await absent(world) == {"gone"}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_party_that_a_hub_refuses_hinders_no_other(
    world: World, hub: Hub, refusal: str
) -> None:
    hub.shows = {"TNM": ["one", "gone"], "TWO": REFUSALS[refusal]}
    told = await pull(world)
    assert told.startswith("All Tokens for NL*TNM: 2 new. All Tokens for NL*TWO: none. Refused for")
    sync = await world.sync()
    assert sync is not None
    assert sync.note == told
    assert sync.synced_at is not None
    assert sync.next_at > sync.synced_at + 5 * syncs.HOUR
    hub.shows["TNM"] = ["one"]
    # It has never been shown anything, so what the others have lost is gone.
    assert "1 is gone. Refused for NL*TWO: acme answered" in await pull(world, full=True)
    assert await absent(world) == {"gone"}
    hub.questions()
    hub.shows["TWO"] = ["two"]
    await pull(world)
    assert hub.questions() == [("TNM", False), ("TWO", True)]
    assert await stored(world) == {"one", "gone", "two"}


@pytest.mark.pitfall("IP-19")
async def test_nothing_is_gone_while_a_party_is_refused_that_had_a_list_lately(
    world: World, hub: Hub
) -> None:
    hub.shows = {"TNM": ["one", "gone"], "TWO": ["two"]}
    await pull(world)
    hub.shows = {"TNM": ["one"], "TWO": httpx.Response(403)}
    assert await pull(world, full=True) == (
        "All Tokens for NL*TNM: 1 unchanged. All Tokens for NL*TWO: none. "
        "Refused for NL*TWO: acme answered HTTP 403 with status code None. "
        "None counts as gone without what is for NL*TWO."
    )
    assert await absent(world) == set()
    await change(world, synced_at=col(PartySync.synced_at) - 2 * FULL_EVERY)
    assert "2 are gone." in await pull(world, full=True)
    assert await absent(world) == {"gone", "two"}


@pytest.mark.parametrize(
    "answer", [httpx.Response(500), httpx.Response(429, headers={"Retry-After": "3600"})]
)
async def test_a_list_that_fails_is_tried_again_soon_and_alone_for_everything(
    world: World, hub: Hub, answer: httpx.Response
) -> None:
    hub.shows = {"TNM": answer, "TWO": ["two"]}
    with pytest.raises(PeerUnusable) as caught:
        await pull(world)
    assert caught.value.message.startswith(
        "All Tokens for NL*TNM: none. All Tokens for NL*TWO: 1 new. Not complete for NL*TNM: acme"
    )
    assert await stored(world) == {"two"}
    sync, (failed, done) = await world.sync(), [(await copies(world))[it] for it in ("TNM", "TWO")]
    assert sync is not None
    assert (sync.synced_at, failed.synced_at, failed.full_at) == (None, None, 0)
    assert done.synced_at is not None
    assert sync.next_at < done.synced_at + 2 * syncs.HOUR
    hub.questions()
    hub.shows["TNM"] = ["one"]
    await pull(world)
    assert hub.questions() == [("TNM", True), ("TWO", False)]


async def test_a_hub_that_refuses_every_party_has_no_list(world: World, hub: Hub) -> None:
    hub.shows = {"TNM": httpx.Response(403), "TWO": httpx.Response(401)}
    with pytest.raises(PeerUnusable, match=r"Refused for NL\*TNM.* Refused for NL\*TWO"):
        await pull(world)


async def test_of_a_list_that_breaks_off_behind_its_first_page_nobody_is_turned_away(
    world: World, hub: Hub
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers["ocpi-from-party-id"] == "TNM":
            return hub.answer(request)
        if request.url.path == "/2":
            return httpx.Response(404)
        link = {"Link": '<http://acme.test/2>; rel="next"'}
        body = encode({"status_code": 1000, "data": [token(uid="two")]})
        return httpx.Response(200, headers=link, content=body)

    hub.shows = {"TNM": ["one"]}
    world.serve("acme", answer)
    with pytest.raises(PeerUnusable, match=r"Not complete for NL\*TWO"):
        await pull(world)
    assert await stored(world) == {"one", "two"}


async def test_the_list_stays_with_its_process_while_party_after_party_waits_in_vain(
    world: World, hub: Hub
) -> None:
    leases = []

    async def answer(request: httpx.Request) -> httpx.Response:
        sync = await world.sync()
        assert sync is not None
        leases.append(sync.next_at)
        return hub.answer(request)

    hub.shows = {"TNM": httpx.Response(403), "TWO": []}
    world.network.hosts["acme.test"] = httpx.MockTransport(answer)
    await pull(world)
    assert leases[0] < leases[1]


async def test_a_party_that_is_new_gets_everything_and_one_that_is_removed_is_forgotten(
    world: World, hub: Hub
) -> None:
    hub.shows = {"TNM": ["one"], "TWO": ["two"], "SIX": ["six"]}
    await pull(world)
    await add_party(world.context.database, SIX)
    hub.questions()
    await pull(world)
    assert hub.questions() == [("TNM", False), ("TWO", False), ("SIX", True)]
    assert await stored(world) == {"one", "two", "six"}
    async with world.context.database.write() as db:
        await db.exec(delete(OurParty).where(col(OurParty.party_id) == "TWO"))
    assert set(await copies(world)) == {"TNM", "SIX"}
    await pull(world, full=True)
    assert hub.questions() == [("TNM", True), ("SIX", True)]
    assert await absent(world) == {"two"}
    await add_party(world.context.database, TWO)
    await pull(world)
    assert hub.questions() == [("TNM", False), ("SIX", False), ("TWO", True)]
    assert await absent(world) == set()


async def test_who_comes_behind_a_hub_is_asked_for_in_every_name(world: World, hub: Hub) -> None:
    """A pull that is under way may have passed over what is theirs, and does not count."""
    hub.shows = {"TNM": ["one"], "TWO": ["two"]}
    sync = await world.sync()
    assert sync is None
    await pull(world)
    sync = await world.sync()
    assert sync is not None

    async def answer(request: httpx.Request) -> httpx.Response:
        async with world.context.database.write() as db:
            await syncs.ask_anew(db, sync.partner_id, save="", soon=True)
        return hub.answer(request)

    world.network.hosts["acme.test"] = httpx.MockTransport(answer)
    await pull(world, full=True)
    hub.asked = world.serve("acme", hub.answer)
    await pull(world)
    await pull(world)
    assert hub.questions() == [("TNM", True), ("TWO", True), ("TNM", False), ("TWO", False)]


async def test_a_partner_that_is_no_hub_is_asked_once(world: World) -> None:
    emsp = await world.add_emsp("plain", [Party("FR", "XYZ")])
    await world.pull("plain")
    (message,) = emsp.messages
    assert message.headers["ocpi-from-party-id"] == "TNM"
    assert await copies(world) == {}


async def test_staff_are_shown_what_each_party_was_shown(world: World, hub: Hub) -> None:
    hub.shows = {"TNM": ["one"], "TWO": httpx.Response(403)}
    answer = await world.admin.post("/admin/partners/acme/sync")
    none: Mapping[str, Any] = {"full": True, "new": 0, "changed": 0, "unchanged": 0, "refused": 0}
    why = "acme answered HTTP 403 with status code None."
    assert (answer.status_code, answer.json()) == (
        200,
        [
            {
                **none,
                "module": "tokens",
                "new": 1,
                "gone": 0,
                "reasons": [],
                "parties": [
                    {**none, "party": "NL*TNM", "new": 1, "problem": None},
                    {**none, "party": "NL*TWO", "problem": why},
                ],
            }
        ],
    )
