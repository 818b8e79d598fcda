"""Every field of every object with everything that is wrong for it: each answer is the one due."""

from __future__ import annotations

import pytest

from tests.corpus.fields import OBJECTS, Case, cases
from tests.corpus.sending import TAKEN, is_stored, judge, open_world, send_field

CASES = list(cases())


def test_there_are_at_least_1500_of_them_and_each_has_a_name_of_its_own() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES) >= 1500
    assert {case["object"] for case in CASES} == set(OBJECTS)


@pytest.mark.pitfall("IP-08", "IP-09", "IP-20", "IP-21", "IP-22")
@pytest.mark.threat("TA-19", "TA-26")
@pytest.mark.parametrize("kind", OBJECTS)
async def test_a_wrong_field_is_refused_or_mended_or_kept(database_url: str, kind: str) -> None:
    found = [case for case in CASES if case["object"] == kind]
    if database_url.startswith("postgresql"):
        # What is refused reaches no database, so that a part of it is enough for the second one.
        found = [
            each
            for number, each in enumerate(found)
            if each["expected"] in TAKEN or number % 10 == 0
        ]
    sent: dict[str, Case] = {f"X{number}": case for number, case in enumerate(found)}
    async with open_world(database_url, kind) as world:
        wrong = [await send_field(world, case, name) for name, case in sent.items()]
        assert [each for each in wrong if each] == []
        due = {name: case for name, case in sent.items() if is_stored(case)}
        stored = await world.stored(due) if due else {}
        wrong = [judge(case, stored.get(name)) for name, case in due.items()]
    assert [each for each in wrong if each] == []
