"""Whose sessions, tokens and reservations a command may name, and how many may be under way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update
from sqlmodel import col, select

import ocpi.errands
from modules.commands.reservations import Fate, Reservation
from ocpi.headers import Party
from ocpi.parties import PartnerRole
from ocpi.spec.document import decode
from tests.house import THEIRS, data_of
from tests.modules.commands.floor import Floor, cancel, open_floor, reserve, start, stop, token
from tests.modules.commands.test_receiver import result_of, send


@pytest.fixture
async def floor(sqlite_url: str) -> AsyncIterator[Floor]:
    async with open_floor(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def each_floor(database_url: str) -> AsyncIterator[Floor]:
    async with open_floor(database_url) as opened:
        yield opened


SECOND = Party("DE", "TWO")
AS_SECOND = {"OCPI-from-country-code": "de", "OCPI-from-party-id": "two"}


async def add_second(floor: Floor) -> None:
    """Have the partner speak for a second eMSP."""
    async with floor.database.write() as db:
        role = (await db.exec(select(PartnerRole).where(PartnerRole.party == THEIRS.key))).one()
        copied = role.model_dump(exclude={"id"}) | {"party": SECOND.key, "party_id": "TWO"}
        db.add(PartnerRole(**copied))


async def test_the_party_named_by_the_headers_is_the_one_that_asked(floor: Floor) -> None:
    await add_second(floor)
    await send(floor.emsp, "START_SESSION", start(token=token(SECOND)), **AS_SECOND)
    await send(floor.emsp, "STOP_SESSION", stop())
    assert [each.asker for each in await floor.errands()] == [SECOND, THEIRS]


@pytest.mark.req("CM-05", "CM-13")
async def test_a_party_that_is_named_may_not_use_what_is_another_ones(floor: Floor) -> None:
    await add_second(floor)
    for command, body, result in (
        ("STOP_SESSION", stop(), "UNKNOWN_SESSION"),
        ("START_SESSION", start(), "REJECTED"),
    ):
        answer = await send(floor.emsp, command, body, **AS_SECOND)
        assert data_of(answer)["result"] == result
        assert await result_of(floor.emsp, command, body) == "ACCEPTED"


@pytest.mark.req("CM-21")
@pytest.mark.threat("TA-30")
async def test_two_parties_of_one_partner_cannot_touch_each_others_reservations(
    each_floor: Floor,
) -> None:
    floor = each_floor
    await add_second(floor)
    await result_of(floor.emsp, "RESERVE_NOW", reserve())
    data_of(await send(floor.emsp, "CANCEL_RESERVATION", cancel(), **AS_SECOND))
    data_of(await send(floor.emsp, "RESERVE_NOW", reserve(token=token(SECOND)), **AS_SECOND))
    data_of(await send(floor.emsp, "CANCEL_RESERVATION", cancel(), **AS_SECOND))
    first, second = await floor.reservations()
    assert (first.asker, second.asker) == (THEIRS.key, SECOND.key)
    _, unknown, _, known = await floor.errands()
    assert decode(unknown.result or "") == {"result": "UNKNOWN_RESERVATION"}
    assert (known.reservation, known.result) == (second.key, None)


@pytest.mark.req("CM-22")
async def test_the_reservation_that_stands_is_cancelled_and_not_a_newer_one_that_is_over(
    each_floor: Floor,
) -> None:
    floor = each_floor
    await result_of(floor.emsp, "RESERVE_NOW", reserve())
    await result_of(floor.emsp, "RESERVE_NOW", reserve(location_id="LOC-2"))
    first, second = await floor.reservations()
    for fates, expected in (
        ((Fate.HELD, Fate.EXPIRED), first),
        ((Fate.ASKED, Fate.REFUSED), first),
        ((Fate.HELD, Fate.HELD), second),
        ((Fate.USED, Fate.EXPIRED), second),
    ):
        async with floor.database.write() as db:
            for each, fate in zip((first, second), fates, strict=True):
                chosen = update(Reservation).where(col(Reservation.id) == each.key)
                await db.exec(chosen.values(fate=fate))
        await result_of(floor.emsp, "CANCEL_RESERVATION", cancel())
        assert (await floor.errands())[-1].reservation == expected.key


@pytest.mark.threat("TA-08", "TA-30")
async def test_what_waits_for_stations_is_bounded_for_each_partner(each_floor: Floor) -> None:
    floor = each_floor
    for _ in range(50):
        assert await result_of(floor.emsp, "STOP_SESSION", stop()) == "ACCEPTED"
    assert await result_of(floor.emsp, "STOP_SESSION", stop()) == "REJECTED"
    assert len(await floor.errands()) == 50
    foreign = stop("FOREIGN", response_url="https://other.example/1")
    assert await result_of(floor.other, "STOP_SESSION", foreign) == "ACCEPTED"
    async with floor.database.write() as db:
        oldest = (await floor.errands())[0].id
        await ocpi.errands.answer(db, oldest, {"result": "ACCEPTED"})
    assert await result_of(floor.emsp, "STOP_SESSION", stop()) == "ACCEPTED"
