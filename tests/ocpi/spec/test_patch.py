"""A PATCH is read by the fields that it has."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from ocpi.spec.credentials import Credentials
from ocpi.spec.locations import EVSE, Location
from ocpi.spec.reading import dump, problems, read, read_patch
from ocpi.spec.sessions import Session
from ocpi.spec.tokens import Token
from ocpi.spec.types import OCPIModel
from ocpi.testing import samples

NOW = {"last_updated": "2026-01-02T03:04:05Z"}


@pytest.mark.req("PP-05", "TY-14")
def test_only_what_was_sent_comes_back_and_in_canonical_form() -> None:
    tolerated: list[str] = []
    patch = read_patch(
        Session,
        {"kwh": "2.50", "last_updated": "2026-01-02T04:04:05+01:00", "x": {"y": None}},
        tolerated,
    )
    assert patch == {"kwh": Decimal("2.50"), "x": {"y": None}} | NOW
    assert tolerated == ["IP-20 number: kwh", "IP-08 moment: last_updated"]


@pytest.mark.pitfall("IP-21")
def test_an_empty_list_empties_the_field_and_an_empty_text_changes_nothing() -> None:
    patch = read_patch(Location, {"images": [], "name": "", "publish": False} | NOW)
    assert patch == {"publish": False, "images": []} | NOW


def test_a_class_without_last_updated_needs_none() -> None:
    assert read_patch(Credentials, {"token": "abc"}) == {"token": "abc"}


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"status": "CHARGING"}, "last_updated: is required"),
        (
            {"evse_id": None} | NOW,
            "evse_id: can't be removed by PATCH, and null says nothing else",
        ),
        ({"status": None} | NOW, "status: can't be removed by PATCH, and null says nothing else"),
        ({"connectors": []} | NOW, "connectors: needs at least one item"),
        ({"coordinates": {"latitude": "52.01160"}} | NOW, "coordinates.longitude: is required"),
        ([], "the document: is no object"),
    ],
)
@pytest.mark.req("PP-05", "PP-06", "PP-07")
@pytest.mark.pitfall("IP-13", "IP-21")
def test_a_patch_that_cannot_be_applied_is_refused(document: Any, sentence: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        read_patch(EVSE, document)
    assert problems(refusal.value) == sentence


EMPTY: list[Any] = [[], {}, "", None, [None], 0]


@pytest.mark.req("PP-05", "TY-10")
@pytest.mark.parametrize(
    ("model", "document"),
    [
        (Location, samples.location()),
        (EVSE, samples.location()["evses"][0]),
        (Session, samples.session()),
        (Token, samples.token()),
    ],
)
def test_what_a_patch_may_hold_leaves_an_object_that_can_be_read(
    model: type[OCPIModel], document: dict[str, Any]
) -> None:
    whole = dump(read(model, document))
    taken = []
    for name in model.model_fields:
        for value in [whole.get(name), *EMPTY]:
            with suppress(ValidationError):
                taken.append(read_patch(model, NOW | {name: value}))
    for patch in taken:
        merged = whole | patch
        assert dump(read(model, merged)).keys() <= merged.keys()
    assert len(taken) > len(model.model_fields)
