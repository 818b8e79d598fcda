"""How a result reaches the partner: once, in order, and what comes of partners that fail."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest
from httpx import AsyncBaseTransport
from sqlalchemy import update

import credentials.partners
from ocpi.database import Database
from ocpi.parties import Partner, PartnerEndpoint
from ocpi.testing.mock.misbehaviour import Act, Match, Rule
from tests.modules.stations.yard import ACCEPTED, Puppet, Yard, open_yard, running, until

RESULTS = Match(module="commands", method="POST")


def told(yard: Yard) -> list[str]:
    """Give the paths of all that the eMSP was told about commands, as they came."""
    incoming = [each for each in yard.emsp.messages if each.direction == "in"]
    return [each.path for each in incoming if "/commands/" in each.path]


@pytest.mark.req("CM-07")
async def test_a_result_goes_to_the_response_url_with_ids_and_addresses(sqlite_url: str) -> None:
    async with open_yard(sqlite_url, Puppet()) as yard:
        command = await yard.start()
        await yard.result(command)
        [message] = [each for each in yard.emsp.messages if "/commands/" in each.path][-1:]
        assert command.response_url.endswith(message.path)
        assert message.headers["ocpi-from-party-id"] == "TNM"
        assert message.headers["ocpi-to-party-id"] == "NEW"
        asked = next(each for each in yard.emsp.messages if each.path.endswith("/START_SESSION"))
        assert message.headers["x-correlation-id"] == asked.headers["x-correlation-id"]
        assert message.headers["x-request-id"] != asked.headers["x-request-id"]
        assert yard.emsp.violations == []


@pytest.mark.req("CM-07", "CM-11")
@pytest.mark.parametrize("act", ["status", "envelope", "garbage", "drop_after_accept"])
async def test_a_result_that_may_have_come_is_not_told_twice(sqlite_url: str, act: Act) -> None:
    async with open_yard(sqlite_url, Puppet()) as yard:
        yard.emsp.rules = [Rule(act, RESULTS)]
        await yard.start()
        await until(lambda: happened(yard, 1))
        await asyncio.sleep(0.5)
        assert len(told(yard)) == 1
        # It is not told to anyone any more, and the next one is.
        yard.emsp.rules = []
        assert await yard.result(await yard.reserve()) == "ACCEPTED"
        assert len(told(yard)) == 2


async def happened(yard: Yard, count: int) -> bool:
    return len(told(yard)) >= count


class Unreachable(AsyncBaseTransport):
    """A host that is away for its first requests."""

    def __init__(self, there: AsyncBaseTransport, failures: int) -> None:
        self.there = there
        self.failures = failures

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.failures > 0:
            self.failures -= 1
            raise httpx.ConnectError("nobody listens", request=request)
        return await self.there.handle_async_request(request)


@pytest.mark.req("CM-07")
async def test_a_result_that_was_not_sent_at_all_is_sent_again(sqlite_url: str) -> None:
    async with open_yard(sqlite_url, Puppet()) as yard:
        host = Unreachable(yard.network.hosts["emsp.test"], 1)
        yard.network.hosts["emsp.test"] = host
        command = await yard.start()
        assert await yard.result(command) == "ACCEPTED"
        assert (host.failures, len(command.results)) == (0, 1)


@pytest.mark.threat("TA-08")
async def test_a_partner_that_stays_away_is_left(sqlite_url: str) -> None:
    async with open_yard(sqlite_url, Puppet()) as yard:
        host = Unreachable(yard.network.hosts["emsp.test"], 1000)
        yard.network.hosts["emsp.test"] = host
        command = await yard.start()

        async def is_left() -> bool:
            return host.failures == 1000 - 3

        await until(is_left)
        await asyncio.sleep(0.3)
        assert (host.failures, command.results) == (997, [])


@pytest.mark.parametrize("gone", ["suspended", "removed"])
async def test_a_partner_that_is_gone_meanwhile_is_told_nothing(
    database_url: str, gone: str
) -> None:
    gateway = Puppet()
    async with open_yard(database_url, gateway, running=False) as yard:
        started, reserved = await yard.start(), await yard.reserve()
        if gone == "suspended":
            await credentials.partners.suspend(yard.context, "Newcomer", suspended=True)
        else:
            await credentials.partners.remove(yard.context, "Newcomer", force=True)
        async with running(yard.context):
            await asyncio.sleep(0.5)
        assert (started.results, reserved.results) == ([], [])
        assert len(gateway.demands) == (2 if gone == "suspended" else 0)


async def test_an_answer_for_a_partner_that_was_removed_does_no_harm(database_url: str) -> None:
    gateway = Puppet()
    async with open_yard(database_url, gateway) as yard:

        async def remove_then_answer(_demand: object) -> dict[str, str]:
            await credentials.partners.remove(yard.context, "Newcomer", force=True)
            return ACCEPTED

        gateway.answer = remove_then_answer
        await yard.reserve()

        async def was_asked() -> bool:
            return len(gateway.demands) == 1

        await until(was_asked)
        await asyncio.sleep(0.3)
        assert (await yard.errands(), told(yard)) == ([], [])


@pytest.mark.req("CM-23")
@pytest.mark.threat("TA-08")
async def test_what_goes_to_one_address_keeps_its_order(sqlite_url: str) -> None:
    async with open_yard(sqlite_url, Puppet()) as yard:
        yard.emsp.rules = [Rule("slow", RESULTS, times=1, seconds=0.5)]
        command = await yard.reserve()
        await yard.fate("held")
        number = (await yard.reservation()).key
        [outcome] = await yard.report({"type": "reservation_dropped", "reservation_id": number})
        assert outcome.result == "taken"

        async def both() -> bool:
            return len(command.results) == 2

        await until(both)
        assert [each["result"] for each in command.results] == ["ACCEPTED", "CANCELED_RESERVATION"]
        assert yard.emsp.violations == []


async def test_nothing_is_told_where_the_partner_is_no_more(sqlite_url: str) -> None:
    async with open_yard(sqlite_url, Puppet()) as yard:
        command = await yard.reserve()
        assert await yard.result(command) == "ACCEPTED"
        async with yard.database.write() as db:
            await db.exec(update(PartnerEndpoint).values(url="https://new.example/ocpi"))
            await db.exec(update(Partner).values(versions_url="https://new.example/versions"))
        number = (await yard.reservation()).key
        await yard.report({"type": "reservation_dropped", "reservation_id": number})

        async def is_begun() -> bool:
            return all(errand.told_at for errand in await yard.errands())

        await until(is_begun)
        await asyncio.sleep(0.5)
        assert len(told(yard)) == len(command.results) == 1


class Noting(AsyncBaseTransport):
    """A host that notes when its answer to a command is complete."""

    def __init__(self, there: AsyncBaseTransport, notes: list[str]) -> None:
        self.there = there
        self.notes = notes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self.there.handle_async_request(request)
        await answer.aread()
        self.notes.append(f"{request.url.host} {answer.status_code}")
        return answer


@pytest.mark.req("CM-02")
async def test_no_result_overtakes_the_immediate_answer(database_url: str) -> None:
    async with open_yard(database_url, Puppet()) as yard:
        other = Database(database_url)
        context = replace(yard.context, database=other, errands=asyncio.Event())
        # The other process looks so often that it finds each errand as soon as there is one.
        async with running(context, poll=0.001):
            for _ in range(10):
                notes: list[str] = []
                for name in ("cpo.example", "emsp.test"):
                    there = yard.network.hosts[name]
                    yard.network.hosts[name] = Noting(there, notes)
                command = await yard.start()
                await yard.result(command)
                assert notes[0] == "cpo.example 200"
        await other.close()
