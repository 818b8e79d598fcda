"""What a mock knows: its parties, its peer, what it holds, and every message."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import httpx
from starlette.requests import Request

from ocpi.testing.mock.errands import Command, Errand, ProfileRequest
from ocpi.testing.mock.misbehaviour import Rule
from ocpi.testing.mock.wire import Answer, Document, Incoming, now

MODULES = ("locations", "tariffs", "sessions", "cdrs", "tokens", "hubclientinfo")
FUNCTIONAL = {*MODULES, "commands", "chargingprofiles"} - {"hubclientinfo"}

Key = tuple[str, ...]
Handler = Callable[["State", Incoming], Awaitable[Answer]]
# (method, number of path segments below the module's URL) -> what answers there.
Routes = Mapping[tuple[str, int], Handler]
# (interface, module) -> its routes. What is in it is what version details advertise.
Interfaces = Mapping[tuple[str, str], Routes]
# One thing that programs may ask of the mock: method, path, and what gives the JSON to answer.
Control = tuple[str, str, Callable[["State", Request], Awaitable[Any]]]


@dataclass(frozen=True)
class Party:
    country_code: str = "DE"
    party_id: str = "MSP"
    name: str = "Mock eMSP"
    role: str = "EMSP"

    def document(self) -> Document:
        """Its CredentialsRole."""
        return {
            "role": self.role,
            "business_details": {"name": self.name},
            "party_id": self.party_id,
            "country_code": self.country_code,
        }


@dataclass
class Peer:
    """The platform at the other end: how to reach it, and whom it speaks for."""

    token_out: str
    versions_url: str
    roles: list[Document]
    endpoints: list[Document]

    def parties(self) -> set[tuple[str, str]]:
        return {(role["country_code"].upper(), role["party_id"].upper()) for role in self.roles}

    def is_hub(self) -> bool:
        return any(role["role"] == "HUB" for role in self.roles)

    def serves(self, url: str) -> bool:
        """Tell whether the URL has an origin that the peer registered with (AT-04)."""
        known = [self.versions_url, *(endpoint["url"] for endpoint in self.endpoints)]
        return _origin(url) in map(_origin, known)

    def url(self, module: str, interface: str) -> str | None:
        """Where it serves the interface; the role of a credentials endpoint says nothing."""
        for endpoint in self.endpoints:
            if endpoint["identifier"] == module and (
                module == "credentials" or endpoint["role"] == interface
            ):
                return str(endpoint["url"])
        return None


class Standing(Enum):
    """What a token that the peer may present is good for."""

    OFFERED = "token A: versions and credentials only"
    PENDING = "sent to the peer, whose answer is still to come"
    CURRENT = "the peer's token"
    REPLACED = "the one before, until the new one is used for the first time"


@dataclass
class Message:
    """One exchange, `in` when the peer asked, else `out`; http_status None: no answer."""

    direction: str
    method: str
    path: str
    headers: dict[str, str]
    body: str
    http_status: int | None
    status_code: int | None
    at: str = field(default_factory=now)
    violations: list[str] = field(default_factory=list)
    number: int = 0

    def blame(self, sentence: str) -> None:
        self.violations.append(f"{self.method} {self.path}: {sentence}")


class State:
    """A mock's memory, whatever its role. One peer at a time; objects by module, then their key.

    Of what is only a CPO's, `outcomes` is there to be set: what stations say to a command, by its
    name, where that is not ACCEPTED.
    """

    def __init__(
        self,
        parties: Sequence[Party] = (Party(),),
        *,
        interfaces: Interfaces,
        controls: Sequence[Control] = (),
        base_url: str = "http://emsp.test",
        transport: httpx.AsyncBaseTransport | None = None,
        kept: int = 10_000,
    ) -> None:
        """`transport` replaces the network for what we send; `kept` bounds the message log.

        Violations are kept whatever becomes of their messages.
        """
        self.parties = list(parties)
        self.interfaces = interfaces
        self.controls = controls
        self.base_url = base_url
        self.transport = transport
        self.kept = kept
        self.tasks: set[asyncio.Task[None]] = set()
        self.reset()

    def reset(self) -> None:
        """Forget everything but who we are, and offer a new token A."""
        self.token_a = secrets.token_urlsafe(32)
        self.tokens_in: dict[str, Standing] = {self.token_a: Standing.OFFERED}
        self.peer: Peer | None = None
        self.objects: dict[str, dict[Key, Document]] = {module: {} for module in MODULES}
        self.introduced: set[Key] = set()
        self.verdicts: dict[Key, str] = {}
        self.needs_location: set[Key] = set()
        self.errands: dict[str, Errand] = {}
        self.profile_updates: dict[str, list[Document]] = {}
        self.outcomes: dict[str, str] = {}
        self.reservations: set[Key] = set()
        self.profiles: dict[Key, Document] = {}
        self.preferences: dict[Key, Document] = {}
        self.cdr_urls: dict[Key, str] = {}
        self.rules: list[Rule] = []
        self.old_violations: list[str] = []
        self.messages: deque[Message] = deque(maxlen=self.kept)
        self.message_count = 0
        self.request_ids: set[str] = set()

    @property
    def versions_url(self) -> str:
        return f"{self.base_url}/ocpi/versions"

    def url(self, *parts: str) -> str:
        return "/".join((f"{self.base_url}/ocpi/2.2.1", *parts))

    def credentials(self, token: str) -> Document:
        """Our Credentials object, holding the token that the peer is to present."""
        roles = [party.document() for party in self.parties]
        return {"token": token, "url": self.versions_url, "roles": roles}

    def hosts(self, pair: tuple[str, str]) -> bool:
        return pair in {(p.country_code.upper(), p.party_id.upper()) for p in self.parties}

    def own_party(self) -> tuple[str, str]:
        return self.parties[0].country_code, self.parties[0].party_id

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it besides; `settled` waits for it."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def settled(self) -> None:
        """Wait until nothing is due any more: results, and Sessions that follow from them."""
        while self.tasks:
            await asyncio.gather(*self.tasks)

    def record(self, message: Message) -> None:
        self.message_count += 1
        message.number = self.message_count
        if len(self.messages) == self.kept:
            self.old_violations += self.messages[0].violations
        self.messages.append(message)

    @property
    def violations(self) -> list[str]:
        """Every objection as a sentence, oldest first."""
        recent = [sentence for message in self.messages for sentence in message.violations]
        return self.old_violations + recent

    @property
    def commands(self) -> list[Command]:
        return [errand for errand in self.errands.values() if isinstance(errand, Command)]

    @property
    def profile_requests(self) -> list[ProfileRequest]:
        return [errand for errand in self.errands.values() if isinstance(errand, ProfileRequest)]

    @property
    def authorizations(self) -> list[Message]:
        """The requests for real-time authorisation among the messages that are kept."""
        return [
            message
            for message in self.messages
            if message.direction == "in" and message.path.partition("?")[0].endswith("/authorize")
        ]

    def active_profiles(self, session_id: str) -> list[Document]:
        """What the peer told of the session's profile without being asked, newest last."""
        return self.profile_updates.get(session_id.upper(), [])

    def documents(self, module: str) -> list[Document]:
        return list(self.objects[module].values())

    def issue_token(
        self, document: Document, allowed: str = "ALLOWED", *, needs_location: bool = False
    ) -> None:
        """Take a Token of ours; `allowed` is what authorize will say about it."""
        key = key_of("tokens", document)
        self.objects["tokens"][key] = document
        self.verdicts[key] = allowed
        if needs_location:
            self.needs_location.add(key)

    def counts(self) -> dict[str, int]:
        """How many objects there are by module, and how much was asked of stations."""
        return {
            **{module: len(found) for module, found in self.objects.items()},
            "commands": len(self.commands),
            "chargingprofiles": len(self.profile_requests),
        }

    def summary(self) -> dict[str, Any]:
        peer = self.peer
        return {
            "versions_url": self.versions_url,
            "parties": [party.document() for party in self.parties],
            "registered": peer is not None,
            "token": self.token_a if self.token_a in self.tokens_in else None,
            "peer": peer
            and {
                "versions_url": peer.versions_url,
                "roles": peer.roles,
                "endpoints": peer.endpoints,
            },
            "counts": self.counts(),
            "messages": self.message_count,
            "violations": len(self.violations),
        }


def owned_key(country_code: str, party_id: str, object_id: str) -> Key:
    return country_code.upper(), party_id.upper(), object_id.upper()


def owner_of(document: Document) -> tuple[str, str]:
    return document["country_code"], document["party_id"]


def key_of(module: str, document: Document) -> Key:
    """The key that an object is kept by: its owner and id, in capitals, and a Token's type."""
    match module:
        case "tokens":
            return (*owned_key(*owner_of(document), document["uid"]), document["type"])
        case "hubclientinfo":
            return owned_key(*owner_of(document), document["role"])
        case _:
            return owned_key(*owner_of(document), document["id"])


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        read = httpx.URL(url)
    except httpx.InvalidURL:
        return "", url, None
    return read.scheme, read.host, read.port
