"""Exchanges as they are noted while they happen: in memory, whole, and for a second at most."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ocpi.headers import MessageIDs

MOST_BYTES = 64 * 1024 * 1024
"""What notes may hold together; what comes beyond is counted and not noted."""
LARGE = 64 * 1024
"""Of longer requests only the begin is held; others are read whole, for what they name."""
BEGIN = 4096
"""Of an answer no more is stored, and no more is held: to copy a page takes as long as to read it.
"""
TAIL = 256
"""Of a long answer the end is held too, for its status code stands there."""
_OVERHEAD = 1024

Direction = Literal["IN", "OUT"]


@dataclass(slots=True, repr=False)
class Note:
    """One exchange, with its secrets: never shown, see `ocpi.journal.writing` for what is stored.

    Taking it must cost next to nothing, so nothing is looked at here.
    """

    at: int
    """When it began, in microseconds since 1970."""
    direction: Direction
    partner: str | None
    method: str
    url: str
    """Path and query of a request that came in, the whole URL of one that went out."""
    headers: Mapping[str, str]
    """Of the request; only the routing headers are read."""
    ids: MessageIDs
    secret: str
    """The Authorization header or token presented, to be cut out wherever it is repeated."""
    http_status: int | None
    failure: str | None
    """Why there is no answer, in a sentence."""
    ms: float
    request: bytes
    response: bytes
    request_bytes: int
    response_bytes: int
    tail: bytes = b""
    link: tuple[str, str] | None = None
    """Module and interface of the link of the hub's that it came by."""


class Notes:
    """What this process has noted since it was last stored."""

    def __init__(self) -> None:
        self.storing = asyncio.Lock()
        """Held while some that were taken are stored, so that who waits for it finds all stored."""
        self._notes: list[Note] = []
        self._bytes = 0
        self._lost = 0

    def add(self, note: Note) -> None:
        """Note an exchange, unless too much waits to be stored already."""
        if len(note.request) > LARGE:
            note.request = note.request[:LARGE]
        if len(note.response) > BEGIN:
            # Those that are put back have their tail.
            note.tail = note.tail or note.response[-TAIL:]
            note.response = note.response[:BEGIN]
        size = len(note.request) + len(note.response) + _OVERHEAD
        if self._bytes + size > MOST_BYTES:
            self._lost += 1
            return
        self._bytes += size
        self._notes.append(note)

    def take(self) -> tuple[Sequence[Note], int]:
        """What is noted, and how many notes there was no room for; both are forgotten here."""
        taken = self._notes, self._lost
        self._notes, self._bytes, self._lost = [], 0, 0
        return taken

    def put_back(self, notes: Sequence[Note], lost: int) -> None:
        """Take notes back that could not be stored, before those that came meanwhile."""
        newer, newer_lost = self.take()
        self._lost = lost + newer_lost
        for note in (*notes, *newer):
            self.add(note)
