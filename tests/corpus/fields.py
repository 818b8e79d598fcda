"""Wrong values for each field of each object, made from the types of the specification.

What is expected follows from the type alone: `refused`, `mended` (taken and put right), `kept`
(taken as it is, though a strict receiver would object) or `unreadable` (no JSON that is read here).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Case = dict[str, Any]
Values = Iterator[tuple[str, str, str]]
"""A name, JSON text, and what is expected."""

TYPES: dict[str, dict[str, Any]] = {
    each["name"]: each
    for chapter in json.loads(
        (Path(__file__).parents[1] / "conformance" / "types-2.2.1.json").read_text("utf-8")
    ).values()
    for each in chapter
}
OBJECTS = {
    "location": "Location",
    "tariff": "Tariff",
    "session": "Session",
    "cdr": "CDR",
    "token": "Token",
    "credentials": "Credentials",
    "reserve": "ReserveNow",
    "start": "StartSession",
    "stop": "StopSession",
    "unlock": "UnlockConnector",
    "cancel": "CancelReservation",
    "profile": "SetChargingProfile",
}
# Fields with a form of their own, and values that have it; another one is told of, and kept.
FORMS: dict[str, Any] = {
    "language": "en",
    "country": "DEU",
    "currency": "EUR",
    "time_zone": "Europe/Berlin",
    "period_begin": "08:00",
    "period_end": "20:00",
    "start_time": "08:00",
    "end_time": "20:00",
    "start_date": "2026-01-01",
    "end_date": "2026-12-31",
    "country_code": "BE",
    "party_id": "BEC",
}
# ...and those whose value the rest of a faultless object needs.
FITTING: dict[str, Any] = {
    "latitude": "52.520008",
    "longitude": "13.404954",
    "twentyfourseven": False,
    "publish": False,
    "credit": False,
    "token": "a-credentials-token-1",
    "role": "EMSP",
    "url": "https://emsp1.example/versions",
    "response_url": "https://emsp1.example/answers",
    "weekday": 1,
}
MOMENTS = {
    "period_begin": "2026-01-01T00:00:00Z",
    "period_end": "2026-01-03T00:00:00Z",
    "start_date_time": "2026-01-01T00:00:00Z",
    "end_date_time": "2026-01-03T00:00:00Z",
    "ChargingPeriod.start_date_time": "2026-01-02T12:00:00Z",  # Behind its CDR's when mended.
}
OWN = {"country_code", "party_id", "id", "uid"}
COORDINATES = {"latitude": 2, "longitude": 3}
CALLED = {"response_url", "Credentials.url"}
UPDATED = "2026-01-02T03:04:05Z"
# What has a rule of its own beside its type: a code that is only shown, a Connector that needs its
# EVSE, signed data, which may hold line breaks, and what may not be absent beside other fields.
FREE = {"CdrLocation.country"}
ABSENT = {"", "null", "[]", "[null]", "{}", '""'}
COMPANIONS = {
    "Hours.regular_hours": ABSENT,
    "PublishTokenType.type": ABSENT,
    "PublishTokenType.issuer": ABSENT,
    "Location.publish_allowed_to": {"[{}]"},
}
# A Token of another type is another Token, and roles that were not agreed are refused.
AGREED = {
    "Token.type",
    "Credentials.roles",
    "CredentialsRole.role",
    "CredentialsRole.party_id",
    "CredentialsRole.country_code",
}
NAMES = {"Location.id", "EVSE.uid", "Session.id", "Tariff.id", "Token.uid"}  # In URLs.
NEEDED = {"StartSession.evse_uid"}
SHOWN = "logo"
SIGNED = {"SignedValue.plain_data", "SignedValue.signed_data"}
HARM = {
    "SQL": "'; DROP TABLE location; --",
    "UNION": "1) UNION SELECT token_out FROM partner --",
    "script": "<script>alert(1)</script>",
    "template": "{{7*7}}${7*7}#{7*7}",
    "path": "../../../etc/passwd",
    "formula": "=cmd|' /C calc'!A0",
    "format": "%s%n{0}",
}


@dataclass(frozen=True)
class Field:
    """One field, as the specification's table has it."""

    owner: str
    name: str
    type: str
    card: str

    @property
    def required(self) -> bool:
        return self.card in "1+" or self.path in NEEDED

    @property
    def many(self) -> bool:
        return self.card in "*+"

    @property
    def is_class(self) -> bool:
        return self.type in TYPES and TYPES[self.type]["kind"] == "class"

    @property
    def is_enum(self) -> bool:
        return self.type in TYPES and TYPES[self.type]["kind"] == "enum"

    @property
    def path(self) -> str:
        return f"{self.owner}.{self.name}"

    @property
    def length(self) -> int | None:
        found = re.search(r"\((\d+)\)", self.type)
        return int(found[1]) if found else None


def fields_of(name: str) -> list[Field]:
    return [Field(name, *each.values()) for each in TYPES[name]["fields"]]


def whole(name: str) -> dict[str, Any]:
    """Give a faultless object with every field that the specification has."""
    return {each.name: [_one(each)] if each.many else _one(each) for each in fields_of(name)}


def _one(field: Field) -> Any:
    for table in (FORMS, FITTING):
        if field.name in table and not (field.is_class or field.type == "DateTime"):
            return table[field.name]
    if field.is_class:
        return whole(field.type)
    if field.type == "DateTime":
        return MOMENTS.get(field.path, MOMENTS.get(field.name, UPDATED))
    if field.is_enum:
        return "RFID" if field.type == "TokenType" else TYPES[field.type]["values"][0]
    plain = {"URL": "https://example.org/x", "number": 1.5, "boolean": True}
    return plain.get(field.type, 1 if field.type.startswith("int") else "A")


def cases() -> Iterator[Case]:
    """Give a case for each wrong value; a class that stands in many places is tried in one."""
    tried: set[tuple[str, str]] = set()
    for name, kind in OBJECTS.items():
        yield from _of(name, kind, [], tried)


def _of(name: str, kind: str, at: list[Any], tried: set[tuple[str, str]]) -> Iterator[Case]:
    for field in fields_of(kind):
        path = [*at, field.name]
        place = f"{SHOWN}: {kind}" if SHOWN in path else kind
        if (place, field.name) in tried:
            continue
        tried.add((place, field.name))
        for what, text, alone in _wrong(field):
            # What is only shown is left out, and costs nobody the rest.
            expected = "mended" if SHOWN in path and alone == "refused" else alone
            yield {
                "name": f"{place}.{field.name}: {what}",
                "object": name,
                "at": path,
                "json": text,
                "expected": _in_place(name, field, text, expected, top=not at),
            }
        if field.is_class:
            yield from _of(name, field.type, [*path, 0] if field.many else path, tried)


def _in_place(name: str, field: Field, text: str, expected: str, *, top: bool) -> str:
    """What becomes of a value when what stands beside it, and its URL, are looked at too."""
    if expected not in ("mended", "kept"):
        return expected
    if expected == "mended" and text in COMPANIONS.get(field.path, ()):
        return "kept"
    if field.path in AGREED or (field.path in NAMES and text == json.dumps(HARM["path"])):
        return "refused"
    if not top or field.name not in OWN:
        return expected
    # It is another object then than the URL says; that of a CDR does not say.
    if name == "cdr":
        return "mended" if field.name == "id" else "foreign"
    return "refused"


def _wrong(field: Field) -> Values:
    refused_or_mended = "refused" if field.required else "mended"
    yield "left out", "", refused_or_mended if field.card != "+" else "refused"
    yield "null", "null", refused_or_mended
    if not field.many:
        yield from _wrong_item(field, required=field.required)
        return
    yield "empty list", "[]", refused_or_mended
    yield "list of null", "[null]", refused_or_mended
    yield "one that is no list", json.dumps(_one(field)), "mended"
    yield "list in a list", "[[[]]]", "refused"
    for what, text, expected in _wrong_item(field, required=True):
        yield f"item, {what}", f"[{text}]", expected


def _wrong_item(field: Field, *, required: bool) -> Values:
    empty = "refused" if required else "mended"
    if field.is_class:
        hollow = not any(each.required for each in fields_of(field.type))
        yield "text", '"text"', "refused"
        yield "number", "5", "refused"
        yield "true", "true", "refused"
        yield "list", '["a"]', "refused"
        yield "empty object", "{}", "mended" if hollow else empty
        yield "empty text", '""', empty
        if not field.many:
            yield "empty list", "[]", empty
        return
    if field.type != "boolean":
        yield "true", "true", "refused"
    yield "list", '["a"]', "refused"
    yield "object", '{"a": 1}', "refused"
    yield "empty object", "{}", empty
    if field.is_enum:
        yield from _wrong_word(field, empty)
    elif field.name in COORDINATES:
        yield from _wrong_coordinate(field)
    else:
        kind = field.type.partition("(")[0]
        yield from {
            "number": _wrong_number,
            "int": _wrong_integer,
            "boolean": _wrong_flag,
            "DateTime": _wrong_moment,
            "URL": _wrong_url,
            "string": _wrong_text,
            "CiString": _wrong_text,
        }[kind](field, empty)


def _wrong_word(field: Field, empty: str) -> Values:
    unknown = "refused" if field.type == "ChargingRateUnit" else "kept"
    yield "empty text", '""', empty
    yield "unknown word", '"ON_THE_MOON"', unknown
    yield "small letters", json.dumps(TYPES[field.type]["values"][0].lower()), unknown
    yield "number", "5", "refused"
    yield "not ASCII", '"\\u00fc"', "refused"
    yield "line break", '"A\\nB"', "refused"
    yield "256 letters", json.dumps("A" * 256), "refused"
    yield "NUL", '"\\u0000"', "unreadable"
    yield "script", json.dumps(HARM["script"]), unknown


def _wrong_number(_: Field, empty: str) -> Values:
    yield "text", '"1.5"', "mended"
    yield "empty text", '""', empty
    yield "with a comma", '"1,5"', "refused"
    yield "word", '"much"', "refused"
    yield "NaN in text", '"NaN"', "refused"
    yield "1e999 in text", '"1e999"', "refused"
    for text in ("NaN", "Infinity", "-Infinity", "1e999", "1e31", "1e-31", "1e999999999"):
        yield text, text, "unreadable"
    yield "forty digits", "9" * 40, "unreadable"
    yield "leading zero", "01", "unreadable"
    yield "leading plus", "+1", "unreadable"
    yield "leading dot", ".5", "unreadable"
    yield "seventy decimals", "1." + "3" * 70, "unreadable"


def _wrong_integer(_: Field, empty: str) -> Values:
    yield "text", '"1"', "mended"
    yield "with a decimal", "1.0", "mended"
    yield "half", "1.5", "refused"
    yield "empty text", '""', empty
    yield "word", '"one"', "refused"
    yield "1e999", "1e999", "unreadable"
    yield "forty digits", "9" * 40, "unreadable"
    yield "NaN", "NaN", "unreadable"


def _wrong_flag(_: Field, empty: str) -> Values:
    yield "text", '"true"', "refused"
    yield "word", '"yes"', "refused"
    yield "zero", "0", "refused"
    yield "one", "1", "refused"
    yield "empty text", '""', empty
    yield "capital True", "True", "unreadable"


def _wrong_moment(_: Field, empty: str) -> Values:
    for what, text, expected in (
        ("empty text", "", empty),
        ("no moment", "yesterday", "refused"),
        ("date alone", "2026-01-02", "refused"),
        ("no such day", "2026-02-30T00:00:00Z", "refused"),
        ("no such month", "2026-13-01T00:00:00Z", "refused"),
        ("hour 24", "2026-01-02T24:00:00Z", "refused"),
        ("year 0", "0000-01-01T00:00:00Z", "refused"),
        ("beyond year 9999", "9999-12-31T23:59:59-01:00", "refused"),
        ("five digits of year", "12026-01-01T00:00:00Z", "refused"),
        ("week", "2026-W01-1T00:00:00Z", "refused"),
        ("wide digits", "\uff12\uff10\uff12\uff16-01-02T03:04:05Z", "refused"),
        ("SQL", HARM["SQL"], "refused"),
        ("blank for T", "2026-01-02 03:04:05", "mended"),
        ("offset", "2026-01-02T04:04:05+01:00", "mended"),
        ("nanoseconds", "2026-01-02T03:04:05.123456789Z", "mended"),
        ("leap second", "2026-01-02T03:04:60Z", "mended"),
    ):
        yield what, json.dumps(text), expected
    yield "seconds since 1970", "1767323045", "refused"
    yield "NUL", '"2026-01-02T03:04:05Z\\u0000"', "unreadable"


def _wrong_url(field: Field, empty: str) -> Values:
    called = {field.name, field.path} & CALLED
    yield "empty text", '""', empty if called or not field.required else "kept"
    for what, text in (
        ("without a scheme", "www.example.com"),
        ("javascript", "javascript:alert(1)"),
        ("file", "file:///etc/passwd"),
        ("blank within", "https://example.org/a b"),
        ("relative", "/ocpi"),
        ("data", "data:text/html,<script>alert(1)</script>"),
    ):
        yield what, json.dumps(text), "refused" if called else "kept"
    yield "number", "5", "refused" if called else "kept"
    yield "line break", '"https://example.org/\\r\\nX: 1"', "refused"
    yield "too long", json.dumps("https://example.org/" + "a" * 1001), "refused"
    yield "lone surrogate", '"https://example.org/\\ud800"', "unreadable"


def _wrong_coordinate(field: Field) -> Values:
    yield "number", "52.5", "mended"
    yield "one decimal", '"52.5"', "mended"
    yield "nine decimals", '"52.123456789"', "mended"
    yield "with a comma", '"52,5"', "refused"
    yield "degrees", '"52° 31\' N"', "refused"
    yield "NaN in text", '"NaN"', "refused"
    yield "too far", json.dumps("1" * (COORDINATES[field.name] + 1) + ".00000"), "refused"
    yield "leading plus", '"+52.50000"', "refused"
    yield "exponent", '"5.2e1"', "refused"


def _wrong_text(field: Field, empty: str) -> Values:
    ascii_only = field.type.startswith("CiString") or field.name == "token"
    odd = "refused" if ascii_only else _fit(field, "Ü\u202e")
    yield "empty text", '""', empty if ascii_only or not field.required else _fit(field, "")
    yield "number", "5", _fit(field, "5")
    yield "half", "1.5", "refused"
    control = "mended" if field.path in SIGNED else "refused"
    yield "bell", '"A\\u0007B"', control
    yield "header", '"A\\r\\nSet-Cookie: x=1"', control
    yield "right to left", '"\\u00dc\\u202e"', odd
    yield "NUL", '"A\\u0000B"', "unreadable"
    yield "lone surrogate", '"\\ud800"', "unreadable"
    length = field.length or 16_384
    if field.length:
        yield "one too long", json.dumps("A" * (length + 1)), "kept"
    longest = min(length * 4, 16_384) if field.length else length
    yield "far too long", json.dumps("A" * (longest + 1)), "refused"
    for what, text in HARM.items():
        yield what, json.dumps(text), _fit(field, text)


def _fit(field: Field, text: str) -> str:
    """What becomes of a text that is only odd, by its length and by the form that is due."""
    if field.length and len(text) > field.length * 4:
        return "refused"
    if field.name == "token" and " " in text:
        return "refused"
    too_long = bool(field.length) and len(text) > (field.length or 0)
    has_form = field.name in FORMS and field.path not in FREE
    markup = field.owner == "DisplayText" and "<script>" in text
    return "kept" if too_long or has_form or markup else "mended"
