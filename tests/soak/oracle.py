"""What must be so after a soak: a rule each, which gives what is not so.

That no owner ever changed shows in the third rule: documents are compared whole, by their paths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import col, select

from ocpi.database import Database
from ocpi.journal.table import MessageRow
from ocpi.testing import samples
from ocpi.testing.mock.platform import MockPlatform
from ocpi.testing.mock.state import Standing
from tests.chaos.load import Load
from tests.chaos.partners import Partners, state_of
from tests.chaos.settling import Ours, forgotten, party_of
from tests.flows.process import ADMIN_TOKEN, SECRET
from tests.flows.searching import held
from tests.soak.crossing import Crossing
from tests.soak.ledger import Ledger

AT_FIRST = state_of(samples.evse())
"""The state of each EVSE as it is put with its Location."""
PIECE = 1 << 22
LONGEST = 500
"""Characters of a fault that are shown, and how far pieces of a text overlap."""


@dataclass
class Evidence:
    """All that is known when everything has settled and the service has stopped."""

    load: Load
    partners: Partners
    crossing: Crossing
    ledger: Ledger
    ours: Ours
    lacking: Sequence[str]
    logged: Counter[tuple[str, str]]
    """Rows of the message log by direction and request id."""
    told_secrets: Sequence[str]
    """Secrets that stand in a log."""

    @property
    def mocks(self) -> list[MockPlatform]:
        return [*self.partners.mocks, *self.crossing.mocks]


def lost(evidence: Evidence) -> list[str]:
    """L1: what was acknowledged is there, or superseded."""
    return forgotten(evidence.ours, evidence.load)


def invented(evidence: Evidence) -> Iterator[str]:
    """L2: each state that a partner was told was acknowledged to somebody who wanted it."""
    wanted = {(each.path, each.version): each.state for each in evidence.load.acknowledged}
    changed = {each.path for each in evidence.load.acknowledged if each.state != (None, None)}
    for partner in evidence.partners.mocks:
        for path in partner.taken.keys() & changed:
            for taken in partner.taken[path]:
                state = (
                    AT_FIRST
                    if taken.version == samples.UPDATED
                    else wanted.get((path, taken.version))
                )
                if state is None or any(
                    told not in (None, meant)
                    for told, meant in zip(taken.state, state, strict=True)
                ):
                    yield f"{party_of(partner)}: {path} {taken}, but {state} was put"


def unbilled(evidence: Evidence) -> Iterator[str]:
    """L4: every CDR came to its partner, and never another under its id."""
    partners = {party_of(each): each for each in evidence.partners.mocks}
    for path in evidence.ours.cdrs:
        bodies = partners[evidence.load.audiences[path]].posted.get(path, ())
        if len(bodies) != 1:
            yield f"{path} came in {len(bodies)} forms"


def different(evidence: Evidence) -> list[str]:
    """L5, L7: everybody holds what we hold, and what the hub carried."""
    ours = evidence.ours.locations.values()
    return [*evidence.lacking, *evidence.crossing.differing(ours)]


def unlogged(evidence: Evidence) -> Iterator[str]:
    """L6: each exchange that somebody remembers has one row of the message log.

    A mock remembers its newest thousand. Of requests that are turned away there are no rows.
    """
    for mock in evidence.mocks:
        for message in mock.messages:
            if message.http_status == 503:
                continue
            direction = "OUT" if message.direction == "in" else "IN"
            rows = evidence.logged[direction, message.headers["x-request-id"]]
            if rows != 1:
                yield f"{rows} rows of {direction} {message.method} {message.path}"


def told(evidence: Evidence) -> list[str]:
    """L8: no secret stands in a log."""
    return [f"{secret[:4]}..." for secret in evidence.told_secrets]


def objected(evidence: Evidence) -> list[str]:
    """L3, L9, L10: strict partners object to nothing.

    They would to a version that goes back, an answer without envelope or ids, and a list that
    cannot be read.
    """
    return [violation for mock in evidence.mocks for violation in mock.violations]


def failed(evidence: Evidence) -> list[str]:
    """What was asked was answered, and not by a 5xx."""
    return evidence.ledger.bad()


RULES: Mapping[str, Callable[[Evidence], Sequence[str] | Iterator[str]]] = {
    "L1 lost": lost,
    "L2 invented": invented,
    "L3, L9, L10 objected to": objected,
    "L4 unbilled": unbilled,
    "L5, L7 different": different,
    "L6 unlogged": unlogged,
    "L8 told": told,
    "failed": failed,
}


def judge(evidence: Evidence) -> list[str]:
    """All that is not as it must be."""
    return [
        f"{name}: {fault[:LONGEST]}" for name, rule in RULES.items() for fault in rule(evidence)
    ]


def secrets_of(mocks: Sequence[MockPlatform]) -> list[str]:
    """What no log may hold: every token that is good for something, and our own secrets."""
    tokens = [
        token
        for mock in mocks
        for token, standing in mock.tokens_in.items()
        if standing is Standing.CURRENT
    ]
    theirs = [mock.peer.token_out for mock in mocks if mock.peer is not None]
    return [*tokens, *theirs, ADMIN_TOKEN, SECRET]


def found_in_file(path: Path, secrets: Sequence[str]) -> set[str]:
    """Which secrets a file holds, however long it is."""
    found: set[str] = set()
    before = ""
    with path.open(encoding="utf-8", errors="replace") as file:
        while piece := file.read(PIECE):
            found |= set(held(before + piece, secrets))
            before = piece[-LONGEST:]
    return found


async def read_log(
    database_url: str, secrets: Sequence[str]
) -> tuple[Counter[tuple[str, str]], set[str]]:
    """The message log: how often each request stands there, and which secrets do."""
    database, rows, found, last = Database(database_url), Counter[tuple[str, str]](), set[str](), 0
    try:
        while True:
            query = select(MessageRow).where(col(MessageRow.id) > last)
            async with database.read() as db:
                page = (await db.exec(query.order_by(col(MessageRow.id)).limit(2000))).all()
            if not page:
                return rows, found
            rows.update((row.direction, row.request_id) for row in page)
            text = "\n".join(f"{r.url} {r.request} {r.response} {r.failure}" for r in page)
            found |= set(held(text, secrets))
            last = page[-1].id or 0
    finally:
        await database.close()
