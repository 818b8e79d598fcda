"""What a partner may see: the SQL of lists and the judgement of the push say the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from modules.locations.own import put_own
from modules.locations.parts import Place
from modules.locations.store import locations
from modules.locations.tagging import tag_location
from modules.tariffs.store import tariffs
from ocpi.database import Database
from ocpi.editing import object_key
from ocpi.errors import UnknownLocation
from ocpi.headers import Party
from ocpi.pagination import Paging
from ocpi.sight import Sight, SightRule, listed, read_sight
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import OURS, OWNER, open_database

OTHERS = Party("FR", "ABC")
TAGS = ("fleet", "100%", "a_b", "axb")
GROUPS = ("DEPOT", "DEPOT2")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give Locations of two owners in every combination of what rules look at."""
    async with open_database(database_url) as opened:
        number = 0
        async with opened.write() as db:
            for owner in (OURS, OTHERS):
                for country in ("FRA", "DEU"):
                    for groups in ((), (), GROUPS[:1], GROUPS):
                        number += 1
                        await _put(db, owner, f"L{number}", country, groups)
                        tags = TAGS[: number % 5]
                        await tag_location(db, owner, f"L{number}", add=tags)
        yield opened


async def _put(db: Any, owner: Party, name: str, country: str, groups: tuple[str, ...]) -> None:
    codes = {"country_code": owner.country_code, "party_id": owner.party_id}
    hidden: dict[str, Any] = {}
    if groups:
        hidden = {"publish": False, "publish_allowed_to": [{"group_id": each} for each in groups]}
    document = samples.location(**codes, id=name, country=country, evses=[], **hidden)
    await put_own(db, owner, Place(name), document)


RULES = st.lists(
    st.builds(
        SightRule,
        module=st.just("locations"),
        hide=st.booleans(),
        id=st.none() | st.sampled_from(["L1", "l2", "L9", "L", "none"]),
        country=st.none() | st.sampled_from(["FR", "deu", "NLD"]),
        tag=st.none() | st.sampled_from([*TAGS, "FLEET", "lee", "%"]),
        group=st.none() | st.sampled_from([*GROUPS, "depot", "DEP%"]),
        publish=st.none() | st.booleans(),
    ),
    max_size=4,
)


@pytest.mark.req("TR-22", "PG-07", "CO-08")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(rules=RULES)
async def test_lists_counts_and_single_objects_agree_with_the_judgement_of_the_push(
    database: Database, rules: list[SightRule]
) -> None:
    stored = [rule.model_dump(mode="json", exclude_none=True) for rule in rules]
    sight = read_sight(encode(stored)).of("locations")
    async with database.read() as db:
        facts = await locations.all_facts(db)
    seen = [each.key for each in facts if sight.admits(each)]
    both = (OURS, OTHERS)
    page = await locations.page(database, Paging(0, 100), both, sight=sight)
    assert [_key(body) for body in page.bodies] == seen
    assert page.total == len(seen)
    window = await locations.page(database, Paging(1, 2), both, sight=sight)
    assert ([_key(body) for body in window.bodies], window.total) == (seen[1:3], len(seen))
    for each in facts[:3]:
        name = each.key.rpartition("*")[2]
        assert await locations.facts(database, each.key) == each
        if each.key in seen:
            assert await locations.text(database, (OURS,), name, sight)
        else:
            with pytest.raises(UnknownLocation):
                await locations.text(database, (OURS,), name, sight)
            assert sight.why_not(each)


def _key(body: bytes) -> str:
    document = decode(body)
    return object_key(Party(document["country_code"], document["party_id"]), document["id"])


async def test_tags_survive_every_change_of_a_location_and_are_never_sent(
    database: Database,
) -> None:
    async with database.write() as db:
        await tag_location(db, OURS, "L1", add=("Mine", "mine", "other"), remove=("fleet",))
        document = samples.location(**OWNER, id="L1", country="NLD", name="New")
        await put_own(db, OURS, Place("L1"), document)
    facts = await locations.facts(database, "nl*tnm*l1")
    assert facts is not None
    assert (facts.tags, facts.country) == ("|mine|other|", "nld")
    assert b"mine" not in await locations.text(database, (OURS,), "L1")


def test_words_are_listed_once_in_lower_case() -> None:
    assert (listed(()), listed(("B", "a", "b"))) == ("|", "|a|b|")


def test_a_rule_that_cannot_be_is_refused_with_its_reason() -> None:
    for wrong, sentence in (
        ({"module": "locations", "country": "XX"}, "no country of ISO 3166"),
        ({"module": "tariffs", "tag": "fleet"}, "no condition for Tariffs"),
        ({"module": "sessions"}, "'locations' or 'tariffs'"),
        ({"module": "locations", "tag": "two words"}, "pattern"),
    ):
        with pytest.raises(ValidationError, match=sentence):
            SightRule.model_validate(wrong)


async def test_tariffs_are_chosen_by_their_ids(database: Database) -> None:
    sight = Sight((SightRule(module="tariffs", id="T1"),)).of("tariffs")
    page = await tariffs.page(database, Paging(0, 10), (OURS,), sight=sight)
    assert (list(page.bodies), page.total) == ([], 0)
