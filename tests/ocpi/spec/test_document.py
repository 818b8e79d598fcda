"""JSON goes in and out exactly, or not at all."""

import json
from decimal import Decimal
from operator import pos
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ocpi.spec.document import decode, encode, is_deeper

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**20) + 1, max_value=10**20 - 1)
    | st.decimals(
        allow_nan=False, allow_infinity=False, places=12, min_value=-(10**15), max_value=10**15
    )
    | st.decimals(min_value=Decimal("1E-29"), max_value=Decimal("1E-7")).map(pos)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
_KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(_VALUES)
def test_what_is_written_is_read_back_equal(value: Any) -> None:
    assert decode(encode(value)) == value


@settings(deadline=None)
@given(st.binary(max_size=60))
@pytest.mark.threat("TA-14")
def test_any_bytes_are_a_document_or_a_value_error(data: bytes) -> None:
    try:
        value = decode(data)
    except ValueError:
        return
    assert decode(encode(value)) == value


@pytest.mark.req("TY-08")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.10", Decimal("0.10")),
        ("0.1000000000000000055", Decimal("0.1000000000000000055")),
        ("-1.5", Decimal("-1.5")),
        ("1e3", Decimal(1000)),
        ("1E-30", Decimal("1E-30")),
        ("99999999999999999999", 99999999999999999999),
        ("\ufeff[1]", [1]),
        (r'"\\u0000"', r"\u0000"),
        ("[" * 32 + "]" * 32, decode("[" * 31 + "[]" + "]" * 31)),
    ],
)
def test_numbers_are_read_exactly(text: str, value: Any) -> None:
    decoded = decode(text)
    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the JSON can't be read"),
        ("{'a': 1}", "the JSON can't be read"),
        ("[1,]", "the JSON can't be read"),
        ("NaN", "the JSON can't be read"),
        ("-Infinity", "the JSON can't be read"),
        ("4,00", "the JSON can't be read"),
        (b"\xff\xfe", "the JSON can't be read"),
        (r'"\ud800"', "the JSON can't be read"),
        (r'"\ud800 and more"', "the JSON can't be read"),
        ('"\ud800"', "the JSON can't be read"),
        (r'{"a": ["\u0000"]}', "holds the character NUL"),
        (r'{"\u0000": 1}', "holds the character NUL"),
        ("1e31", "out of reach"),
        ("1e-31", "out of reach"),
        ("0e99", "out of reach"),
        ('{"a":1e99999999999999999999}', "out of reach"),
        ("-1E-99999999999999999999", "out of reach"),
        ("0." + "1" * 80, "out of reach"),
        ("[-" + "1" * 32 + "]", "more than 31 digits"),
        ("[" * 33 + "]" * 33, "nested deeper than 32"),
        ('{"a":' * 33 + "1" + "}" * 33, "nested deeper than 32"),
        ("[" * 50_000 + "]" * 50_000, "nested deeper than 32"),
        ('{"uid":"a","uid":"b"}', "has the key 'uid' twice"),
        ('{"uid":"a", "uid" \t\r\n: "b"}', "has the key 'uid' twice"),
        (r'{"uid":"a","u\u0069d":"b"}', "has the key 'uid' twice"),
        ('{"a":[{"b":{"":1,"":1}}]}', "has the key '' twice"),
        ('{"é":{"é":1},"é":2}', r"has the key '\\xe9' twice"),
    ],
)
@pytest.mark.pitfall("IP-20")
@pytest.mark.threat("TA-20")
def test_what_would_do_harm_is_refused_with_a_sentence(text: str | bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        decode(text)


def _levels(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(_levels, value.values() if isinstance(value, dict) else value), default=0)


@given(_VALUES, _VALUES, st.integers(min_value=1, max_value=4))
@pytest.mark.threat("TA-20")
def test_what_is_deeper_is_seen_beside_what_was_known_before(
    known: Any, new: Any, most: int
) -> None:
    assume(0 < _levels(known) <= most and _levels(new) > 0)
    assert is_deeper(new, None, most) == (_levels(new) > most)
    assert not is_deeper(known, known, most)
    changed = {**known, "new": new} if isinstance(known, dict) else [*known[1:], new, *known[:1]]
    assert is_deeper(changed, known, most) == (_levels(changed) > most)


@pytest.mark.parametrize("blank", ["", " ", "\n\t "])
@given(value=st.dictionaries(st.text(':"\\ k\n', max_size=5), st.text(':"\\ ,{}', max_size=5)))
def test_texts_that_look_like_keys_are_none(blank: str, value: dict[str, str]) -> None:
    text = json.dumps(value, separators=(",", f"{blank}:"))
    assert decode(text) == value
    for key in value:
        with pytest.raises(ValueError, match="twice"):
            decode(f"{text[:-1]},{json.dumps(key)}{blank}:1}}")


@pytest.mark.req("TY-08")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": Decimal("1.50"), "a": None}, '{"b":1.50,"a":null}'),
        (Decimal("1E+5"), "100000"),
        ([Decimal("1E-8"), "1E-8"], '[0.00000001,"1E-8"]'),
        ({"NaN": (Decimal("2E-9"),)}, '{"NaN":[0.000000002]}'),
        ("é€😀", '"é€😀"'),
    ],
)
@pytest.mark.pitfall("IP-20")
def test_decimals_are_written_as_numbers_without_exponent(value: Any, text: str) -> None:
    assert encode(value) == text


@pytest.mark.parametrize("value", [Decimal("NaN"), [Decimal("-Infinity")], {"a": "\ud800"}])
def test_what_json_cannot_say_is_not_written(value: Any) -> None:
    with pytest.raises(ValueError, match=r"no JSON number|lone surrogate"):
        encode(value)


@pytest.mark.parametrize("text", ["9E30", "-1e30", "1E-30", "9" * 31])
def test_whatever_is_read_can_be_written_and_read_again(text: str) -> None:
    number = decode(text)
    assert decode(encode(number)) == number
