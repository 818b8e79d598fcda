"""Whatever stations and clocks do, each command that was accepted has exactly one result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import strategies as st
from sqlalchemy import update

from ocpi.errands import Errand, answer, overdue, take_new, take_untold
from ocpi.spec.document import decode
from tests.fuzz.playing import Step, play
from tests.house import data_of
from tests.modules.commands.floor import Floor, cancel, open_floor, reserve, start, stop
from tests.modules.commands.test_receiver import send

SENT = {
    "START_SESSION": start(),
    "STOP_SESSION": stop(),
    "RESERVE_NOW": reserve(),
    "CANCEL_RESERVATION": cancel("NONE"),
}
STEPS = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(list(SENT)), st.integers(0, 2)),
    st.tuples(st.just("answer"), st.integers(0, 9), st.sampled_from(["ACCEPTED", "FAILED"])),
    st.tuples(st.sampled_from(["ask stations", "time passes", "give up", "tell"])),
)


def test_each_command_has_one_result_whatever_comes_in_between() -> None:
    play(STEPS, _story)


async def _story(url: str, steps: Sequence[Step]) -> None:
    async with open_floor(url) as floor:
        told: list[tuple[str, str]] = []
        asked: list[str] = []
        accepted: set[tuple[str, int]] = set()
        first: dict[str, str] = {}
        for step in (*steps, ("time passes",), ("give up",), ("tell",)):
            await _step(floor, step, told, asked, accepted)
            for errand in await floor.errands():
                if errand.result is not None:
                    # The first result stands, whatever is said later.
                    assert first.setdefault(errand.id, errand.result) == errand.result
        errands = await floor.errands()
        assert len(errands) == len(accepted)
        assert Counter(name for name, _ in told) == Counter(each.id for each in errands)
        assert dict(told) == first
        assert set(Counter(asked).values()) <= {1}


async def _step(
    floor: Floor,
    step: Step,
    told: list[tuple[str, str]],
    asked: list[str],
    accepted: set[tuple[str, int]],
) -> None:
    match step:
        case ("send", str() as command, int() as number):
            ids = {"X-Request-ID": f"{command}-{number}"}
            response = data_of(await send(floor.emsp, command, SENT[command], **ids))
            assert response["result"] == "ACCEPTED"
            accepted.add((command, number))
        case ("answer", int() as number, str() as word):
            errands = await floor.errands()
            if errands:
                errand = errands[number % len(errands)]
                async with floor.database.write() as db:
                    taken = await answer(db, errand.id, {"result": word})
                assert taken == (errand.answered_at is None)
        case ("ask stations",):
            async with floor.database.write() as db:
                asked += [each.id for each in await take_new(db)]
        case ("time passes",):
            async with floor.database.write() as db:
                await db.exec(update(Errand).values(deadline=0))
        case ("give up",):
            async with floor.database.write() as db:
                for each in await overdue(db):
                    await answer(db, each.id, {"result": "TIMEOUT"})
        case ("tell",):
            async with floor.database.write() as db:
                for each in await take_untold(db):
                    assert decode(str(each.result))["result"]
                    told.append((each.id, str(each.result)))
