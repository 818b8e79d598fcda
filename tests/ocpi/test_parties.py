"""Who a token lets in, and what its first use does."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from ocpi.database import Database, clock
from ocpi.errors import NotAuthenticated
from ocpi.headers import Party
from ocpi.parties import (
    Caller,
    IssuedToken,
    Partner,
    PartnerRole,
    PartyRole,
    State,
    authenticate,
    our_parties,
)
from ocpi.sealing import hash_token
from tests.house import OURS, THEIRS, TOKEN, add_partner, add_party, open_database, present

NOW = 2**60


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


@pytest.fixture
async def light(sqlite_url: str) -> AsyncIterator[Database]:
    async with open_database(sqlite_url) as opened:
        yield opened


async def enter(database: Database, token: str = TOKEN, platform: str = "cpo") -> Caller:
    return await authenticate(database, platform, present(token)["Authorization"], NOW)


async def add_token(database: Database, partner_id: int, token: str, **over: Any) -> None:
    async with database.write() as db:
        row = {"registration": False, "created_at": await clock(db), **over}
        db.add(IssuedToken(hash=hash_token(token), partner_id=partner_id, **row))


async def change(database: Database, partner_id: int, **values: Any) -> None:
    async with database.write() as db:
        await db.exec(update(Partner).where(col(Partner.id) == partner_id).values(**values))


async def state_of(database: Database, partner_id: int) -> tuple[str, list[str]]:
    async with database.read() as db:
        partner = await db.get_one(Partner, partner_id)
        hashes = (await db.exec(select(IssuedToken.hash))).all()
    return partner.state, sorted(hashes)


@pytest.mark.req("TR-04")
async def test_a_token_tells_the_partner_and_its_parties(database: Database) -> None:
    partner_id = await add_partner(database, "Example eMSP", TOKEN)
    async with database.write() as db:
        db.add(
            PartnerRole(
                partner_id=partner_id,
                platform="cpo",
                role="NSP",
                party="be*nsp",
                country_code="BE",
                party_id="NSP",
            )
        )
    caller = await enter(database)
    assert sorted(caller.roles, key=str) == [
        PartyRole("EMSP", THEIRS),
        PartyRole("NSP", Party("BE", "NSP")),
    ]
    assert (caller.partner_id, caller.name, caller.platform) == (partner_id, "Example eMSP", "cpo")
    assert (caller.state, caller.registration, caller.token) == (State.CONFIRMED, False, TOKEN)
    assert TOKEN not in repr(caller)


@pytest.mark.pitfall("IP-01")
async def test_a_token_sent_without_base64_is_known_too(light: Database) -> None:
    await add_partner(light, "Example eMSP", TOKEN)
    assert (await authenticate(light, "cpo", f"Token {TOKEN}", NOW)).token == TOKEN


@pytest.mark.req("TR-04", "TR-05")
@pytest.mark.parametrize("token", [TOKEN.upper(), TOKEN[:-1], f"{TOKEN}0", hash_token(TOKEN), "x"])
@pytest.mark.threat("TA-11", "TA-12")
async def test_any_other_token_is_unknown(light: Database, token: str) -> None:
    await add_partner(light, "Example eMSP", TOKEN)
    with pytest.raises(NotAuthenticated, match="not known"):
        await enter(light, token)


@pytest.mark.threat("TA-05")
async def test_a_token_is_good_on_its_own_platform_only(light: Database) -> None:
    await add_partner(light, "Example eMSP", TOKEN)
    with pytest.raises(NotAuthenticated, match="not known"):
        await enter(light, platform="hub")


@pytest.mark.threat("TA-11")
async def test_a_token_expires(light: Database) -> None:
    partner_id = await add_partner(light, "Example eMSP", TOKEN)
    await add_token(light, partner_id, "soon", expires_at=NOW + 1)
    await add_token(light, partner_id, "late", expires_at=NOW)
    assert (await enter(light, "soon")).partner_id == partner_id
    with pytest.raises(NotAuthenticated, match="expired"):
        await enter(light, "late")


async def test_a_suspended_partner_stays_outside(light: Database) -> None:
    partner_id = await add_partner(light, "Example eMSP", TOKEN)
    await change(light, partner_id, suspended=True)
    with pytest.raises(NotAuthenticated, match="suspended"):
        await enter(light)
    await change(light, partner_id, suspended=False)
    assert (await enter(light)).partner_id == partner_id


@pytest.mark.pitfall("IP-02")
async def test_the_first_use_of_a_token_retires_the_older_ones(database: Database) -> None:
    partner_id = await add_partner(
        database, "Example eMSP", "token-a", state=State.ISSUED, registration=True
    )
    await add_partner(database, "Other", "others", Party("FR", "OTH"), state=State.ISSUED)
    async with database.write() as db:
        created = await clock(db)
    await add_token(database, partner_id, "old", created_at=created)
    await add_token(database, partner_id, "new", created_at=created + 1)
    await add_token(database, partner_id, "newest", created_at=created + 2)
    assert (await enter(database, "new")).state == State.CONFIRMED
    state, hashes = await state_of(database, partner_id)
    assert state == State.CONFIRMED
    assert hashes == sorted(hash_token(token) for token in ("new", "newest", "others"))
    for retired in ("old", "token-a"):
        with pytest.raises(NotAuthenticated):
            await enter(database, retired)


async def test_a_later_use_retires_nothing(light: Database) -> None:
    partner_id = await add_partner(light, "Example eMSP", TOKEN)
    await add_token(light, partner_id, "newer")
    await enter(light)
    assert (await enter(light, "newer")).partner_id == partner_id
    with pytest.raises(NotAuthenticated):
        await enter(light)


async def test_a_registration_token_retires_nothing_and_confirms_nothing(light: Database) -> None:
    partner_id = await add_partner(
        light, "Newcomer", "token-a", state=State.OFFERED, registration=True
    )
    await add_token(light, partner_id, "older", created_at=0)
    for _ in range(2):
        caller = await enter(light, "token-a")
        assert (caller.state, caller.registration) == (State.OFFERED, True)
    state, hashes = await state_of(light, partner_id)
    assert (state, len(hashes)) == (State.OFFERED, 2)


async def test_a_partner_without_parties_is_let_in(light: Database) -> None:
    partner_id = await add_partner(light, "Example eMSP", TOKEN)
    async with light.write() as db:
        role = (await db.exec(select(PartnerRole))).one()
        await db.delete(role)
    caller = await enter(light)
    assert (caller.partner_id, caller.roles) == (partner_id, ())


async def test_our_parties_are_told_oldest_first_by_platform(light: Database) -> None:
    for party, platform in (
        (OURS, "cpo"),
        (Party("DE", "AAA"), "cpo"),
        (Party("NL", "HUB"), "hub"),
    ):
        await add_party(light, party, platform)
    assert await our_parties(light, "cpo") == (OURS, Party("DE", "AAA"))
    assert await our_parties(light, "hub") == (Party("NL", "HUB"),)
    assert await our_parties(light, "other") == ()
