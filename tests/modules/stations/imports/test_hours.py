"""Opening hours in OpenStreetMap's style and what OCPI makes of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.stations.imports.hours import minutes_open, parse_hours

ALWAYS = {"twentyfourseven": True}
TABLE = [
    ("24/7", ALWAYS),
    ("Mo-Su 00:00-24:00", ALWAYS),
    ("00:00-00:00", ALWAYS),
    ("Mo-Fr 00:00-23:59, Sa-Su 00:00-24:00", ALWAYS),
    ("Mo 08:00-19:00", "1 08:00-19:00"),
    ("mo 8:00 - 19:00", "1 08:00-19:00"),
    ("Mo 09:30-12:00,Mo 14:00-18:30", "1 09:30-12:00 | 1 14:00-18:30"),
    ("Mo 09:30-12:00,14:00-18:30", "1 09:30-12:00 | 1 14:00-18:30"),
    ("Mo,We 08:00-12:00", "1 08:00-12:00 | 3 08:00-12:00"),
    ("Su 10:00-12:00, Sa 14:00-19:00", "6 14:00-19:00 | 7 10:00-12:00"),
    ("Sa-Mo 10:00-11:00", "1 10:00-11:00 | 6 10:00-11:00 | 7 10:00-11:00"),
    ("Mo 07:00-00:00", "1 07:00-23:59"),
    ("Mo 07:00-24:00", "1 07:00-23:59"),
    ("Mo 00:00-00:00", "1 00:00-23:59"),
    ("Mo 22:00-02:00", "1 22:00-23:59 | 2 00:00-02:00"),
    ("Su 22:00-02:00", "1 00:00-02:00 | 7 22:00-23:59"),
    ("Mo 10:00-10:00", "1 10:00-23:59 | 2 00:00-10:00"),
    ("Mo 06:00-23:59,Tu 00:00-01:00", "1 06:00-23:59 | 2 00:00-01:00"),
    ("Mo 08:00-19:30, Mo 08:00-23:00", "1 08:00-23:00"),
    ("Mo 08:00-12:00, Mo 12:00-13:00", "1 08:00-13:00"),
    ("Mo-Tu 08:00-18:00; Tu 10:00-12:00", "1 08:00-18:00 | 2 10:00-12:00"),
    ("Mo-Tu 08:00-18:00; Tu off", "1 08:00-18:00"),
    ("Mo 22:00-02:00; Tu 08:00-09:00", "1 22:00-23:59 | 2 00:00-02:00 | 2 08:00-09:00"),
    ("Mo 00:00-00:01", "1 00:00-00:01"),
    ("Mo off", None),
    ("", None),
    ("Mo", None),
    ("Mo 08:00-25:00", None),
    ("Mo 08:61-10:00", None),
    ("Mo 24:30-25:00", None),
    ("Mo sunrise-sunset", None),
    ("Mo-Fr 08:00-18:00, PH off", None),
    ("Lundi 08:00-18:00", None),
    ("Mo 08:00-18:00,", None),
    ("Mo 08:00-18:00," * 100, None),
]


def written(hours: dict[str, Any] | None) -> Any:
    """Return regular hours as one line, so that the table can be read."""
    if hours is None or hours["twentyfourseven"]:
        return hours
    return " | ".join(
        f"{each['weekday']} {each['period_begin']}-{each['period_end']}"
        for each in hours["regular_hours"]
    )


@pytest.mark.req("LO-25", "LO-26")
@pytest.mark.parametrize(("text", "expected"), TABLE)
def test_hours_are_read_as_their_writer_meant_them(text: str, expected: Any) -> None:
    assert written(parse_hours(text)) == expected


@pytest.mark.req("LO-25", "LO-26")
@given(st.text() | st.text(alphabet="MoTuWeSaSu 0123456789:-,;off/", max_size=60))
def test_any_text_gives_lawful_hours_or_none(text: str) -> None:
    hours = parse_hours(text)
    if hours and not hours["twentyfourseven"]:
        periods = hours["regular_hours"]
        assert periods
        assert all(each["period_begin"] < each["period_end"] <= "23:59" for each in periods)
        assert minutes_open(hours) > 0


def test_open_minutes_are_counted_over_the_week() -> None:
    hours = parse_hours("Mo-Tu 08:00-09:30")
    assert hours
    assert (minutes_open(hours), minutes_open(ALWAYS)) == (180, 10_080)
