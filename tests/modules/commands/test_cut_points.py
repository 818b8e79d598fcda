"""Wherever the database fails at a command, it is carried out once when it comes again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.cutting import Cuts
from tests.house import data_of
from tests.modules.commands.floor import ANSWERS, Floor, open_floor, reserve, start, token
from tests.modules.commands.test_receiver import send


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> Cuts:
    return Cuts(monkeypatch)


@pytest.fixture
async def cut_floor(database_url: str, cuts: Cuts) -> AsyncIterator[Floor]:
    async with open_floor(database_url) as opened:
        cuts.watch(opened.database)
        yield opened


@pytest.mark.threat("TA-13")
@pytest.mark.parametrize("command", ["START_SESSION", "RESERVE_NOW"])
async def test_a_command_that_fails_anywhere_is_carried_out_once_when_it_comes_again(
    cut_floor: Floor, cuts: Cuts, command: str
) -> None:
    for number in cuts.numbers():
        uid = f"CARD-{number}-"
        body = {"response_url": f"{ANSWERS}{number}", "token": token(uid=uid)}
        if command == "RESERVE_NOW":
            body = reserve(**body, reservation_id=f"RES-{number}")
        else:
            body = start(**body)
        ids = {"X-Request-ID": uid}
        cuts.arm(number)
        answer = await send(cut_floor.emsp, command, body, **ids)
        at = cuts.disarm()
        if answer.status_code == 503:
            answer = await send(cut_floor.emsp, command, body, **ids)
        assert data_of(answer)["result"] == "ACCEPTED", at
        errands = await cut_floor.errands()
        assert sum(uid in errand.request for errand in errands) == 1, at
