"""Moments are read in every form that is met and written in one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ocpi.spec.moments import format_moment, microseconds, moment_of, parse_moment

EXACT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.req("TY-05", "TY-06", "TY-07")
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", EXACT),
        ("2026-01-02T03:04:05", EXACT),
        ("2026-01-02t03:04:05z", EXACT),
        ("2026-01-02 03:04:05", EXACT),
        ("2026-01-02T03:04:05+00:00", EXACT),
        ("2026-01-02T05:04:05+02:00", EXACT),
        ("2026-01-02T05:04:05 02:00", EXACT),
        ("2026-01-02T05:04:05+0200", EXACT),
        ("2026-01-02T05:04:05+02", EXACT),
        ("2026-01-01T22:04:05-05:00", EXACT),
        ("2026-1-2T03:04:05Z", EXACT),
        ("1970-1-1T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2026-01-02T03:04:05.2Z", EXACT + timedelta(milliseconds=200)),
        ("2026-01-02T03:04:05.21Z", EXACT + timedelta(milliseconds=210)),
        ("2026-01-02T03:04:05,123Z", EXACT + timedelta(milliseconds=123)),
        ("2026-01-02T03:04:05.123456Z", EXACT + timedelta(microseconds=123456)),
        ("2026-01-02T03:04:05.123456789Z", EXACT + timedelta(microseconds=123456)),
        ("2026-01-02T03:04Z", EXACT.replace(second=0)),
        ("2026-01-02T03:04", EXACT.replace(second=0)),
        ("2026-01-02T05:04+02:00", EXACT.replace(second=0)),
        ("2026-01-02T05:04:05 +02:00", EXACT),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2017-01-01T00:59:60+01:00", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
@pytest.mark.pitfall("IP-08")
def test_a_moment_is_read_as_utc_whatever_its_form(text: str, moment: datetime) -> None:
    parsed = parse_moment(text)
    assert (parsed, parsed.tzinfo) == (moment, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-02",
        "03:04:05",
        "2026-02-30T03:04:05Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:61Z",
        "2026-01-02T03Z",
        "2026-01-02T03:04.5Z",
        "2026-01-02T03:04:05+25:00",
        "2026-W01-1T03:04:05Z",
        "20260102T030405Z",
        "1767323045",
        "0001-01-01T00:00:00+02:00",
        "2026-01-02T03:04:05Z\n",
        "٢٠٢٦-01-02T03:04:05Z",
        "2026-01-02T03:04:05." + "1" * 100 + "Z",
    ],
)
def test_what_is_no_moment_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is no moment such as"):
        parse_moment(text)


@pytest.mark.req("TY-05", "TY-07")
@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (EXACT, "2026-01-02T03:04:05Z"),
        (EXACT.replace(microsecond=120_999), "2026-01-02T03:04:05.120Z"),
        (EXACT.replace(microsecond=999), "2026-01-02T03:04:05Z"),
        (EXACT.astimezone(timezone(timedelta(hours=2))), "2026-01-02T03:04:05Z"),
        (datetime(800, 1, 1, tzinfo=UTC), "0800-01-01T00:00:00Z"),
    ],
)
@pytest.mark.pitfall("IP-08")
def test_a_moment_is_written_with_z_and_none_or_three_decimals(moment: datetime, text: str) -> None:
    assert format_moment(moment) == text


def test_a_moment_without_a_time_zone_is_not_written() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        format_moment(datetime(2026, 1, 2))  # noqa: DTZ001 - that is the point


@settings(deadline=None)
@given(st.datetimes(timezones=st.timezones()))
def test_what_is_written_is_read_back_to_the_millisecond(moment: datetime) -> None:
    assume(1 < moment.year < 9999)
    utc = moment.astimezone(UTC)
    expected = utc.replace(microsecond=utc.microsecond // 1000 * 1000)
    assert parse_moment(format_moment(moment)) == expected


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_a_value_error(text: str) -> None:
    try:
        moment = parse_moment(text)
    except ValueError:
        return
    assert moment.tzinfo is UTC


@settings(deadline=None)
@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_is_counted_in_microseconds_and_back(moment: datetime) -> None:
    assert moment_of(microseconds(moment)) == moment
    assert microseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == 1_000_000
