"""What every chapter uses: the scalar types by name, the model of an OCPI object, shared classes.

Cardinality is in the annotation: `X` is 1, `X | None = None` is ?, `list[X] = []` is *, `Some[X]`
is +. Enums are `Open[X]`: their known values are read as members, unknown ones stay plain text, so
that a partner's newer word never costs the object (AT-33); those that decide what a partner is told
are `OpenAnyCase[X]`. In objects of ours only what OCPI 2.3.0 calls `OpenEnum` has others. The one
closed enum is the unit of a charging profile, where a guess would give a station the wrong limit.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeVar

from annotated_types import MinLen
from pydantic import AfterValidator, BaseModel, ConfigDict

from ocpi.spec.kinds import (
    LATITUDE,
    LONGEST_TEXT,
    LONGITUDE,
    NO_NUL,
    PRINTABLE_ASCII,
    Choice,
    Flag,
    Link,
    Moment,
    Name,
    Numeric,
    OpenEnum,
    Text,
    Whole,
    called_link,
    credentials_token,
)
from ocpi.spec.rules import language_rules

_MARKUP = re.compile(r"</?[A-Za-z][^>]*>")

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

CiString2 = Annotated[str, Text("CiString", 2, PRINTABLE_ASCII)]
CiString3 = Annotated[str, Text("CiString", 3, PRINTABLE_ASCII)]
CiString4 = Annotated[str, Text("CiString", 4, PRINTABLE_ASCII)]
CiString32 = Annotated[str, Text("CiString", 32, PRINTABLE_ASCII)]
CiString36 = Annotated[str, Text("CiString", 36, PRINTABLE_ASCII)]
Identifier36 = Annotated[str, Name("CiString", 36, PRINTABLE_ASCII)]
CiString39 = Annotated[str, Text("CiString", 39, PRINTABLE_ASCII)]
CiString48 = Annotated[str, Text("CiString", 48, PRINTABLE_ASCII)]
String = Annotated[str, Text("string")]
String2 = Annotated[str, Text("string", 2)]
String3 = Annotated[str, Text("string", 3)]
String4 = Annotated[str, Text("string", 4)]
String5 = Annotated[str, Text("string", 5)]
String10 = Annotated[str, Text("string", 10)]
String16 = Annotated[str, Text("string", 16)]
String20 = Annotated[str, Text("string", 20)]
String45 = Annotated[str, Text("string", 45)]
String64 = Annotated[str, Text("string", 64)]
String100 = Annotated[str, Text("string", 100)]
String255 = Annotated[str, Text("string", 255)]
String512 = Annotated[str, Text("string", 512)]
SignedText = Annotated[str, Text("string", 5000, NO_NUL)]  # It may hold line breaks (AT-27).
CredentialsToken = Annotated[str, credentials_token()]
URL = Annotated[str, Link()]
CalledURL = Annotated[str, called_link()]
Latitude = Annotated[str, LATITUDE]
Longitude = Annotated[str, LONGITUDE]
Number = Annotated[Decimal, Numeric()]
Integer = Annotated[int, Whole()]
Integer1 = Annotated[int, Whole(1)]
Integer5 = Annotated[int, Whole(5)]
Boolean = Annotated[bool, Flag()]
DateTime = Annotated[datetime, Moment()]
Open = Annotated[E | str, Choice()]
OpenAnyCase = Annotated[E | str, Choice(any_case=True)]
Some = Annotated[list[T], MinLen(1)]


def _check_unknown(value: Any) -> Any:
    """Refuse what no database or partner could take, wherever it hides in an unknown member."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT or "\0" in value or not _encodable(value):
            raise ValueError(f"holds NUL, a lone surrogate, or more than {LONGEST_TEXT} characters")
    elif isinstance(value, (dict, list)):
        for member in value.values() if isinstance(value, dict) else value:
            _check_unknown(member)
    return value


def _encodable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


class OCPIModel(BaseModel):
    """An object of the specification; members that it doesn't know are kept (TY-14)."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())
    __pydantic_extra__: dict[str, Annotated[Any, AfterValidator(_check_unknown)]]

    only_shown: ClassVar[frozenset[str]] = frozenset()
    """The optional objects that nothing is decided by: they are left out if they cannot be read."""

    def broken_rules(self) -> Iterator[str]:
        """Yield a sentence for each rule of the specification that this object itself breaks.

        Nested objects answer for themselves. Lengths, enums and cardinalities are not meant here.
        """
        yield from ()


class Role(StrEnum):
    CPO = "CPO"
    EMSP = "EMSP"
    HUB = "HUB"
    NAP = "NAP"
    NSP = "NSP"
    OTHER = "OTHER"
    SCSP = "SCSP"


class DisplayText(OCPIModel):
    language: String2
    text: String512

    def broken_rules(self) -> Iterator[str]:
        yield from language_rules(self.language)
        if _MARKUP.search(self.text):
            yield "text holds markup (TY-12)"


class Price(OCPIModel):
    excl_vat: Number
    incl_vat: Number | None = None


class ProfileType(StrEnum):
    CHEAP = "CHEAP"
    FAST = "FAST"
    GREEN = "GREEN"
    REGULAR = "REGULAR"


class TokenType(OpenEnum):
    AD_HOC_USER = "AD_HOC_USER"
    APP_USER = "APP_USER"
    OTHER = "OTHER"
    RFID = "RFID"
