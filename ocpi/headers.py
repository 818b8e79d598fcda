"""The headers of OCPI messages: message ids, routing, and Authorization."""

import base64
import binascii
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ocpi.errors import InvalidParameters, NotAuthenticated
from ocpi.forgiving import Habit

# What may be repeated in an answer or carried on: visible ASCII (TA-22).
_SAFE = re.compile(r"[\x21-\x7e]{1,128}")
_COUNTRY_CODE = re.compile(r"[\x21-\x7e]{2}")
_PARTY_ID = re.compile(r"[\x21-\x7e]{3}")


@dataclass(frozen=True)
class Party:
    """A country code and a party id, compared without regard to case (CO-08, RT-06)."""

    country_code: str
    party_id: str

    @cached_property
    def key(self) -> str:
        """The form in which parties are compared and stored as a column: `nl*tnm`."""
        return f"{self.country_code}*{self.party_id}".lower()

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id}"


@dataclass(frozen=True)
class MessageIDs:
    """X-Request-ID and X-Correlation-ID of one message (TR-12 to TR-15)."""

    request_id: str
    correlation_id: str


@dataclass(frozen=True)
class Routing:
    """The parties that a message names as its receiver and its sender (RT-01)."""

    to: Party | None = None
    sender: Party | None = None


def read_message_ids(headers: Mapping[str, str]) -> MessageIDs:
    """The ids of a request; made here where they are missing or could not be repeated safely."""
    return MessageIDs(_id(headers, "x-request-id"), _id(headers, "x-correlation-id"))


def _id(headers: Mapping[str, str], name: str) -> str:
    given = headers.get(name, "")
    return given if _SAFE.fullmatch(given) else str(uuid.uuid4())


def read_routing(headers: Mapping[str, str]) -> Routing:
    """The OCPI-to and OCPI-from pairs; half a pair is refused (RT-01, AT-47)."""
    return Routing(_pair(headers, "ocpi-to"), _pair(headers, "ocpi-from"))


def _pair(headers: Mapping[str, str], name: str) -> Party | None:
    country_code = headers.get(f"{name}-country-code")
    party_id = headers.get(f"{name}-party-id")
    if country_code is None and party_id is None:
        return None
    if not country_code or not party_id:
        raise InvalidParameters(
            f"{name}-country-code and {name}-party-id go together: one is missing"
        )
    if not _COUNTRY_CODE.fullmatch(country_code):
        raise InvalidParameters(f"{name}-country-code: two letters are due")
    if not _PARTY_ID.fullmatch(party_id):
        raise InvalidParameters(f"{name}-party-id: three characters are due")
    return Party(country_code, party_id)


def routing_headers(to: Party | None, sender: Party | None) -> dict[str, str]:
    """The four routing headers for the pairs that are known."""
    headers: dict[str, str] = {}
    for name, party in (("OCPI-to", to), ("OCPI-from", sender)):
        if party is not None:
            headers[f"{name}-country-code"] = party.country_code
            headers[f"{name}-party-id"] = party.party_id
    return headers


def read_tokens(authorization: str | None) -> list[str]:
    """The tokens that an Authorization header may mean, likelier one first (IP-01, AT-05, AT-06).

    The Base64-decoded value comes first, then the value as it stands. The decoder is strict, since
    a lenient one takes damaged variants for the same token; padding is repaired and white space
    around the decoded token is stripped, which harms nothing as our tokens hold none.
    Raises ``NotAuthenticated`` with what is wrong.
    """
    if not authorization:
        raise NotAuthenticated(
            "The Authorization header is missing: send `Token <Base64 of the token>`."
        )
    scheme, _, value = re.sub(r"[ \t]+", " ", authorization).strip().partition(" ")
    if scheme.lower() != "token" or not value:
        raise NotAuthenticated("Authorization must be `Token <Base64 of the token>`.")
    return list(dict.fromkeys([*_decoded(value), value]))


def token_habit(authorization: str, token: str) -> Habit | None:
    """What is odd about a header that presents this token, None where nothing is."""
    if authorization == f"Token {base64.b64encode(token.encode()).decode()}":
        return None
    return Habit.UNENCODED if authorization.endswith(f" {token}") else Habit.HEADER_FORM


def _decoded(value: str) -> Iterable[str]:
    bare = value.rstrip("=")
    try:
        decoded = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
        # Python's decoder drops bits behind the last whole byte, so many texts give one value.
        if base64.b64encode(decoded).decode().rstrip("=") == bare:
            yield decoded.decode("ascii").strip()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return
