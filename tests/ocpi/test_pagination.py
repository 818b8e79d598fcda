"""What a request for a page may ask, and where the next page is."""

from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi.errors import InvalidParameters
from ocpi.links import next_link
from ocpi.pagination import DEEPEST, Page, Paging, page_headers, read_paging

URL = "https://cpo.example/ocpi/cpo/2.2.1/sender/locations"
# 2019-01-28T12:00:00Z
NOON = 1_548_676_800_000_000


@pytest.mark.req("PG-03", "PG-04")
@pytest.mark.parametrize(
    ("offset", "limit", "expected"),
    [
        (None, None, Paging(0, 100)),
        ("", "", Paging(0, 100)),
        ("7", "5", Paging(7, 5)),
        ("0", "100", Paging(0, 100)),
        ("0", "101", Paging(0, 100)),
        ("0", "1000000000", Paging(0, 100)),
        ("0", "0", Paging(0, 1)),
        ("10000000000000000000", "1", Paging(10**19, 1)),
        ("007", None, Paging(7, 100)),
    ],
)
@pytest.mark.threat("TA-18")
def test_limits_are_cut_and_offsets_taken(
    offset: str | None, limit: str | None, expected: Paging
) -> None:
    given = {"offset": offset, "limit": limit}
    query = {name: text for name, text in given.items() if text is not None}
    assert read_paging(query, cap=100) == expected


@pytest.mark.req("PG-12")
@pytest.mark.parametrize(
    "text",
    ["-1", "1.5", "NaN", "1e3", "+1", " 1", "1 ", "0x10", "ten", "٣", "1_000", "9" * 21, "1;2"],
)
@pytest.mark.parametrize("name", ["offset", "limit", "after"])
def test_what_is_no_whole_number_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidParameters, match=f"^{name}: "):
        read_paging({name: text}, cap=100)


@pytest.mark.req("TY-06")
@pytest.mark.parametrize(
    "text",
    [
        "2019-01-28T12:00:00Z",
        "2019-01-28T12:00:00",
        "2019-01-28T12:00:00.000Z",
        "2019-01-28T12:00:00+00:00",
        "2019-01-28T12:00:00 00:00",  # An unencoded + arrives as a blank.
        "2019-01-28T14:00:00 02:00",
        "2019-01-28T14:00:00 0200",
        "2019-01-28T10:00:00-02:00",
        "2019-01-28 12:00:00",
        "2019-1-28T12:00:00Z",
    ],
)
@pytest.mark.pitfall("IP-08")
def test_every_form_of_a_moment_is_read(text: str) -> None:
    dates = {"date_from": text, "date_to": text}
    assert read_paging(dates, cap=1) == Paging(0, 1, NOON, NOON)


@pytest.mark.req("PG-12")
@pytest.mark.parametrize(
    "text",
    ["yesterday", "2019-01-28", "2019-13-01T00:00:00Z", "12:00", "1548676800", "\x00", "2019" * 99],
)
@pytest.mark.parametrize("name", ["date_from", "date_to"])
def test_what_is_no_moment_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidParameters, match=f"^{name}: "):
        read_paging({name: text}, cap=1)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for name in ("date_from", "offset", "limit", "after"):
        with suppress(InvalidParameters):
            assert read_paging({name: text}, cap=100).limit <= 100


@pytest.mark.req("PG-05", "PG-07", "PG-08")
@pytest.mark.parametrize(
    ("paging", "total", "shown", "following"),
    [
        (Paging(0, 2), 5, 2, 2),
        (Paging(2, 2), 5, 2, 4),
        (Paging(4, 2), 5, 1, None),
        (Paging(3, 2), 5, 2, None),
        (Paging(0, 2), 0, 0, None),
        (Paging(9, 2), 5, 0, None),
        (Paging(DEEPEST, 2), DEEPEST + 9, 2, DEEPEST + 2),
        # Some of the first ones were deleted while they were read: how many are left is not known.
        (Paging(8, 2), 5, 2, 10),
        (Paging(8, 2), 10, 2, 10),
        (Paging(8, 2), 12, 2, None),
    ],
)
def test_each_page_but_the_last_names_the_next(
    paging: Paging, total: int, shown: int, following: int | None
) -> None:
    page = Page([b"{}"] * shown, total, last=77, goes_on=following is not None)
    headers = page_headers(URL, {}, paging, page, cap=100)
    link = headers.pop("Link", None)
    assert headers == {"X-Total-Count": str(total), "X-Limit": "100"}
    expected = f'<{URL}?offset={following}&limit={paging.limit}&after=77>; rel="next"'
    assert link == (None if following is None else expected)


@pytest.mark.req("PG-06")
@given(
    st.dictionaries(
        st.sampled_from(["date_from", "date_to"]),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    )
)
@pytest.mark.pitfall("IP-23")
def test_the_next_link_repeats_every_filter(filters: dict[str, str]) -> None:
    headers = page_headers(
        URL, filters, Paging(0, 3), Page([b"{}"] * 3, 9, last=7, goes_on=True), cap=100
    )
    link = next_link(headers["Link"])
    assert link is not None
    query = parse_qs(urlsplit(link).query, keep_blank_values=True)
    repeated = {name: [text] for name, text in filters.items()}
    assert query == {**repeated, "offset": ["3"], "limit": ["3"], "after": ["7"]}
