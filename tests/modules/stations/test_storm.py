"""Many errands at once, about the same reservation, with stations that answer as they like."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest

from modules.commands.reservations import Fate, Reservation
from ocpi.database import Database
from ocpi.gateway import Demand, GatewayFailed
from ocpi.testing.mock.errands import Command
from tests.modules.stations.yard import Puppet, Yard, open_yard, running

WORDS = ("ACCEPTED", "ACCEPTED", "REJECTED", "EVSE_OCCUPIED", "NONSENSE")
OVER = {"COMPLETED", "RESERVATION"}


@pytest.mark.req("CM-07", "CM-20", "CM-22")
async def test_each_of_many_errands_has_one_result_and_reservations_agree_with_sessions(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(4711)  # noqa: S311 - The same storm each time.
    gateway = Puppet()

    async def answer(demand: Demand) -> dict[str, Any] | None:
        await asyncio.sleep(chance.random() / 5)
        word = chance.choice(WORDS)
        if chance.random() < 0.1:
            raise GatewayFailed("away")
        if chance.random() < 0.4:
            report = {"type": "result", "id": demand.id, "result": word}
            await yard.report(report, report)
        return None if chance.random() < 0.3 else {"result": word}

    gateway.answer = answer
    async with open_yard(database_url, gateway, command_timeout=3) as yard:
        other = Database(database_url)
        async with running(replace(yard.context, database=other, errands=asyncio.Event())):
            commands = await asyncio.gather(*(_command(yard, number) for number in range(40)))
            for command in commands:
                assert (command.response or {})["result"] == "ACCEPTED"
                await yard.result(command)
            await asyncio.sleep(1)
        await other.close()
        asked = [demand.id for demand in gateway.demands]
        assert len(asked) == len(set(asked))
        sessions = {each["id"]: each["status"] for each in await yard.sessions()}
        for reservation in await yard.rows(Reservation):
            held = reservation.fate == Fate.HELD
            assert held == (sessions.get(str(reservation.session_id)) == "RESERVATION")
        assert set(sessions.values()) <= OVER
        assert all(len(each.results) == 1 or _dropped(each) for each in commands)
        assert yard.emsp.violations == []
    assert "errand failed" not in capsys.readouterr().out


async def _command(yard: Yard, number: int) -> Command:
    if number % 5 == 4:
        return await yard.cancel()
    return await yard.reserve(evse_uid=f"EVSE-{number % 3 + 1}")


def _dropped(command: Command) -> bool:
    return [each["result"] for each in command.results] == ["ACCEPTED", "CANCELED_RESERVATION"]
