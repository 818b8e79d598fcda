"""A driver whose eMSP has sent a command is not asked about: which commands count, and for whom."""

from datetime import UTC, datetime
from typing import Any

import pytest

from modules.commands.reservations import Fate, Reservation
from ocpi.headers import Party
from ocpi.spec.document import encode
from ocpi.spec.moments import format_moment
from tests.modules.tokens.world import ABC, UID, World, token

XYZ = Party("FR", "XYZ")
HERE = ("RFID", "LOC-1", "EVSE-1")


@pytest.mark.req("CM-14", "CM-15", "CM-16", "CM-17", "TK-20")
@pytest.mark.parametrize("kind", ["APP_USER", "AD_HOC_USER", "RFID"])
async def test_a_token_of_a_command_is_not_asked_about(each_world: World, kind: str) -> None:
    emsp = await each_world.add_emsp()
    mine = token(type=kind, whitelist="NEVER", valid=False)
    await each_world.command(mine, evse_uid="EVSE-1")
    decision = await each_world.ask(UID, kind, "LOC-1", "EVSE-1")
    assert (decision.allowed, decision.method) == ("ALLOWED", "COMMAND")
    assert (decision.token, decision.reference) == (mine, "BY-COMMAND")
    assert list(emsp.messages) == []
    (kept,) = await each_world.authorizations()
    assert (kept.method, kept.reference, kept.document) == ("COMMAND", "BY-COMMAND", mine)


async def test_the_newest_command_for_a_token_tells_it(world: World) -> None:
    await world.add_emsp()
    for minutes in (5, 1, 9):
        await world.command(token(contract_id=f"{minutes} minutes ago"), minutes=minutes)
    decision = await world.ask(UID, *HERE)
    assert (decision.token or {})["contract_id"] == "1 minutes ago"


@pytest.mark.req("CM-16")
async def test_an_rfid_token_is_asked_about_elsewhere_or_later(world: World) -> None:
    emsp = await world.add_emsp()
    await world.command(token(whitelist="NEVER"), evse_uid="EVSE-1")
    await world.ask(UID, "RFID", "LOC-1", "EVSE-2")
    await world.ask(UID, "RFID", "LOC-2", "EVSE-1")
    assert len(emsp.authorizations) == 2
    await world.command(token(uid="OLD", whitelist="NEVER"), minutes=16)
    await world.ask("OLD", *HERE)
    assert len(emsp.authorizations) == 3


@pytest.mark.req("CM-16")
@pytest.mark.parametrize("result", ["REJECTED", "FAILED", "EVSE_OCCUPIED"])
async def test_a_card_is_not_asked_about_where_the_app_did_not_work(
    world: World, result: str
) -> None:
    emsp = await world.add_emsp()
    failed = encode({"result": result})
    await world.command(token(whitelist="NEVER"), evse_uid="EVSE-1", result=failed)
    assert (await world.ask(UID, *HERE)).method == "COMMAND"
    assert emsp.authorizations == []
    await world.command(token(type="APP_USER"), evse_uid="EVSE-1", result=failed)
    assert (await world.ask(UID, "APP_USER", *HERE[1:])).allowed == "UNKNOWN"


@pytest.mark.parametrize("over", [{"owner_party_id": "TWO"}, {"wish": "STOP_SESSION"}])
async def test_only_commands_to_charge_at_our_stations_count(world: World, over: Any) -> None:
    await world.add_emsp()
    await world.command(token(), **over)
    assert (await world.ask(UID, *HERE)).allowed == "UNKNOWN"


@pytest.mark.req("CM-15", "CM-16")
@pytest.mark.parametrize("fate", list(Fate))
async def test_a_reservation_covers_an_apps_token_while_it_stands_and_a_card_for_its_minutes(
    each_world: World, fate: Fate
) -> None:
    world = each_world
    await world.add_emsp()
    async with world.context.database.write() as db:
        reservation = Reservation(
            partner_id=1,
            asker=ABC.key,
            reservation_id="r",
            errand_id="1",
            owner="nl*tnm",
            location_id="LOC-1",
            token_key="-",
            token=encode(token()),
            expires_at=0,
            fate=fate.value,
        )
        db.add(reservation)
        await db.flush()
        number = reservation.key
    for kind in ("RFID", "APP_USER"):
        await world.command(token(type=kind), wish="RESERVE_NOW", reservation=number)
    stands = fate in (Fate.ASKED, Fate.HELD)
    assert (await world.ask(UID, *HERE)).method == "COMMAND"
    of_app = await world.ask(UID, "APP_USER", *HERE[1:])
    assert of_app.allowed == ("ALLOWED" if stands else "UNKNOWN")


async def test_a_command_does_not_cover_a_token_that_was_withdrawn_after_it(
    each_world: World,
) -> None:
    await each_world.add_emsp()
    ended: Any = {"valid": False, "whitelist": "ALWAYS"}
    await each_world.command(token())
    await each_world.store(token(**ended))
    assert (await each_world.ask(UID, *HERE)).method == "COMMAND"
    await each_world.store(token(**ended, last_updated=format_moment(datetime.now(UTC))))
    assert (await each_world.ask(UID, *HERE)).allowed == "BLOCKED"


async def test_a_command_of_another_emsp_does_not_take_a_card_over(each_world: World) -> None:
    await each_world.add_emsp("acme", [ABC, Party("DE", "SUB")])
    await each_world.add_emsp("other", [XYZ])
    stored = token(whitelist="ALWAYS")
    await each_world.store(stored)
    await each_world.command(token(XYZ))
    await each_world.command(token(Party("DE", "SUB")))
    decision = await each_world.ask(UID, *HERE)
    assert (decision.method, decision.token) == ("WHITELIST", stored)
    await each_world.store(token(XYZ, last_updated="2026-03-01T00:00:00Z"))
    decision = await each_world.ask(UID, *HERE)
    assert (decision.method, decision.token) == ("COMMAND", token(XYZ))


@pytest.mark.parametrize("over", [{}, {"location_id": "LOC-2"}, {"owner_party_id": "TWO"}])
async def test_many_commands_of_others_hide_none_that_covers(each_world: World, over: Any) -> None:
    await each_world.add_emsp()
    await each_world.add_emsp("other", [XYZ])
    if not over:  # At the same place, only the owner of what is stored tells whose command counts.
        await each_world.store(token(whitelist="NEVER"))
    await each_world.command(token(), minutes=10, location_id="loc-1")
    for _ in range(25):
        await each_world.command(token(XYZ), **over)
    decision = await each_world.ask(UID, *HERE)
    assert (decision.method, decision.token) == ("COMMAND", token())
