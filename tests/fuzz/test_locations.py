"""Whatever owners and strangers write of a Location, its list shows what a model holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from ocpi.spec.locations import Location
from ocpi.spec.reading import defects
from ocpi.testing import samples
from tests.corpus.sending import list_of
from tests.fuzz.playing import Step, play
from tests.house import HUB, codes_of
from tests.ocpi.hub.town import CPO1, CPO2, EMSP1, Town, open_town

Document = dict[str, Any]
MINUTES = st.integers(0, 9)
UIDS = st.sampled_from(["E1", "E2"])
CONNECTORS = st.sampled_from(["1", "2"])
WHO = st.sampled_from(["cpo1", "cpo1", "cpo1", "cpo2"])
METHODS = st.sampled_from(["PUT", "PUT", "PATCH", "PATCH", "DELETE"])
STEPS = st.one_of(
    st.tuples(WHO, METHODS, st.just(()), MINUTES),
    st.tuples(WHO, METHODS, st.tuples(UIDS), MINUTES),
    st.tuples(WHO, METHODS, st.tuples(UIDS, CONNECTORS), MINUTES),
)


def at(minute: int) -> str:
    return f"2026-01-15T09:0{minute}:00Z"


def test_a_location_is_what_its_owner_made_it_and_nobody_else() -> None:
    play(STEPS, _story)


async def _story(url: str, steps: Sequence[Step]) -> None:
    async with open_town(url, (CPO1, CPO2, EMSP1)) as town:
        model: Document = {}
        for number, (who, method, place, minute) in enumerate(steps):
            model = await _write(town, model, who, method, place, minute, number)
            listed = await list_of(town, "location")
            assert listed == ([model] if model else [])
            assert [defects(each, Location) for each in listed] == [[]] * len(listed)


def _whole(place: tuple[str, ...], minute: int, number: int) -> Document:
    if len(place) == 2:
        return samples.connector(1, id=place[1], max_amperage=number + 1, last_updated=at(minute))
    if place:
        connectors = [_whole((place[0], "1"), minute, number)]
        reference = str(number)
        return samples.evse(
            1,
            uid=place[0],
            connectors=connectors,
            physical_reference=reference,
            last_updated=at(minute),
        )
    return samples.location(
        country_code="BE",
        party_id="BEC",
        id="X1",
        name=f"Place {number}",
        evses=[_whole(("E1",), minute, number)],
        last_updated=at(minute),
    )


def _changes(place: tuple[str, ...], minute: int, number: int) -> Document:
    field = ({"name": f"Place {number}"}, {"status": "BLOCKED"}, {"max_amperage": number + 1})
    return {**field[len(place)], "last_updated": at(minute)}


async def _write(
    town: Town,
    model: Document,
    who: str,
    method: str,
    place: tuple[str, ...],
    minute: int,
    number: int,
) -> Document:
    make = _changes if method == "PATCH" else _whole
    body = None if method == "DELETE" else make(place, minute, number)
    path = "/".join(["receiver/locations/BE/BEC/X1", *place])
    answer = await town.peers[who].send(method, path, body, to=HUB)
    if method == "DELETE":
        assert codes_of(answer)[1] != 1000, answer.text
        return model
    if who != "cpo1":
        assert codes_of(answer)[1] != 1000, answer.text
        return model
    assert body is not None
    after = _after(model, method, list(place), body)
    if after is None:
        assert codes_of(answer) == (404, 2003), answer.text
        return model
    assert codes_of(answer) in ((200, 1000), (201, 1000)), answer.text
    return after


def _after(stored: Document, method: str, place: list[str], body: Document) -> Document | None:
    """Give the Location, EVSE or Connector after a write; None where there is nothing to write."""
    if place:
        if not stored:
            return None
        name, key = ("evses", "uid") if "evses" in stored else ("connectors", "id")
        parts: list[Document] = stored[name]
        older = next((each for each in parts if each[key] == place[0]), {})
        newer = _after(older, method, place[1:], body)
        if newer is None:
            return None
        kept = [newer if each is older else each for each in parts]
        moment = max(stored["last_updated"], newer["last_updated"])
        return {**stored, name: kept if older else [*kept, newer], "last_updated": moment}
    if not stored:
        return None if method == "PATCH" else body
    if body["last_updated"] < stored["last_updated"]:
        return _late(stored, method, body)
    return {**stored, **body} if method == "PATCH" else body


def _late(stored: Document, method: str, body: Document) -> Document:
    """Give what one EVSE, and not all, has dated after an older write."""
    parts: list[Document] = stored.get("evses", [])
    if {each["last_updated"] == stored["last_updated"] for each in parts} != {True, False}:
        return stored
    date = {"last_updated": stored["last_updated"]}
    if method == "PATCH":
        return {**stored, **body, **date}
    given = {each["uid"]: each for each in body["evses"]}
    evses = {
        each["uid"]: each
        for each in parts
        if each["uid"] in given or each["last_updated"] > body["last_updated"]
    }
    for uid, each in given.items():
        if uid not in evses or evses[uid]["last_updated"] <= each["last_updated"]:
            evses[uid] = each
    return {**body, "evses": list(evses.values()), **date}
