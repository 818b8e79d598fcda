"""What real operators publish is read without a refusal, and nothing of it is lost."""

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import ocpi
from ocpi.spec import document
from ocpi.spec.locations import Location
from ocpi.spec.reading import dump, read
from ocpi.spec.tariffs import Tariff
from ocpi.spec.types import OCPIModel

DATA = Path(ocpi.__file__).parent / "testing" / "data"


@pytest.mark.req("TY-14", "TY-15")
@pytest.mark.parametrize(
    ("name", "model", "tolerated"),
    [
        ("locations-tesla-fr.json.gz", Location, {"IP-08 moment": 19}),
        ("tariffs-tesla-fr.json.gz", Tariff, {"IP-09 enum": 546}),
    ],
)
def test_published_objects_are_read_and_kept_whole(
    name: str, model: type[OCPIModel], tolerated: dict[str, int]
) -> None:
    objects = document.decode(gzip.decompress((DATA / name).read_bytes()))["data"]
    notes: list[str] = []
    written = [dump(read(model, each, notes)) for each in objects]
    assert len(objects) == 273
    assert Counter(note.partition(":")[0] for note in notes) == tolerated
    assert [without_times(each) for each in written] == [without_times(each) for each in objects]


def without_times(value: Any) -> Any:
    """Leave out what may be written in another form, .5Z as .500Z, and lists that are empty."""
    if isinstance(value, dict):
        return {
            name: without_times(member)
            for name, member in value.items()
            if name != "last_updated" and member != []
        }
    return [without_times(item) for item in value] if isinstance(value, list) else value
