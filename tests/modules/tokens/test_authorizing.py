"""May this driver charge here? With eMSPs in-process, one, several or none."""

import asyncio
from time import monotonic
from urllib.parse import unquote

import httpx
import pytest
from structlog.testing import capture_logs

from credentials.partners import suspend
from ocpi.errors import InvalidParameters
from ocpi.headers import Party
from ocpi.parties import Partner
from ocpi.sealing import Seal
from ocpi.spec.document import decode
from ocpi.testing.emsp import Rule
from tests.modules.tokens.world import ABC, UID, World, token

XYZ = Party("FR", "XYZ")
HERE = ("RFID", "LOC-1", "EVSE-1")


@pytest.mark.req("TK-14", "TK-15")
@pytest.mark.parametrize("whitelist", ["ALWAYS", "ALLOWED"])
async def test_a_whitelisted_token_may_charge_and_nobody_is_asked(
    each_world: World, whitelist: str
) -> None:
    emsp = await each_world.add_emsp()
    stored = token(whitelist=whitelist)
    await each_world.store(stored)
    decision = await each_world.ask(UID, *HERE)
    assert (decision.allowed, decision.method, decision.token) == ("ALLOWED", "WHITELIST", stored)
    assert list(emsp.messages) == []
    (kept,) = await each_world.authorizations()
    assert (kept.token_key, kept.owner, kept.location_id) == (
        f"{UID}*rfid".lower(),
        "nl*tnm",
        "LOC-1",
    )
    assert (kept.method, kept.reference, kept.document) == ("WHITELIST", None, stored)


@pytest.mark.req("TK-17", "TK-20")
async def test_what_the_emsp_allows_is_kept_with_its_words(each_world: World) -> None:
    emsp = await each_world.add_emsp()
    await each_world.store(token(whitelist="NEVER"))
    told = token(whitelist="NEVER", contract_id="NEW-CONTRACT")
    emsp.issue_token(told)
    decision = await each_world.ask(UID, *HERE)
    assert (decision.allowed, decision.method, decision.token) == ("ALLOWED", "AUTH_REQUEST", told)
    assert decision.location == {"location_id": "LOC-1", "evse_uids": ["EVSE-1"]}
    (kept,) = await each_world.authorizations()
    assert (kept.method, kept.document) == ("AUTH_REQUEST", told)
    assert kept.reference == decision.reference is not None
    (message,) = emsp.authorizations
    assert message.path == f"/ocpi/2.2.1/sender/tokens/{UID}/authorize?type=RFID"
    assert decode(message.body) == {"location_id": "LOC-1", "evse_uids": ["EVSE-1"]}
    assert message.headers["ocpi-from-country-code"] == "NL"
    assert message.headers["ocpi-to-party-id"] == "ABC"
    assert emsp.violations == []


@pytest.mark.req("TK-17", "TK-18")
@pytest.mark.parametrize(
    "allowed", ["BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED", "CONCURRENT"]
)
async def test_what_the_emsp_denies_is_not_kept(world: World, allowed: str) -> None:
    emsp = await world.add_emsp()
    await world.store(token(whitelist="NEVER"))
    emsp.issue_token(token(whitelist="NEVER"), allowed)
    decision = await world.ask(UID, *HERE)
    assert (decision.allowed, decision.granted) == (allowed, False)
    assert await world.authorizations() == []


@pytest.mark.req("TK-18")
@pytest.mark.parametrize("whitelist", ["ALLOWED", "ALLOWED_OFFLINE", "NEVER"])
async def test_a_token_that_is_not_valid_here_may_be_again_at_the_emsp(
    world: World, whitelist: str
) -> None:
    emsp = await world.add_emsp()
    await world.store(token(whitelist=whitelist, valid=False))
    emsp.issue_token(token(whitelist=whitelist))
    assert (await world.ask()).method == "AUTH_REQUEST"


async def test_always_with_a_token_that_is_not_valid_is_denied_unasked(world: World) -> None:
    """AT-63."""
    emsp = await world.add_emsp()
    await world.store(token(whitelist="ALWAYS", valid=False))
    assert (await world.ask()).allowed == "BLOCKED"
    assert list(emsp.messages) == []


async def test_an_emsp_that_wants_the_place_is_told_it(world: World) -> None:
    emsp = await world.add_emsp()
    await world.store(token(whitelist="NEVER"))
    emsp.issue_token(token(whitelist="NEVER"), needs_location=True)
    decision = await world.ask()
    assert (decision.allowed, decision.reason) == (
        "NOT_ALLOWED",
        "acme wants to know more, such as the Location.",
    )
    assert (await world.ask(UID, *HERE)).allowed == "ALLOWED"


@pytest.mark.req("TK-19")
async def test_all_emsps_are_asked_for_an_unknown_token_and_the_first_yes_wins(
    each_world: World,
) -> None:
    slow = await each_world.add_emsp()
    slow.rules.append(Rule("slow", seconds=60))
    knows = await each_world.add_emsp("other", [XYZ])
    knows.issue_token(token(XYZ))
    started = monotonic()
    decision = await each_world.ask(UID, *HERE)
    assert monotonic() - started < 2
    assert (decision.allowed, decision.method, decision.token) == (
        "ALLOWED",
        "AUTH_REQUEST",
        token(XYZ),
    )
    assert (await each_world.authorizations())[0].document == token(XYZ)
    assert knows.violations == []


@pytest.mark.req("TK-19")
async def test_who_knows_the_token_is_believed_before_who_does_not(world: World) -> None:
    unknowing = await world.add_emsp()
    blocks = await world.add_emsp("other", [XYZ])
    assert (await world.ask()).allowed == "UNKNOWN"
    blocks.issue_token(token(XYZ), "BLOCKED")
    assert (await world.ask()).allowed == "BLOCKED"
    assert [len(emsp.authorizations) for emsp in (unknowing, blocks)] == [2, 2]


@pytest.mark.req("TK-19")
async def test_each_emsp_behind_a_partner_is_asked_by_name(world: World) -> None:
    emsp = await world.add_emsp("acme", [ABC, XYZ])
    emsp.issue_token(token(XYZ))
    decision = await world.ask()
    assert decision.token == token(XYZ)
    to = {message.headers["ocpi-to-party-id"] for message in emsp.authorizations}
    assert to == {"ABC", "XYZ"}


@pytest.mark.req("TK-19")
async def test_an_unknown_token_is_denied_when_nobody_can_be_asked(world: World) -> None:
    decision = await world.ask()
    assert (decision.allowed, decision.token) == ("UNKNOWN", None)
    await world.add_emsp()
    await world.add_emsp("mute", [XYZ], sender=False)
    del world.network.hosts["acme.test"]
    assert (await world.ask()).allowed == "UNKNOWN"
    assert await world.authorizations() == []


async def test_an_operator_may_let_drivers_in_whose_emsp_is_away(each_world: World) -> None:
    await each_world.add_emsp(offline_authorization="allow")
    await each_world.add_emsp("other", [XYZ])
    del each_world.network.hosts["acme.test"]
    stored = token(uid="N", whitelist="NEVER")
    await each_world.store(stored, token(uid="GONE", whitelist="NEVER", valid=False))
    assert (await each_world.ask("N")).token == stored
    assert (await each_world.ask("GONE")).allowed == "BLOCKED"
    decision = await each_world.ask("STRANGER", *HERE)
    assert (decision.allowed, decision.method) == ("ALLOWED", "WHITELIST")
    kept = (await each_world.authorizations())[1].document
    assert (kept["uid"], kept["country_code"], kept["party_id"]) == ("STRANGER", "DE", "ABC")
    # The other one is there to be asked, and its driver is not let in by acme's option.
    knows = token(XYZ, uid="STRANGER")
    each_world.serve("other", {"allowed": "BLOCKED", "token": knows})
    assert (await each_world.ask("STRANGER", *HERE)).allowed == "BLOCKED"


async def test_tokens_of_a_partner_that_is_suspended_or_gone_count_for_nothing(
    world: World,
) -> None:
    await world.add_emsp()
    await world.store(token(whitelist="ALWAYS"), token(XYZ, uid="LEFT", whitelist="ALWAYS"))
    await world.command(token(uid="APP", type="APP_USER"))
    assert (await world.ask()).granted
    assert (await world.ask("LEFT")).allowed == "UNKNOWN"
    await suspend(world.context, "acme", suspended=True)
    assert (await world.ask()).allowed == "UNKNOWN"
    assert (await world.ask("APP", "APP_USER")).allowed == "UNKNOWN"


async def test_an_emsp_without_real_time_authorization_cannot_be_asked(world: World) -> None:
    """TK-08: it may leave that out when all its Tokens are ALWAYS."""
    await world.add_emsp(sender=False)
    await world.store(token(uid="A", whitelist="ALWAYS"), token(uid="N", whitelist="NEVER"))
    assert (await world.ask("A")).allowed == "ALLOWED"
    decision = await world.ask("N")
    assert (decision.allowed, decision.reason) == (
        "NOT_ALLOWED",
        "acme offers no real-time authorization.",
    )


@pytest.mark.req("TK-11")
async def test_of_two_emsps_with_the_same_uid_the_one_that_allows_it_counts(world: World) -> None:
    await world.add_emsp()
    await world.add_emsp("other", [XYZ])
    newest = token(valid=False, whitelist="ALWAYS", last_updated="2026-03-01T00:00:00Z")
    await world.store(token(XYZ, whitelist="ALWAYS"), newest)
    assert (await world.ask()).token == token(XYZ, whitelist="ALWAYS")
    await world.store(
        token(XYZ, whitelist="ALWAYS", valid=False, last_updated="2026-02-01T00:00:00Z")
    )
    assert (await world.ask()).token == newest
    await world.store(token(type="OTHER", whitelist="ALWAYS"))
    assert (await world.ask(UID, "OTHER")).token == token(type="OTHER", whitelist="ALWAYS")


@pytest.mark.req("TK-19")
@pytest.mark.parametrize("whitelist", ["ALWAYS", "ALLOWED", "NEVER"])
async def test_a_card_that_one_emsp_withdrew_may_be_another_ones_that_does_not_push(
    each_world: World, whitelist: str
) -> None:
    withdrew = await each_world.add_emsp()
    issues = await each_world.add_emsp("other", [XYZ])
    await each_world.store(token(whitelist=whitelist, valid=False))
    refused = (await each_world.ask(UID, *HERE)).allowed
    assert refused == ("BLOCKED" if whitelist == "ALWAYS" else "UNKNOWN")
    issues.issue_token(token(XYZ))
    assert (await each_world.ask(UID, *HERE)).token == token(XYZ)
    assert len(issues.authorizations) == 2
    assert len(withdrew.authorizations) == (0 if whitelist == "ALWAYS" else 2)


@pytest.mark.req("TK-19")
@pytest.mark.pitfall("IP-12")
async def test_other_emsps_that_are_away_or_slow_neither_let_a_refused_card_in_nor_delay_it(
    world: World,
) -> None:
    refuses = await world.add_emsp()
    away = await world.add_emsp("other", [XYZ], offline_authorization="allow")
    await world.store(token(whitelist="NEVER"))
    # Of the time for all so much is gone when it says no.
    refuses.rules.append(Rule("slow", seconds=1))
    away.rules.append(Rule("slow", seconds=60))
    started = monotonic()
    assert (await world.ask(UID, *HERE)).allowed == "UNKNOWN"
    assert 2.4 < monotonic() - started < 3.5
    del world.network.hosts["other.test"]
    assert (await world.ask(UID, *HERE)).allowed == "UNKNOWN"


@pytest.mark.req("PG-13")
@pytest.mark.parametrize("whitelist", ["ALWAYS", "ALLOWED"])
async def test_a_token_gone_from_its_emsps_list_is_asked_about(
    each_world: World, whitelist: str
) -> None:
    emsp = await each_world.add_emsp()
    rest, gone = token(uid="REST", whitelist=whitelist), token(whitelist=whitelist)
    each_world.serve("acme", [rest, gone])
    await each_world.pull(full=True)
    assert (await each_world.ask(UID, *HERE)).method == "WHITELIST"
    each_world.serve("acme", [rest])
    await each_world.pull(full=True)
    asked = each_world.serve("acme", lambda _request: httpx.Response(404))
    assert (await each_world.ask(UID, *HERE)).allowed == "UNKNOWN"
    assert [request.method for request in asked] == ["POST"]
    del each_world.network.hosts["acme.test"]
    assert (await each_world.ask(UID, *HERE)).allowed == "NOT_ALLOWED"
    assert (await each_world.ask("REST", *HERE)).method == "WHITELIST"
    each_world.serve("acme", [rest, gone])
    await each_world.pull(full=True)
    assert (await each_world.ask(UID, *HERE)).method == "WHITELIST"
    assert emsp.authorizations == []


async def test_no_connection_to_the_database_is_held_while_a_partner_is_asked(
    each_world: World,
) -> None:
    await each_world.add_emsp()
    held = []

    def answer(_request: httpx.Request) -> httpx.Response:
        held.append(each_world.context.database.engine.pool.checkedout())  # type: ignore[attr-defined]
        return httpx.Response(404)

    each_world.serve("acme", answer)
    await each_world.store(token(uid="N", whitelist="NEVER"))
    for uid in ("N", "STRANGER"):
        await each_world.ask(uid)
    assert held == [0, 0]


async def test_a_uid_reaches_the_partner_as_it_is(world: World) -> None:
    await world.add_emsp()
    asked = world.serve("acme", None)
    for uid in ("A/B", "A?B#C", "%2F", "A B"):
        await world.ask(uid)
        path = asked[-1].url.raw_path.decode().partition("?")[0]
        assert unquote(path.split("/")[-2]) == uid
    for uid in ("", ".", ".."):
        with pytest.raises(InvalidParameters):
            await world.ask(uid)


async def test_a_partner_whose_token_cannot_be_unsealed_stops_nobody_else(world: World) -> None:
    await world.add_emsp()
    emsp = await world.add_emsp("other", [XYZ])
    emsp.issue_token(token(XYZ))
    async with world.context.database.write() as db:
        partner = await db.get_one(Partner, 3)
        assert partner.name == "acme"
        partner.token_out = Seal("another-secret-of-enough-characters").close("x")
    assert (await world.ask()).allowed == "ALLOWED"
    # Its own Tokens are as good as unknown, and for those of others nobody looks at it.
    await world.store(token(uid="ITS", whitelist="ALWAYS"), token(XYZ, uid="X", whitelist="ALWAYS"))
    assert (await world.ask("ITS")).allowed == "UNKNOWN"
    with capture_logs() as lines:
        assert (await world.ask("X")).allowed == "ALLOWED"
    assert [line["event"] for line in lines] == ["authorization"]


async def test_each_of_many_drivers_at_once_is_allowed_for_itself(each_world: World) -> None:
    await each_world.add_emsp()
    uids = [f"CARD-{n}" for n in range(30)]
    await each_world.store(*(token(uid=uid, whitelist="ALWAYS") for uid in uids))
    await asyncio.gather(*(each_world.ask(uid, *HERE) for uid in uids))
    kept = await each_world.authorizations()
    assert sorted(each.document["uid"] for each in kept) == sorted(uids)
    assert all(each.token_key == f"{each.document['uid']}*rfid".lower() for each in kept)
