"""What names drivers is forgotten when it is of no use any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import update
from sqlmodel import col, select

from modules.commands.asking import SentCommand
from modules.commands.reservations import Fate, Reservation
from modules.locations.former import FormerTariffIDs
from modules.stations.charges import Charge
from modules.stations.forgetting import KEPT, Forgetter, forget_old
from modules.tariffs.former import FormerTariff
from modules.tokens.authorizations import Authorization
from ocpi.crew import on_duty
from ocpi.database import Database
from ocpi.errands import Errand, token_key
from ocpi.gateway import Wish
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import OURS, THEIRS
from tests.modules.stations.reports.yard import Yard, open_yard
from tests.modules.stations.yard import until

TOKEN = samples.token()
TOKEN_KEY = token_key(TOKEN["uid"], TOKEN["type"])


async def add_rows(yard: Yard, name: str, age: int, fate: Fate | None = None, **over: Any) -> None:
    """An errand that is as old as this, with a reservation, a permission and a command of ours."""
    at = await yard.now() - age
    request = {"token": TOKEN}
    errand = await yard.add_errand(
        Wish.RESERVE_NOW, request, at, id=name, **{"told_at": at, **over}
    )
    async with yard.database.write() as db:
        if fate is not None:
            db.add(
                Reservation(
                    partner_id=errand.partner_id,
                    asker=THEIRS.key,
                    reservation_id=name,
                    errand_id=name,
                    owner=OURS.key,
                    location_id="LOC-1",
                    token_key=TOKEN_KEY,
                    token=encode(TOKEN),
                    expires_at=at,
                    fate=fate.value,
                )
            )
        token = encode(TOKEN)
        db.add(
            Authorization(
                token_key=TOKEN_KEY, owner=OURS.key, token=token, method="WHITELIST", at=at
            )
        )
        db.add(
            SentCommand(
                id=name,
                partner_id=errand.partner_id,
                module="commands",
                command="START_SESSION",
                request="{}",
                sent_at=at,
            )
        )


async def left(yard: Yard) -> tuple[set[str], int, set[str]]:
    async with yard.database.read() as db:
        errands = await db.exec(select(col(Errand.id)))
        permissions = await db.exec(select(Authorization))
        commands = await db.exec(select(col(SentCommand.id)))
        return set(errands), len(permissions.all()), set(commands)


async def test_what_is_old_is_forgotten_but_not_what_is_still_to_be_told(
    database_url: str,
) -> None:
    async with open_yard(database_url) as yard:
        await add_rows(yard, "old", KEPT + 1)
        await add_rows(yard, "over", KEPT + 1, Fate.EXPIRED)
        await add_rows(yard, "standing", KEPT + 1, Fate.HELD)
        await add_rows(yard, "lapsed", KEPT + 1, Fate.LAPSED)
        await add_rows(yard, "untold", KEPT + 1, told_at=None)
        await add_rows(yard, "young", KEPT // 2)
        async with yard.database.write() as db:
            assert await forget_old(db) == 2 + 1 + 5 + 5
        assert await left(yard) == ({"standing", "lapsed", "untold", "young"}, 1, {"young"})


async def reservations_left(yard: Yard) -> set[str]:
    async with yard.database.read() as db:
        return set(await db.exec(select(col(Reservation.reservation_id))))


async def test_a_reservation_is_forgotten_when_nothing_asks_for_it_any_more(
    database_url: str,
) -> None:
    async with open_yard(database_url) as yard:
        for fate in Fate:
            await add_rows(yard, fate.value, KEPT + 1, fate)
        await add_rows(yard, "young", KEPT // 2, Fate.EXPIRED)
        # Two drivers came; of one the session goes on, of the other there is no bill yet.
        for name, open_, trouble in (("runs", True, None), ("unbilled", False, "No Tariff.")):
            await add_rows(yard, name, KEPT + 1, Fate.USED)
            of_this = col(Reservation.reservation_id) == name
            async with yard.database.write() as db:
                await db.exec(update(Reservation).where(of_this).values(session_id=f"S-{name}"))
                db.add(
                    Charge(
                        owner=OURS.key,
                        transaction_key=f"loc-1*{name}",
                        session_key=f"s-{name}",
                        open=open_,
                        trouble=trouble,
                        record="{}",
                        changed_at=0,
                    )
                )
        async with yard.database.write() as db:
            await forget_old(db)
        needed = {"runs", "unbilled", "young"}
        assert await reservations_left(yard) == {"asked", "held", "lapsed"} | needed
        async with yard.database.write() as db:
            await db.exec(update(Charge).values(open=False, trouble=None))
        async with yard.database.write() as db:
            await forget_old(db)
        assert await reservations_left(yard) == {"asked", "held", "lapsed", "young"}


async def test_what_tariffs_were_is_forgotten_once_no_session_can_have_begun_by_them(
    database_url: str,
) -> None:
    async with open_yard(database_url) as yard:
        admin = yard.service.admin
        for body in ({"tariff_alt_url": "https://example.com"}, {"type": "PROFILE_FAST"}):
            await admin.patch("/admin/tariffs/NL/TNM/TARIFF-1", json=body)
        for ids in (["OTHER"], []):
            await admin.patch("/admin/locations/NL/TNM/LOC-1/EVSE-1/1", json={"tariff_ids": ids})
        async with yard.database.write() as db:
            for table in (FormerTariff, FormerTariffIDs):
                old = update(table).where(col(table.id) == 1)
                await db.exec(old.values(until=col(table.until) - KEPT - 1))
        async with yard.database.write() as db:
            assert await forget_old(db) == 2
        async with yard.database.read() as db:
            [tariff] = await db.exec(select(FormerTariff))
            [connector] = await db.exec(select(FormerTariffIDs))
        assert decode(tariff.body)["tariff_alt_url"] == "https://example.com"
        assert connector.tariff_ids == '["OTHER"]'


async def test_it_forgets_by_itself_and_goes_on_when_the_database_fails(sqlite_url: str) -> None:
    async with open_yard(sqlite_url) as yard:
        await add_rows(yard, "old", KEPT + 1)
        broken = Database("sqlite+aiosqlite:////nowhere/at/all.db")
        context = replace(yard.service.context, database=broken)
        with structlog.testing.capture_logs() as logs:

            async def told() -> bool:
                return bool(logs)

            forgetter = Forgetter(context, pause=0.01)
            async with on_duty([forgetter]):
                await until(told)
        await broken.close()
        assert logs[0]["event"] == "nothing was forgotten"

        async def forgotten() -> bool:
            return await left(yard) == (set(), 0, set())

        async with on_duty([Forgetter(yard.service.context, pause=0.01)]):
            await until(forgotten)
