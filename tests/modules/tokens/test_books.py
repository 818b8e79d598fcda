"""What is told to the hub is for everybody; what our CPO alone is told is nobody else's (AT-44)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from modules.tokens.authorizing import authorize
from modules.tokens.questions import Question
from modules.tokens.store import find_tokens, hub_tokens, tokens
from ocpi.editing import Document
from ocpi.erasure.erasing import erase
from ocpi.erasure.person import Person
from ocpi.headers import Party, routing_headers
from ocpi.testing import samples
from tests.house import (
    HUB,
    OCPI,
    OURS,
    add_partner,
    calling,
    codes_of,
    data_of,
    envelope_of,
    present,
)
from tests.ocpi.hub.town import EMSP1, Town, open_town, pushing, until

MSP = {"country_code": "DE", "party_id": "MSP"}
UID = "CARD-77"
KEY = "de*msp*card-77*rfid"
PATH = f"receiver/tokens/DE/MSP/{UID}"
DAYS = [f"2026-02-0{day}T00:00:00Z" for day in range(1, 5)]


def token(day: int = 0, **over: Any) -> Document:
    return samples.token(**MSP, uid=UID, whitelist="ALWAYS", last_updated=DAYS[day], **over)


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url) as opened:
        yield opened


@pytest.fixture(params=["to our party at the hub", "by a connection to our CPO"])
async def private(town: Town, request: pytest.FixtureRequest) -> AsyncIterator[Private]:
    if request.param.startswith("to"):
        yield Private(town.emsp1.http, "/ocpi/hub/2.2.1")
        return
    secret = "token-of-emsp1-at-our-cpo-0123456789"
    await add_partner(town.context.database, "emsp1-direct", secret, EMSP1.party)
    async with calling(town.app, present(secret)) as http:
        yield Private(http, OCPI)


class Private:
    """A way on which the eMSP tells our CPO alone."""

    def __init__(self, http: httpx.AsyncClient, below: str) -> None:
        self._http = http
        self._url = f"{below}/{PATH}"
        self._headers = routing_headers(OURS, EMSP1.party)

    async def send(self, method: str, body: Document | None = None) -> httpx.Response:
        return await self._http.request(method, self._url, json=body, headers=self._headers)

    async def known(self) -> Any:
        """Give what the eMSP is told that we have."""
        return data_of(await self.send("GET"))


async def broadcast(town: Town, method: str, body: Document) -> tuple[int, int]:
    return codes_of(await town.emsp1.send(method, PATH, body, to=HUB))


async def listed(town: Town) -> list[Any]:
    """Give what GET ALL lists to two CPOs, which is the same."""
    lists = [
        envelope_of(await peer.send("GET", "sender/tokens", to=HUB))["data"]
        for peer in (town.cpo1, town.cpo2)
    ]
    assert lists[0] == lists[1]
    found: list[Any] = lists[0]
    return found


async def allowed(town: Town) -> str:
    """Give what our CPO decides."""
    return (await authorize(town.context, OURS, Question(UID))).allowed


@pytest.mark.req("RT-19", "RT-38")
@pytest.mark.parametrize(
    ("method", "change"),
    [("PUT", token(1, valid=False)), ("PATCH", {"valid": False, "last_updated": DAYS[1]})],
)
async def test_what_our_cpo_is_told_leaves_alone_what_was_broadcast(
    town: Town, private: Private, method: str, change: Document
) -> None:
    cpos = (town.cpo1, town.cpo2)
    async with pushing(town):
        assert await broadcast(town, "PUT", token()) == (201, 1000)
        assert await allowed(town) == "ALLOWED"
        await until(lambda: all(bool(peer.of("tokens")) for peer in cpos))
        assert codes_of(await private.send(method, change)) == (200, 1000)
        assert await listed(town) == [token()]
        assert await private.known() == token(1, valid=False)
        assert await allowed(town) == "BLOCKED"
        later = samples.token(**MSP, uid="LATER")
        await town.emsp1.send("PUT", "receiver/tokens/DE/MSP/LATER", later, to=HUB)
        await until(lambda: all(len(peer.of("tokens")) == 2 for peer in cpos))
    for peer in cpos:
        assert [seen.document() for seen in peer.of("tokens")] == [token(), later]


@pytest.mark.req("RT-19", "RT-38")
async def test_what_our_cpo_was_told_first_is_not_what_is_broadcast_later(
    town: Town, private: Private
) -> None:
    secret = token(1, contract_id="SECRET")
    assert codes_of(await private.send("PUT", secret)) == (201, 1000)
    assert await listed(town) == []
    assert await broadcast(town, "PUT", token()) == (201, 1000)
    assert await listed(town) == [token()]
    assert await private.known() == secret
    assert await broadcast(town, "PUT", token(2, valid=False)) == (200, 1000)
    assert await private.known() == token(2, valid=False)
    assert await allowed(town) == "BLOCKED"
    async with pushing(town):
        await until(lambda: bool(town.cpo2.of("tokens")))
    assert "SECRET" not in str([seen.body for seen in town.cpo2.seen])


@pytest.mark.req("RT-38", "PP-08")
async def test_a_change_is_of_what_the_addressee_was_told(town: Town, private: Private) -> None:
    change = {"valid": False, "last_updated": DAYS[3]}
    assert codes_of(await private.send("PATCH", change)) == (404, 2004)
    await private.send("PUT", token())
    assert await broadcast(town, "PATCH", change) == (404, 2004)
    assert await listed(town) == []
    assert await private.known() == token()
    async with town.context.database.read() as db:
        assert await hub_tokens.get(db, Party("DE", "MSP"), f"{UID}*RFID") is None


@pytest.mark.req("PP-09")
async def test_our_cpo_goes_by_the_newer_of_what_it_was_told_and_what_was_broadcast(
    town: Town, private: Private
) -> None:
    await broadcast(town, "PUT", token(1))
    for method, old in (
        ("PUT", token(0, valid=False)),
        ("PATCH", {"valid": False, "last_updated": DAYS[0]}),
    ):
        answer = await private.send(method, old)
        assert codes_of(answer) == (200, 1000)
        assert DAYS[1] in envelope_of(answer)["status_message"]
    assert await private.known() == token(1)
    # Of one date is what our CPO alone is told: it has come later.
    assert codes_of(await private.send("PUT", token(1, valid=False))) == (200, 1000)
    assert await allowed(town) == "BLOCKED"
    await broadcast(town, "PATCH", {"contract_id": "NEW", "last_updated": DAYS[2]})
    await private.send("PATCH", {"issuer": "NEW", "last_updated": DAYS[3]})
    assert await private.known() == token(3, contract_id="NEW", issuer="NEW")
    assert await listed(town) == [token(2, contract_id="NEW")]


async def test_what_is_broadcast_with_a_date_ahead_is_newer_until_it_is_broadcast_again(
    town: Town, private: Private
) -> None:
    ahead = {**token(), "last_updated": "2099-01-01T00:00:00Z"}
    await broadcast(town, "PUT", ahead)
    answer = await private.send("PUT", token(valid=False))
    assert "2099" in envelope_of(answer)["status_message"]
    assert await private.known() == ahead
    await broadcast(town, "PUT", token())
    await private.send("PUT", token(1, valid=False))
    assert await private.known() == token(1, valid=False)


async def test_what_both_are_told_alike_is_kept_once(town: Town, private: Private) -> None:
    await broadcast(town, "PUT", token())
    assert codes_of(await private.send("PUT", token())) == (200, 1000)
    assert await find_tokens(town.context.database, "", 0, 9) == [token()]
    assert await tokens.text_of(town.context.database, KEY) is None
    await private.send("PUT", token(1))
    assert await find_tokens(town.context.database, UID[:4], 0, 9) == [token(1), token()]
    assert await find_tokens(town.context.database, "", 1, 9) == [token()]
    assert await find_tokens(town.context.database, "", 2**63 - 1, 9) == []
    shown = await town.admin.get(f"/admin/tokens/DE/MSP/{UID}")
    assert shown.json() == token(1)


@pytest.mark.req("RT-19", "RT-34")
async def test_nobody_finds_the_owner_of_a_token_that_our_cpo_alone_was_told(
    town: Town, private: Private
) -> None:
    await private.send("PUT", token())
    asking = f"sender/tokens/{UID}/authorize"
    assert codes_of(await town.cpo1.send("POST", asking))[1] == 4001
    await broadcast(town, "PUT", token())
    await town.cpo1.send("POST", asking)
    assert [seen.method for seen in town.emsp1.of("tokens")] == ["POST"]


async def test_a_driver_is_erased_in_both_books(town: Town, private: Private) -> None:
    await broadcast(town, "PUT", token())
    await private.send("PUT", token(1))
    erasure = await erase(town.context, Person.named(UID, None))
    assert (erasure.held["token"], erasure.held["hub_token"]) == (1, 1)
    assert len(erasure.remarks) == 1
    assert await find_tokens(town.context.database, "", 0, 9) == []
    assert (await private.send("GET")).status_code == 404
    async with pushing(town):
        await town.emsp1.send("PUT", PATH.replace(UID, "OTHER"), {**token(), "uid": "OTHER"})
        await until(lambda: bool(town.cpo2.of("tokens")))
    assert [seen.document()["uid"] for seen in town.cpo2.of("tokens")] == ["OTHER"]
