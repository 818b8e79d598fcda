"""What a partner gets instead: ids, dates, and what is kept of mappings that have ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.locations.own import put_own
from modules.locations.parts import Place
from modules.locations.store import locations
from modules.tariffs.own import put_own as put_tariff
from modules.tariffs.store import tariffs
from ocpi.database import Database
from ocpi.editing import object_key
from ocpi.golive.ruling import keys_naming
from ocpi.headers import Party
from ocpi.mappings import NO_MAPPINGS, Mappings, TariffMapping
from ocpi.pagination import Paging
from ocpi.sight import Sight, SightRule, read_sight
from ocpi.spec.document import decode, encode
from ocpi.spec.moments import format_moment, microseconds, moment_of, parse_moment
from ocpi.testing import samples
from tests.house import OURS, OWNER, open_database

OTHERS = Party("FR", "ABC")
IDS = ("A", "B", "C", "D")
SECOND = 1_000_000
START = microseconds(parse_moment("2026-01-01T00:00:00Z"))


def mapping(tariff_id: str, instead: str, since: int = START, **over: Any) -> TariffMapping:
    return TariffMapping(
        **{**OWNER, "tariff_id": tariff_id, "instead": instead}, since=since, **over
    )


def test_ids_are_swapped_in_order_each_once_and_in_whatever_case() -> None:
    mappings = NO_MAPPINGS.put(mapping("A", "B"))
    assert mappings.ids("nl*tnm", ["C", "a", "D"]) == ["C", "B", "D"]
    assert mappings.ids("nl*tnm", ["b", "D", "A"]) == ["b", "D"]
    assert mappings.ids("fr*abc", ["A"]) == ["A"]


def test_no_date_goes_back_when_a_mapping_ends_or_another_takes_its_place() -> None:
    stored = "2025-12-31T00:00:00Z"
    first = NO_MAPPINGS.put(mapping("A", "B", START))
    other = first.put(mapping("A", "C", START + SECOND))
    over = other.end("nl*tnm*a", START + 2 * SECOND)
    told = [each.date("nl*tnm", ["A"], stored) for each in (NO_MAPPINGS, first, other, over)]
    assert told == [stored, *(f"2026-01-01T00:00:0{n}Z" for n in range(3))]
    assert over.date("nl*tnm", ["B"], stored) == "2026-01-01T00:00:01Z"
    assert over.date("nl*tnm", ["A"], "2026-02-01T00:00:00Z") == "2026-02-01T00:00:00Z"
    assert (over.live, bool(over), over.end("nl*tnm*a", START)) == ((), True, over)
    again = over.put(mapping("A", "B", START + 3 * SECOND))
    assert [(each.instead, each.ended) for each in again.every] == [("C", True), ("B", False)]


def test_without_mappings_the_sight_is_that_of_everybody() -> None:
    assert read_sight(None, None) is read_sight("null", "null")
    ended = NO_MAPPINGS.put(mapping("A", "B")).end("nl*tnm*a", START)
    stored = encode([each.model_dump() for each in ended.every])
    sight = read_sight(None, stored)
    assert sight.mappings == ended
    assert [bool(sight.of(module)) for module in ("locations", "tariffs")] == [False, False]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give the Tariffs of two owners, and Locations that name them, each at a second of its own."""
    async with open_database(database_url) as opened:
        async with opened.write() as db:
            for owner in (OURS, OTHERS):
                codes = {"country_code": owner.country_code, "party_id": owner.party_id}
                for number, name in enumerate(IDS):
                    date = format_moment(moment_of(START + number * SECOND))
                    tariff = samples.tariff(**codes, id=name, last_updated=date)
                    await put_tariff(db, owner, name, tariff)
                    ids = [name, *IDS[:number:2]]
                    connector = samples.connector(1, tariff_ids=ids, last_updated=date)
                    evse = samples.evse(1, connectors=[connector], last_updated=date)
                    location = samples.location(**codes, id=name, evses=[evse], last_updated=date)
                    await put_own(db, owner, Place(name), location)
        yield opened


PAIRS = st.permutations(IDS).map(lambda ids: ((ids[0], ids[1]), (ids[2], ids[3])))
CHANGES = st.lists(st.tuples(st.integers(0, 1), st.booleans(), st.integers(0, 5)), max_size=5)
RULES = st.lists(
    st.builds(
        SightRule,
        module=st.sampled_from(["locations", "tariffs"]),
        hide=st.booleans(),
        id=st.sampled_from(IDS),
    ),
    max_size=3,
)
MOMENT = st.none() | st.integers(-1, 6).map(lambda second: START + second * SECOND)


def built(pairs: Any, changes: Any) -> Mappings:
    mappings = NO_MAPPINGS
    for pair, ends, second in changes:
        wanted = mapping(pairs[pair][0], pairs[pair][1], START + second * SECOND)
        ended = mappings.end(wanted.replaced, wanted.since)
        mappings = ended if ends else mappings.put(wanted)
    return mappings


@pytest.mark.req("PG-02", "PG-07", "TR-22")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs=PAIRS, changes=CHANGES, rules=RULES, date_from=MOMENT, date_to=MOMENT)
async def test_lists_hold_what_the_push_tells_by_the_dates_that_they_show(
    database: Database, pairs: Any, changes: Any, rules: Any, date_from: Any, date_to: Any
) -> None:
    mappings = built(pairs, changes)
    for module, store in (("locations", locations), ("tariffs", tariffs)):
        sight = Sight(tuple(rules), mappings).of(module)
        async with database.read() as db:
            facts = await store.all_facts(db)
        told = []
        for each in facts:
            text = await store.text_of(database, each.key)
            document = decode(text or "")
            if each.owner in mappings.owners:
                document = store.told(document, mappings)
            moment = microseconds(parse_moment(document["last_updated"]))
            late = date_from is None or moment >= date_from
            early = date_to is None or moment < date_to
            if sight.admits(each) and late and early:
                told.append(document)
        paging = Paging(0, 100, date_from, date_to)
        page = await store.page(database, paging, (OURS, OTHERS), sight=sight)
        assert [decode(body) for body in page.bodies] == told
        assert page.total == len(told)


@given(pairs=PAIRS, changes=CHANGES)
def test_a_partner_never_gets_what_is_replaced_and_always_what_is_given(
    pairs: Any, changes: Any
) -> None:
    mappings = built(pairs, changes)
    ids = mappings.ids("nl*tnm", IDS)
    assert not {each.tariff_id for each in mappings.live} & {*ids}
    assert {each.instead for each in mappings.live} <= {*ids}
    assert len(ids) == len({*ids}) == 4 - len(mappings.live)


async def test_what_names_a_tariff_is_found_by_its_key(database: Database) -> None:
    async with database.read() as db:
        found = await keys_naming(db, locations, ["nl*tnm*a"])
        both = {"fr*abc*b", "nl*tnm*a"}
        assert await keys_naming(db, tariffs, both) == both
        assert await keys_naming(db, locations, []) == set()
    assert found == {object_key(OURS, name) for name in IDS}
