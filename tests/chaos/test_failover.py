"""PostgreSQL dies, and the standby in whose place it goes on lacks the last changes."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import URL

from ocpi.spec.document import encode
from tests.chaos.load import OWNER, Load
from tests.chaos.partners import Mood, Partners
from tests.chaos.scale import SCALE, seeded
from tests.chaos.server import Restartable, Standby, following, restartable_server
from tests.chaos.settling import forgotten, party_of, read_ours, settle
from tests.chaos.stage import a_stage
from tests.flows.process import until
from tests.postgres import execute

HEADS = "SELECT string_agg(stream || ' ' || seq, ', ' ORDER BY stream) FROM feed_head"


@dataclass
class Pair:
    """A primary, its standby, and the one address by which the service knows them."""

    primary: Restartable
    standby: Standby
    address: Path

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://postgres@/ocpi?host={self.address}"

    def lead_to(self, folder: Path) -> None:
        new = self.address.with_name("new")
        new.symlink_to(folder)
        new.replace(self.address)

    def part(self) -> None:
        """Let the standby have everything up to now, and nothing from now on."""
        self.standby.catch_up(self.primary)
        self.standby.cut_off()

    def fail_over(self) -> None:
        self.standby.promote()
        self.lead_to(self.standby.folder)


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Give both servers, with an empty database."""
    with ExitStack() as stack:
        primary = stack.enter_context(restartable_server())
        execute(primary.url, "CREATE DATABASE ocpi")
        # Of itself the server for tests acknowledges what it has not written.
        execute(primary.url, "ALTER DATABASE ocpi SET synchronous_commit = on")
        standby = stack.enter_context(following(primary))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ocpi-pg-"))
        pair = Pair(primary, standby, Path(folder, "address"))
        pair.lead_to(primary.folder)
        yield pair


async def heads_of(url: URL) -> object:
    return await asyncio.to_thread(execute, url.set(database="ocpi"), HEADS)


def untold(load: Load, partners: Partners) -> list[str]:
    """What was acknowledged, and somebody whom it concerns has never had."""
    return [
        f"{party_of(partner)}: {each.path}"
        for each in load.acknowledged
        for partner in partners.healthy
        if load.audiences.get(each.path) in (None, party_of(partner))
        and partner.took(each.path, each.version) is None
    ]


async def report_again(admin: httpx.AsyncClient, load: Load, partners: Partners) -> int:
    """Say again, as stations' backends do, what the database lacks; gives how many bills.

    They know their Sessions and bills as well as partners do who were told.
    """
    ours, bills = await read_ours(admin, load), 0
    for partner in partners.healthy:
        for session in partner.documents("sessions"):
            path = f"sessions/{OWNER}/{session['id']}"
            if ours.sessions.get(path) != session:
                again = _plain(session)
                del again["last_updated"]
                assert await load.write("PUT", path, again)
        for cdr in partner.documents("cdrs"):
            path = f"cdrs/{OWNER}/{cdr['id']}"
            if path not in ours.cdrs:
                assert await load.write("POST", path, _plain(cdr))
                bills += 1
    for path, location in ours.locations.items():
        for evse in location["evses"]:
            assert await load.write("PATCH", f"{path}/{evse['uid']}", {"status": "RESERVED"})
    return bills


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """It with numbers that every JSON writer knows."""
    plain: dict[str, Any] = json.loads(encode(document))
    return plain


async def standing(admin: httpx.AsyncClient) -> list[tuple[Any, ...]]:
    """How far partners are told: state, how much is left, what is parked."""
    lanes = (await admin.get("push")).json()
    return [(lane["state"], lane["behind"], lane["parked"]) for lane in lanes]


@pytest.mark.timeout(400)
async def test_after_a_failover_that_loses_changes_every_later_one_is_told(
    pair: Pair, tmp_path: Path
) -> None:
    async with a_stage(pair.url, tmp_path, "failover", [Mood.WELL, Mood.WELL]) as stage:
        load, partners, admins = stage.load, stage.partners, stage.admins
        later = Load(admins, load.parties, seeded("later"), prefix="L")
        async with load.flowing():
            await until(lambda: len(load.acknowledged) > SCALE.lost, 60)
            await asyncio.to_thread(pair.part)
            kept = len(load.acknowledged)
            await until(lambda: len(load.acknowledged) > kept + SCALE.lost, 60)
            await until(lambda: not untold(load, partners)[SCALE.lost // 4 :], 60)
            before = await heads_of(pair.primary.url)
            await asyncio.to_thread(pair.primary.stop)
        async with later.flowing():
            await asyncio.to_thread(pair.fail_over)
            after = await heads_of(pair.standby.url)
            await until(lambda: len(later.acknowledged) > SCALE.lost // 2, 90)
        await until(lambda: not untold(later, partners), 60)
        later.audiences |= load.audiences
        gone = forgotten(await read_ours(admins[0], later), load)
        bills = await report_again(admins[0], later, partners)
        ours = await settle(admins[0], later, partners)
        # How far they are is stored a moment after they hold it.
        async with asyncio.timeout(20):
            while await standing(admins[0]) != [("active", 0, {})] * 2:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        print(f"feed before: {before}, after: {after}; {len(gone)} objects fell behind what was")
        print(
            f"acknowledged, {bills} bills reported again; {len(later.acknowledged)} changes later"
        )
        assert gone != []
        assert forgotten(ours, later) == []
        assert later.refused == []
        # What the standby has not heard of being told is told again, older than partners have it;
        # but no bill comes with another content.
        odd = [each for one in partners.healthy for each in one.violations]
        assert [each for each in odd if "was sent before and differs" in str(each)] == []
