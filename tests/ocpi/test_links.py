"""The Link header, as RFC 8288 has it and as partners write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi.links import next_link

NEXT = "https://emsp.example/ocpi?offset=50&limit=50"


@pytest.mark.req("PG-10")
@pytest.mark.parametrize(
    "header",
    [
        f'<{NEXT}>; rel="next"',
        f"<{NEXT}>; rel=next",
        f'<{NEXT}>;rel="next"',
        f'  <{NEXT}>  ;  rel  =  "next"  ',
        f'< {NEXT} >; REL="NEXT"',
        f'<{NEXT}>; rel="last next"',
        f'<{NEXT}>; title="a;b,\\"c\\""; rel="next"; type=text/html',
        f'<{NEXT}>; crossorigin; rel="next"',
        f'<{NEXT}>;; rel="next";',
        f'<https://x/>; rel="prev", <{NEXT}>; rel="next", <https://y/>; rel="next"',
        f",, <https://x/?a,b;rel=next>; rel=first,<{NEXT}>;rel=next",
        f'<https://x/>; rel="prev"; rel="next", <{NEXT}>; rel="next"',
        f'<https://x/>, <{NEXT}>; rel="next"',
        f'<{NEXT}>;\trel="next"',
        f'<{NEXT}>; title="nächste\udce4"; rel="next"',
    ],
)
@pytest.mark.pitfall("IP-23")
def test_the_next_link_is_found_and_left_as_it_stands(header: str) -> None:
    assert next_link(header) == NEXT


@pytest.mark.parametrize(
    "header",
    [
        "",
        " , ",
        "<https://x/>",
        '<https://x/>; rel="prev"',
        '<https://x/>; rel="nextt"',
        '<https://x/>; title="rel=next"',
        "<https://x/>; rev=next",
        '<https://x/>; rel=""',
    ],
)
def test_without_a_next_link_the_list_ends(header: str) -> None:
    assert next_link(header) is None


@pytest.mark.parametrize(
    "header",
    [
        f'{NEXT}; rel="next"',
        f'<{NEXT}; rel="next"',
        f'<{NEXT}>; rel="next',
        f'<{NEXT}> rel="next"',
        f'<{NEXT}>; ="next"',
        f'<{NEXT}>; rel="prev"x; rel="next"',
        f'<{NEXT}>; rel="next"; title="{"a" * 8192}"',
        f'<{NEXT}ä>; rel="next"',
        f'<{NEXT}\ta>; rel="next"',
    ],
)
@pytest.mark.pitfall("IP-23")
def test_an_unreadable_header_is_not_taken_for_the_last_page(header: str) -> None:
    with pytest.raises(ValueError, match="Link header"):
        next_link(header)


@given(st.text(alphabet='<>;,= \t"\\relnxt', max_size=200))
def test_any_text_is_read_or_refused(header: str) -> None:
    try:
        found = next_link(header)
    except ValueError:
        return
    assert found is None or f"{found}" in header


@given(
    st.text(
        alphabet=st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="<>"),
        min_size=1,
    ),
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)),
)
def test_parameters_never_hide_the_relation(url: str, title: str) -> None:
    quoted = title.replace("\\", "\\\\").replace('"', '\\"')
    assert next_link(f'<{url}>; title="{quoted}"; rel="next"') == url.strip()


@pytest.mark.parametrize(
    "unit",
    [
        "<",
        "<>",
        "<>;",
        "<>,",
        "<>;a",
        "<>;a=",
        '<>;a="',
        '"',
        "\\",
        '<>;a="\\',
        " ",
        ";",
        ",",
        "<> ",
    ],
)
@pytest.mark.threat("TA-29")
def test_the_longest_headers_are_read_without_going_back(unit: str) -> None:
    """A parser that backtracks does not get through all of these in a test's time."""
    for header in (unit * (8192 // len(unit)), "<x>;a=" + unit * (8000 // len(unit))):
        try:
            next_link(header)
        except ValueError:
            continue
