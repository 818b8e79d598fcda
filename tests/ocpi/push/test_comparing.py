"""What counts as a difference between two copies of an object."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ocpi.push.comparing import differences


@pytest.mark.parametrize(
    ("ours", "theirs", "fields"),
    [
        ({"a": 1, "b": {"c": 2}}, {"b": {"c": 2}, "a": 1}, []),
        ({"a": Decimal("1.50")}, {"a": Decimal("1.5")}, []),
        ({"a": 1}, {"a": Decimal("1.0")}, []),
        ({"at": "2026-01-02T03:04:05.678Z"}, {"at": "2026-01-02T03:04:05Z"}, []),
        ({"at": "2026-01-02T03:04:05Z"}, {"at": "2026-01-02T04:04:05+01:00"}, []),
        ({"a": None, "b": []}, {}, []),
        ({"evses": [{"uid": "1", "directions": []}]}, {"evses": [{"uid": "1"}]}, []),
        ({"at": "2026-01-02T03:04:05Z"}, {"at": "2026-01-02T03:04:06Z"}, ["at"]),
        ({"name": "2026 Street"}, {"name": "2026 street"}, ["name"]),
        ({"evses": ["1", "2"]}, {"evses": ["2", "1"]}, ["evses"]),
        ({"a": 1}, {"b": 1}, ["a", "b"]),
        ({"a": 1}, [{"a": 1}], ["everything"]),
        ({"a": 1}, "a", ["everything"]),
    ],
)
def test_what_ocpi_lets_differ_is_no_difference(ours: Any, theirs: Any, fields: list[str]) -> None:
    assert differences(ours, theirs) == fields
