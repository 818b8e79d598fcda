"""An eMSP registers, pushes its Tokens, takes some back, and is asked about others."""

from collections.abc import AsyncIterator

import httpx
import pytest

from modules.tokens.store import find_tokens
from ocpi.app import create_app
from ocpi.headers import Party
from ocpi.testing.emsp import MockEMSP
from ocpi.testing.emsp import Party as MockParty
from ocpi.testing.emsp import create_app as create_emsp
from tests.modules.tokens.world import UID, World, open_world, token

NEW = Party("DE", "NEU")
T1 = "2026-02-01T00:00:00Z"


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url, allow_private_networks=True) as opened:
        yield opened


@pytest.fixture
async def emsp(world: World) -> MockEMSP:
    """Give an eMSP that has registered with us by the real handshake."""
    emsp = MockEMSP([MockParty("DE", "NEU")], base_url="http://neu.test")
    emsp.transport = httpx.ASGITransport(create_app(world.context, worker=False))
    world.network.hosts["neu.test"] = httpx.ASGITransport(create_emsp(emsp))
    role = {"role": "EMSP", "country_code": "DE", "party_id": "NEU"}
    wish = {"name": "neu", "roles": [role]}
    offered = (await world.admin.post("/admin/partners", json=wish)).json()
    await emsp.register(offered["versions_url"], offered["token"])
    return emsp


@pytest.mark.req("TK-10", "TK-12", "TK-13", "TK-17", "TK-20")
async def test_tokens_are_pushed_withdrawn_pulled_and_asked_about(
    world: World, emsp: MockEMSP
) -> None:
    card, app = token(NEW, whitelist="ALWAYS"), token(NEW, type="APP_USER", whitelist="NEVER")
    for each in (card, app):
        reply = await emsp.push_token(each)
        assert (reply.http_status, reply.status_code) == (201, 1000)
    assert (await world.ask()).method == "WHITELIST"
    assert (await world.ask(UID, "APP_USER")).method == "AUTH_REQUEST"
    await emsp.patch_token(card, {"valid": False, "last_updated": T1})
    assert (await world.ask()).allowed == "BLOCKED"
    emsp.issue_token(token(NEW, uid="MISSED", whitelist="ALWAYS"))
    assert (await world.ask("MISSED")).method == "AUTH_REQUEST"
    (pulled,) = await world.pull("neu")
    assert pulled.counts.total() == 3
    assert (await world.ask("MISSED")).method == "WHITELIST"
    assert len(await find_tokens(world.context.database, "", 0, 9)) == 3
    assert len(emsp.authorizations) == 2
    assert emsp.violations == []
