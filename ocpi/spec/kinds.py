"""The specification's scalar types: how each is validated, described, and put right when careless.

A kind is the marker in an annotation, `Annotated[str, Text("CiString", 36)]`. Its pydantic schema
refuses what can't be used; its `mend` turns what can be understood into what the schema takes, and
names the tolerance that this needed; its JSON schema says what the specification says.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, ClassVar, TypeVar, get_args
from urllib.parse import quote

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ocpi.paths import climbs
from ocpi.spec.document import MAX_DIGITS, in_reach
from ocpi.spec.moments import REGULAR, parse_moment

LONGEST_TEXT = 16_384
_STRETCH = 4

PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"
PRINTABLE_ASCII = r"^[ -~]+$"
NO_NUL = r"^[^\x00]*$"

_ABSOLUTE_HTTP = r"^[hH][tT][tT][pP][sS]?://[^\x00-\x20\x7f-\x9f]+$"
_VISIBLE_ASCII = r"^[!-~]+$"
_IN_WORDS = {
    PRINTABLE: "text of at most {reach} characters without control characters",
    PRINTABLE_ASCII: "text of 1 to {reach} printable ASCII characters",
    NO_NUL: "text of at most {reach} characters without NUL",
    _ABSOLUTE_HTTP: "an absolute http(s) URL of at most {reach} characters",
    _VISIBLE_ASCII: "text of 1 to {reach} visible ASCII characters, no blank among them",
}

_NUMERIC = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}(\.0+)?")


class Tolerance(StrEnum):
    """The rules by which reading forgives, as they are written into `tolerated`."""

    MOMENT = "IP-08 moment"  # a timestamp in another form than the specification's
    ENUM = "IP-09 enum"  # an enum value that 2.2.1 doesn't know so, kept if it's in no other case
    ALIAS = "AT-52 alias"  # an enum value under another name, RESERVED for RESERVATION
    NUMBER = "IP-20 number"  # a number written as text
    INTEGER = "IP-20 integer"  # a whole number written with decimals, 1.0
    TEXT = "IP-20 text"  # a number where text is due
    COORDINATE = "IP-20 coordinate"  # a coordinate as a number, or with too few or many decimals
    NULL = "IP-21 null"  # null in place of an absent field
    EMPTY = "IP-21 empty"  # "" or {} in place of an absent optional field, or [] of an object
    ITEM = "IP-21 item"  # a null in a list, dropped
    SINGLE = "IP-21 single"  # one value where a list is due
    UNSHOWN = "IP-21 not shown"  # a text or logo for people that can't be read, left out
    LENGTH = "IP-22 length"  # longer than the specification allows, kept as received
    URL = "TY-11 url"  # a URL that isn't absolute http(s), in a field that nobody calls


FAULTS = {
    Tolerance.MOMENT: "is no moment as OCPI writes it, such as 2026-01-02T03:04:05Z",
    Tolerance.ENUM: "is a value that OCPI 2.2.1 doesn't know",
    Tolerance.ALIAS: "is RESERVED, which OCPI 2.2.1 calls RESERVATION",
    Tolerance.NUMBER: "is a number written as text",
    Tolerance.INTEGER: "is a whole number written with decimals",
    Tolerance.TEXT: "is a number where text is due",
    Tolerance.COORDINATE: "is no coordinate as OCPI writes it, text with five to seven decimals",
    Tolerance.NULL: "is null, and not left out",
    Tolerance.EMPTY: "is empty, and not left out",
    Tolerance.ITEM: "is null within a list",
    Tolerance.SINGLE: "is one value where a list is due",
    Tolerance.UNSHOWN: "is no text or logo for people that can be read",
    Tolerance.LENGTH: "is longer than OCPI 2.2.1 allows",
    Tolerance.URL: "is no absolute URL",
}
"""What is wrong with a field, in words for people."""

Mended = tuple[Any, Tolerance | None]
Word = TypeVar("Word", bound=StrEnum)


class Kind(ABC):
    """One scalar type of the specification."""

    @abstractmethod
    def table_name(self) -> str:
        """Return the type as the specification's tables write it, such as `CiString(36)`."""

    def mend(self, value: Any) -> Mended:
        """Return the value as the schema takes it, and the tolerance that this needed, if any."""
        return value, None


@dataclass(frozen=True)
class Text(Kind):
    """Text is kept up to four times its length (PD-01), for cutting it would damage it."""

    name: str
    length: int | None = None
    pattern: str = PRINTABLE

    def table_name(self) -> str:
        return f"{self.name}({self.length})" if self.length else self.name

    def mend(self, value: Any) -> Mended:
        if type(value) is str:
            too_long = self.length is not None and len(value) > self.length
            return value, Tolerance.LENGTH if too_long else None
        if type(value) is int:
            return str(value), Tolerance.TEXT
        return value, None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        reach = min(self.length * _STRETCH, LONGEST_TEXT) if self.length else LONGEST_TEXT
        return core_schema.custom_error_schema(
            core_schema.str_schema(pattern=self.pattern, max_length=reach),
            custom_error_type="text",
            custom_error_message="is not " + _IN_WORDS[self.pattern].format(reach=reach),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        limit = {"maxLength": self.length} if self.length else {}
        return {"type": "string", **limit}


@dataclass(frozen=True)
class Name(Text):
    """An id that is a segment of its object's URL, which may not lead elsewhere (TA-06)."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        text = super().__get_pydantic_core_schema__(source, handler)
        return core_schema.no_info_after_validator_function(_stays, text)


def _stays(name: str) -> str:
    if "." in name and climbs(quote(name)):
        raise PydanticCustomError("name", "has . or .. for a name, which no URL can carry")
    return name


@dataclass(frozen=True)
class Link(Text):
    """A URL that is shown or handed on: one that isn't absolute is kept, and reported."""

    name: str = "URL"
    length: int | None = 255
    _absolute: ClassVar = re.compile(_ABSOLUTE_HTTP)

    def table_name(self) -> str:
        return "URL"

    def mend(self, value: Any) -> Mended:
        if type(value) is str and not self._absolute.search(value):
            return value, Tolerance.URL
        return super().mend(value)


def called_link() -> Text:
    """Return the kind of a URL that is called: one that isn't absolute http(s) is refused."""
    return Link(pattern=_ABSOLUTE_HTTP)


def credentials_token() -> Text:
    """Return the kind of a credentials token (CR-24)."""
    return Text("string", 64, _VISIBLE_ASCII)


@dataclass(frozen=True)
class Coordinate(Kind):
    """A coordinate is text with five to seven decimals (LO-22); reading pads and cuts to that.

    Where seven would make it longer than the specification's length, it is cut to that: both hold.
    """

    length: int
    whole_digits: int

    def table_name(self) -> str:
        return f"string({self.length})"

    def pattern(self) -> str:
        """Return the specification's pattern."""
        return rf"^-?[0-9]{{1,{self.whole_digits}}}\.[0-9]{{5,7}}$"

    def mend(self, value: Any) -> Mended:
        if type(value) in (int, Decimal):
            text = format(Decimal(value), "f")
        elif type(value) is str and value.isascii():
            text = value
        else:
            return value, None
        whole, _, decimals = text.partition(".")
        right = f"{whole}.{decimals[:7].ljust(5, '0')}"
        return right[: self.length], None if right == value else Tolerance.COORDINATE

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.custom_error_schema(
            core_schema.str_schema(pattern=self.pattern()),
            custom_error_type="coordinate",
            custom_error_message="is no coordinate with a dot and five to seven decimals",
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.length, "pattern": self.pattern()}


LATITUDE, LONGITUDE = Coordinate(10, 2), Coordinate(11, 3)


@dataclass(frozen=True)
class Numeric(Kind):
    """A number is exact, signed, and has an exponent within ±30 (PD-03)."""

    def table_name(self) -> str:
        return "number"

    def mend(self, value: Any) -> Mended:
        if type(value) is str and len(value) <= MAX_DIGITS and _NUMERIC.fullmatch(value):
            return Decimal(value), Tolerance.NUMBER
        return value, None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_read_number)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "number"}


def _read_number(value: Any) -> Decimal:
    # A float comes from our own code only; its shortest text is what its author wrote.
    if type(value) in (int, float):
        value = Decimal(str(value))
    if isinstance(value, Decimal) and in_reach(value):
        return value
    raise PydanticCustomError("number", "is no number with an exponent within 30")


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number; digits beyond the specification's are reported, not refused."""

    digits: int | None = None

    def table_name(self) -> str:
        return f"int({self.digits})" if self.digits else "int"

    def mend(self, value: Any) -> Mended:
        if type(value) is int:
            too_long = self.digits is not None and abs(value) >= 10**self.digits
            return value, Tolerance.LENGTH if too_long else None
        if type(value) is Decimal and value == value.to_integral_value():
            return int(value), Tolerance.INTEGER
        if type(value) is str and _WHOLE.fullmatch(value):
            return int(value.partition(".")[0]), Tolerance.NUMBER
        return value, None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.custom_error_schema(
            core_schema.int_schema(strict=True),
            custom_error_type="integer",
            custom_error_message="is no whole number",
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "integer"}


@dataclass(frozen=True)
class Flag(Kind):
    """A boolean is true or false; the words as text are refused, for they read either way."""

    def table_name(self) -> str:
        return "boolean"

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.custom_error_schema(
            core_schema.bool_schema(strict=True),
            custom_error_type="boolean",
            custom_error_message="is neither true nor false",
        )


@dataclass(frozen=True)
class Moment(Kind):
    """A timestamp is an aware UTC datetime."""

    def table_name(self) -> str:
        return "DateTime"

    def mend(self, value: Any) -> Mended:
        try:
            # It is handed on as it was parsed, for parsing it twice would show in every reading.
            moment = parse_moment(value) if type(value) is str else value
        except ValueError:
            return value, None
        return moment, None if moment is value or REGULAR.fullmatch(value) else Tolerance.MOMENT

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_read_moment)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


def _read_moment(value: Any) -> datetime:
    if type(value) is str:
        return parse_moment(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    raise PydanticCustomError("moment", "is no moment such as 2026-01-02T03:04:05Z")


class OpenEnum(StrEnum):
    """An enum that OCPI 2.3.0 leaves open: others may add words to it."""


@dataclass(frozen=True)
class Choice(Kind):
    """An enum that stays open: known values become its members, others stay text (AT-33).

    The marker learns its enum from the annotation it stands in, `Status | str`, through `of`. Where
    a word decides what is sent to a partner, it is known in `any_case`.
    """

    enum: type[StrEnum] | None = None
    known: frozenset[str] = frozenset()
    any_case: bool = False

    def of(self, annotation: Any) -> "Choice":
        """Return the choice among the enum in the annotation."""
        enum = get_args(annotation)[0]
        return replace(self, enum=enum, known=frozenset(enum))

    def table_name(self) -> str:
        return self.enum.__name__ if self.enum else "enum"

    def mend(self, value: Any) -> Mended:
        if type(value) is not str or value in self.known or self.enum is None:
            return value, None
        try:
            return self.enum(value), Tolerance.ALIAS
        except ValueError:
            word = known_word(self.enum, value) if self.any_case else None
            return word or value, Tolerance.ENUM

    def slip(self, word: str) -> str | None:
        """What is wrong with a word that was read and that no later OCPI knows (TY-03)."""
        if word in self.known or self.enum is None or issubclass(self.enum, OpenEnum):
            return None
        near = get_close_matches(word.upper(), self.known)
        others = f"nearest: {', '.join(near)}" if near else f"one of: {', '.join(self.enum)}"
        return f"{word[:36]!r} is no {self.enum.__name__}; {others}"

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        members = handler(get_args(source)[0])
        unknown = core_schema.str_schema(pattern=PRINTABLE_ASCII, max_length=255)
        return core_schema.custom_error_schema(
            core_schema.union_schema([members, unknown], mode="left_to_right"),
            custom_error_type="open_enum",
            custom_error_message=f"is no {get_args(source)[0].__name__}",
        )


def known_word(enum: type[Word], text: str) -> Word | None:
    """Return the member that a text is, whatever its case and the blanks around it (IP-09)."""
    written = text.strip().casefold()
    return next((word for word in enum if word.casefold() == written), None)
