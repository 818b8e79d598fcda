"""Errands from the partner's request to the result that it is told, whatever goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel.ext.asyncio.session import AsyncSession

import modules.sessions.own
from modules.stations.errandrunner import ErrandRunner
from modules.stations.gateways.webhook import demand_document
from ocpi.database import Database
from ocpi.errands import Errand, follow_up, overdue, take_new
from ocpi.gateway import Demand, GatewayFailed, Wish
from ocpi.testing import samples
from ocpi.testing.mock.misbehaviour import Match, Rule
from tests.house import OURS, OWNER
from tests.modules.stations.yard import (
    ACCEPTED,
    Puppet,
    Yard,
    hang,
    open_yard,
    running,
    until,
)


@pytest.mark.req("CM-02", "CM-03", "CM-07", "CM-12", "CP-10")
async def test_two_processes_ask_each_station_once_and_tell_each_result_once(
    database_url: str,
) -> None:
    gateway = Puppet()
    async with open_yard(database_url, gateway) as yard:
        other = Database(database_url)
        async with running(replace(yard.context, database=other, errands=asyncio.Event())):
            commands = await asyncio.gather(*(yard.start() for _ in range(8)))
            for command in commands:
                assert await yard.result(command) == "ACCEPTED"
        await other.close()
        asked = [demand.id for demand in gateway.demands]
        assert sorted(asked) == sorted(errand.id for errand in await yard.errands())
        assert [len(command.results) for command in commands] == [1] * 8
        assert all(errand.told_at for errand in await yard.errands())
        assert yard.emsp.violations == []


@pytest.mark.req("CM-07", "CM-21")
async def test_a_station_hears_what_it_needs_and_nothing_that_a_partner_slips_in(
    sqlite_url: str,
) -> None:
    gateway = Puppet()
    async with open_yard(sqlite_url, gateway) as yard:
        slipped = {"type": "UNLOCK_CONNECTOR", "transaction_id": "4711", "station_id": "LOC-2"}
        await yard.result(await yard.start(**slipped))
        await yard.result(await yard.reserve(evse_uid="EVSE-2", reservation_key=7))
        [start, reserve] = gateway.demands
        [first, second] = await yard.errands()
        assert start == Demand(
            first.id,
            Wish.START_SESSION,
            OURS,
            "LOC-1",
            "EVSE-1",
            "1",
            details={"token": yard.token},
            timeout=start.timeout,
        )
        assert 29 < start.timeout <= 30
        assert second.document["reservation_id"] == "Res-1"
        assert set(reserve.details) == {"token", "expiry_date", "reservation_id"}
        assert reserve.details["reservation_id"] == (await yard.reservation()).key


@pytest.mark.req("CM-16", "CP-07")
async def test_a_session_that_no_station_has_reported_is_named_to_it(sqlite_url: str) -> None:
    gateway = Puppet()
    async with open_yard(sqlite_url, gateway) as yard:
        theirs = samples.cdr_token(country_code="FR", party_id="NEW")
        session = samples.session(**OWNER, cdr_token=theirs)
        await modules.sessions.own.put_own(yard.database, OURS, session["id"], session)
        named = {"session_id": session["id"].lower()}
        stopped = await yard.emsp.command("STOP_SESSION", named)
        assert await yard.result(stopped) == "ACCEPTED"
        preferences = await yard.emsp.set_preferences(session["id"], {"profile_type": "REGULAR"})
        assert preferences.data == "ACCEPTED"
        asked = [demand_document(each) for each in gateway.demands]
        assert [each["session_id"] for each in asked] == [session["id"]] * 2
        assert not any("transaction_id" in each for each in asked)


@pytest.mark.req("CM-07")
async def test_a_result_that_is_reported_again_is_repeated_and_another_one_kept(
    sqlite_url: str,
) -> None:
    async with open_yard(sqlite_url, Puppet(answer=None)) as yard:
        command = await yard.start()
        [errand] = await yard.errands()
        rejected, accepted = (
            {"type": "result", "id": errand.id, "result": word} for word in ("REJECTED", "ACCEPTED")
        )
        outcomes = await yard.report(rejected, rejected, accepted)
        told = [(each.result, each.note) for each in outcomes]
        kept = ("kept", "Its result is REJECTED already.")
        assert told == [("taken", None), ("repeated", None), kept]
        assert await yard.result(command) == "REJECTED"
        assert len(command.results) == 1


@pytest.mark.req("CM-07", "CM-08", "CM-11")
async def test_a_station_that_says_nothing_is_told_as_timeout_once(database_url: str) -> None:
    gateway = Puppet(answer=None)
    async with open_yard(database_url, gateway, command_timeout=1) as yard:
        command = await yard.start()
        assert command.response == {"result": "ACCEPTED", "timeout": 6}
        assert await yard.result(command) == "TIMEOUT"
        [errand] = await yard.errands()
        late = {"type": "result", "id": errand.id, "result": "ACCEPTED"}
        [outcome] = await yard.report(late)
        assert (outcome.result, outcome.note) == ("kept", "Its result is TIMEOUT already.")
        await asyncio.sleep(0.3)
        assert [each["result"] for each in command.results] == ["TIMEOUT"]
        assert yard.emsp.violations == []


@pytest.mark.req("CM-07", "CM-09")
async def test_a_station_may_answer_later_by_a_report(sqlite_url: str) -> None:
    async with open_yard(sqlite_url, Puppet(answer=None)) as yard:
        command = await yard.start()
        [errand] = await yard.errands()
        report = {"type": "result", "id": errand.id, "result": "EVSE_OCCUPIED", "message": "Taken."}
        [outcome] = await yard.report(report)
        assert (outcome.result, outcome.errand) == ("taken", True)
        assert await yard.emsp.result_of(command) == {
            "result": "EVSE_OCCUPIED",
            "message": [{"language": "en", "text": "Taken."}],
        }
        [again] = await yard.report(report)
        assert again.result == "repeated"


NO_ANSWERS = {
    "it cannot be asked": (GatewayFailed("no route to 10.0.0.1"), "FAILED"),
    "it breaks": (RuntimeError("a bug"), "TIMEOUT"),
    "it hangs": (hang, "TIMEOUT"),
    "it says what is no word": ({"result": "MAYBE"}, "FAILED"),
    "it says what is no text": ({"result": ["ACCEPTED"]}, "FAILED"),
    "it says nothing": ({}, "FAILED"),
    "it answers rubbish": ("ACCEPTED", "TIMEOUT"),
    "it answers with NUL": ({"result": "REJECTED", "message": "\0" * 1000}, "REJECTED"),
}


@pytest.mark.req("CM-08", "CM-09")
@pytest.mark.parametrize("case", NO_ANSWERS)
async def test_every_way_to_fail_ends_in_one_result_and_the_next_errand_goes_on(
    postgres_url: str, case: str
) -> None:
    answer, expected = NO_ANSWERS[case]
    gateway = Puppet()
    gateway.by_wish[Wish.START_SESSION] = answer  # type: ignore[assignment]
    async with open_yard(postgres_url, gateway, command_timeout=4) as yard:
        failing = await yard.start()
        following = await yard.reserve()
        assert await yard.result(following) == "ACCEPTED"
        assert await yard.result(failing) == expected
        assert len(failing.results) == 1
        assert "10.0.0.1" not in str(failing.results)
        assert yard.emsp.violations == []


@pytest.mark.req("CM-08")
async def test_a_station_is_not_asked_once_its_time_is_up(database_url: str) -> None:
    gateway = Puppet()
    async with open_yard(database_url, gateway, running=False, command_timeout=1) as yard:
        command = await yard.start()
        await asyncio.sleep(1.1)
        async with running(yard.context):
            assert await yard.result(command) == "TIMEOUT"
        assert gateway.demands == []


@pytest.mark.req("CM-07", "CM-08")
async def test_what_a_killed_process_had_begun_another_one_ends(database_url: str) -> None:
    gateway = Puppet(answer=hang)
    async with open_yard(database_url, gateway, running=False, command_timeout=4) as yard:
        killed = asyncio.create_task(ErrandRunner(yard.context).run())
        asked = await yard.start()

        async def was_asked() -> bool:
            return len(gateway.demands) == 1

        await until(was_asked)
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)
        answered = await yard.start()
        [_, second] = await yard.errands()
        await yard.report({"type": "result", "id": second.id, "result": "REJECTED"})
        async with running(yard.context):
            assert await yard.result(answered) == "REJECTED"
            assert await yard.result(asked) == "TIMEOUT"
        assert len(gateway.demands) == 1
        assert [len(each.results) for each in (asked, answered)] == [1, 1]


async def test_a_flood_of_errands_is_taken_in_steps_without_a_pause(database_url: str) -> None:
    gateway = Puppet(answer=None)
    async with open_yard(database_url, gateway, running=False) as yard:
        await yard.start()
        [first] = await yard.errands()
        async with yard.database.write() as db:
            for _ in range(204):
                await follow_up(db, first)
        async with yard.database.write() as db:
            assert len(await take_new(db)) == 100

        async def all_asked() -> bool:
            return len(gateway.demands) == 105

        async with running(yard.context, poll=60):
            await until(all_asked)
        assert len({demand.id for demand in gateway.demands}) == 105
        async with yard.database.write() as db:
            await db.exec(update(Errand).values(deadline=1))
            assert len(await overdue(db)) == 100
        async with running(yard.context, poll=60):

            async def all_given_up() -> bool:
                return all(errand.answered_at for errand in await yard.errands())

            await until(all_given_up)


class Watched(Database):
    """A database that counts what is asked of it, and is away when a test wishes."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.writes = 0
        self.reads = 0
        self.away = False

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        self.writes += 1
        self._refuse()
        async with super().write() as db:
            yield db

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        self.reads += 1
        self._refuse()
        async with super().read() as db:
            yield db

    async def fetch(self, key: Any, statement: Any, given: Any) -> Sequence[Sequence[Any]]:
        self._refuse()
        return await super().fetch(key, statement, given)

    def _refuse(self) -> None:
        if self.away:
            raise ConnectionRefusedError("the database is away")


@asynccontextmanager
async def watched(database_url: str, gateway: Puppet, **over: Any) -> AsyncIterator[Yard]:
    database = Watched(database_url)
    async with open_yard(database_url, gateway, database=database, running=False, **over) as yard:
        yield yard


def watch(yard: Yard) -> Watched:
    assert isinstance(yard.database, Watched)
    return yard.database


async def test_with_nothing_to_do_no_transaction_is_opened(database_url: str) -> None:
    async with watched(database_url, Puppet()) as yard:
        before = watch(yard).writes, watch(yard).reads
        async with running(yard.context):
            await asyncio.sleep(0.5)
        assert (watch(yard).writes, watch(yard).reads) == before


async def test_errands_go_on_after_the_database_was_away(sqlite_url: str) -> None:
    gateway = Puppet()
    async with watched(sqlite_url, gateway) as yard:
        async with running(yard.context):
            await asyncio.sleep(0.2)
            watch(yard).away = True
            yard.context.errands.set()
            await asyncio.sleep(0.2)
            watch(yard).away = False
            assert await yard.result(await yard.start()) == "ACCEPTED"
        assert len(gateway.demands) == 1


async def test_an_answer_is_kept_until_the_database_is_back(sqlite_url: str) -> None:
    async with watched(sqlite_url, Puppet()) as yard:

        async def answer(_demand: Demand) -> dict[str, Any]:
            watch(yard).away = True
            asyncio.get_running_loop().call_later(0.5, setattr, watch(yard), "away", False)
            return ACCEPTED

        gateway = yard.context.gateway
        assert isinstance(gateway, Puppet)
        gateway.answer = answer
        async with running(yard.context):
            assert await yard.result(await yard.start()) == "ACCEPTED"


async def test_it_can_be_stopped_while_the_database_is_away(sqlite_url: str) -> None:
    async with watched(sqlite_url, Puppet()) as yard:
        async with running(yard.context):
            await asyncio.sleep(0.2)
            watch(yard).away = True
            yard.context.errands.set()
            await asyncio.sleep(0.1)
        watch(yard).away = False


async def test_who_stops_waits_for_answers_under_way_and_tells_them(sqlite_url: str) -> None:
    async def slowly(_demand: Demand) -> dict[str, Any]:
        await asyncio.sleep(0.3)
        return ACCEPTED

    gateway = Puppet(answer=slowly)
    async with open_yard(sqlite_url, gateway, running=False) as yard:
        async with running(yard.context):
            command = await yard.start()

            async def was_asked() -> bool:
                return len(gateway.demands) == 1

            await until(was_asked)
        assert [each["result"] for each in command.results] == ["ACCEPTED"]


async def test_who_stops_does_not_wait_for_ever(sqlite_url: str) -> None:
    gateway = Puppet(answer=hang)
    async with open_yard(sqlite_url, gateway, running=False) as yard:
        async with running(yard.context, last=0.2):
            await yard.start()
            await asyncio.sleep(0.3)
            begun = monotonic()
        assert monotonic() - begun < 5
        assert len(asyncio.all_tasks()) == 1


async def test_a_slow_station_and_a_slow_partner_delay_no_other_errand(sqlite_url: str) -> None:
    gateway = Puppet()
    gateway.by_wish[Wish.START_SESSION] = hang
    async with open_yard(sqlite_url, gateway) as yard:
        yard.emsp.rules = [Rule("slow", Match(module="commands"), times=1, seconds=3)]
        await yard.start()
        slow = await yard.reserve()
        quick = await yard.cancel()
        begun = monotonic()
        assert await yard.result(quick) == "ACCEPTED"
        assert monotonic() - begun < 2
        assert await yard.result(slow) == "ACCEPTED"
