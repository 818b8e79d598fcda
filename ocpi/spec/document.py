"""JSON with exact numbers: bytes become values and values become text, and nothing is lost.

Fractions are `Decimal`, whole numbers `int`; a `float` never appears (TY-08).
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from itertools import chain, repeat
from typing import Any

import msgspec

MAX_DEPTH = 32
ENVELOPE_DEPTH = 2
"""Of these levels a page of a list takes so many around each object."""
MAX_SIZE = 4 * 1024 * 1024
"""Bytes of an object's text, in one request or after many (TA-14)."""
MAX_EXPONENT = 30
MAX_DIGITS = 64
_MOST = 10**12
_NESTED = (dict, list)
# What has no exponent reaches as far: what is written from 1E30 must be read again.
MAX_INTEGER_DIGITS = MAX_EXPONENT + 1

# Cheap signs, in the raw text, of things that only a walk through the values can judge.
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_BLANKS = b" \t\r\n"
_LONG_INTEGER = b"0" * (MAX_INTEGER_DIGITS + 1)
_SUSPECT_OUTPUT = re.compile(rb"E[+-][0-9]|NaN|Infinity")


class DoubledKey(ValueError):
    """An object has a key twice."""

    def __init__(self, key: str, value: Any) -> None:
        self.value = value
        """What was read otherwise, by the last value of each key."""
        super().__init__(f"an object has the key {key[:50]!a} twice")


def decode(data: bytes | str) -> Any:
    """Read strict JSON (RFC 8259), with or without a byte order mark.

    Raises ValueError with a sentence for people: not JSON, NUL or a lone surrogate, a number that
    is no number or out of reach, nesting that is too deep, a key that an object has twice: some
    take its first value, some its last, so another one than was checked here might count elsewhere.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        value = _decoder.decode(raw)
    except RecursionError:
        raise ValueError(_too_deep()) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"the JSON can't be read: {error}") from None
    members = _count_members(value)
    signs = raw.translate(_DIGITS_TO_ZERO, _BLANKS)
    if rb"\u0000" in raw or _LONG_INTEGER in signs:
        _check_scalars(value)
    # Each key ends so, and texts seldom hold it: where both numbers are the same, no key was lost.
    if signs.count(b'":') != members:
        key = _doubled_key(raw)
        if key is not None:
            raise DoubledKey(key, value)
    return value


def encode(value: Any) -> str:
    """Write compact JSON in the order of the keys, Decimals as numbers without an exponent."""
    try:
        raw = _encoder.encode(value)
        if _SUSPECT_OUTPUT.search(raw):
            raw = _encoder.encode(_spell_out(value))
    except UnicodeEncodeError:
        raise ValueError("a text holds a lone surrogate") from None
    return raw.decode()


def _read_fraction(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        # The exponent is beyond what a Decimal has.
        raise ValueError(_out_of_reach(text)) from None
    too_fine = len(text) > MAX_DIGITS and len(number.as_tuple().digits) > MAX_DIGITS
    if too_fine or not in_reach(number):
        raise ValueError(_out_of_reach(text))
    return number


def in_reach(number: Decimal) -> bool:
    """Whether the number is finite and its exponent within ±30 (PD-03)."""
    return number.is_finite() and -MAX_EXPONENT <= number.adjusted() <= MAX_EXPONENT


def _count_members(value: Any) -> int:
    """How many members all its objects have; ValueError where it is nested too deep."""
    members = 0
    level = [value] if type(value) in _NESTED else []
    for _ in range(MAX_DEPTH):
        members += sum([len(each) for each in level if type(each) is dict])
        level = [
            child
            for container in level
            for child in (container.values() if type(container) is dict else container)
            if type(child) in _NESTED
        ]
        if not level:
            return members
    raise ValueError(_too_deep())


def is_deeper(value: Any, known: Any, levels: int) -> bool:
    """Whether an object or list has more levels than so many; what is known has not.

    What stands in the same place of what is known is passed over: where the status of one EVSE of a
    thousand changes, one is looked through.
    """
    return levels == 0 or any(
        is_deeper(each, former, levels - 1)
        for each, former in zip(_within(value), chain(_within(known), repeat(None)), strict=False)
        if each is not former and type(each) in _NESTED
    )


def _within(value: Any) -> Iterable[Any]:
    if type(value) is dict:
        return value.values()
    return value if type(value) is list else ()


def _doubled_key(raw: bytes) -> str | None:
    doubled: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) != len(pairs):
            counts = Counter(name for name, _ in pairs)
            doubled.extend(name for name, count in counts.items() if count > 1)

    json.loads(raw, object_pairs_hook=look, parse_int=str, parse_float=str)
    return doubled[0] if doubled else None


def _check_scalars(value: Any, place: str = "") -> None:
    if isinstance(value, dict):
        for key, member in value.items():
            _check_scalars(key, place)
            _check_scalars(member, f"{place}{key[:50]}: ")
    elif isinstance(value, list):
        for item in value:
            _check_scalars(item, place)
    elif isinstance(value, str) and "\0" in value:
        raise ValueError(f"{place}a text holds the character NUL")
    elif isinstance(value, int) and abs(value) >= 10**MAX_INTEGER_DIGITS:
        raise ValueError(f"{place}a whole number has more than {MAX_INTEGER_DIGITS} digits")


def whole(number: Any, parts: int) -> int:
    """A number as a count of its thousandths, say, for a column that is summed up.

    What is no number, or so large that it is none of energy or money, counts as far as it can.
    """
    if not isinstance(number, (int, Decimal)):
        return 0
    return int(max(-_MOST, min(round(number * parts), _MOST)))


def _spell_out(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _spell_out(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spell_out(item) for item in value]
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is no JSON number")
        return msgspec.Raw(format(value, "f").encode())
    return value


def _out_of_reach(text: str) -> str:
    return f"a number is out of reach: {text[:MAX_DIGITS]}"


def _too_deep() -> str:
    return f"objects and lists are nested deeper than {MAX_DEPTH}"


_decoder = msgspec.json.Decoder(float_hook=_read_fraction)
_encoder = msgspec.json.Encoder(decimal_format="number")
