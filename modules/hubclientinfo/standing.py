"""How each party of the hub stands: worked out anew from what is known of its connection (HC-15).

It is compared with what was told last, so whatever changes a party's standing, in whichever
process, is told once: the handshake, the check before live data, staff, the push's breaker, a hub
that a party is behind.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlmodel import col

from modules.hubclientinfo.store import MODULE, ClientInfoRow, client_infos
from ocpi.batching import MOST
from ocpi.context import Context
from ocpi.crew import Repeated
from ocpi.database import Database
from ocpi.dating import later
from ocpi.directory import MEMBERS
from ocpi.editing import Decision, Document, Edit, Written, object_key
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.parties import Partner, State
from ocpi.push.breaker import is_away
from ocpi.push.feed import Change, Stream, changed
from ocpi.push.lanes import PartnerLane
from ocpi.push.returning import tell_shared
from ocpi.push.writing import write
from ocpi.spec.document import decode
from ocpi.spec.hubclientinfo import ConnectionStatus

_MEMBERS = MEMBERS.subquery()
_FACTS = (
    select(
        _MEMBERS.c.role,
        _MEMBERS.c.country_code,
        _MEMBERS.c.party_id,
        _MEMBERS.c.partner_id,
        _MEMBERS.c.status,
        col(Partner.state),
        col(Partner.suspended),
        col(PartnerLane.breaker),
        _MEMBERS.c.presented,
        col(Partner.passed_at),
    )
    .outerjoin(Partner, col(Partner.id) == _MEMBERS.c.partner_id)
    .outerjoin(PartnerLane, col(PartnerLane.partner_id) == _MEMBERS.c.partner_id)
)
_TOLD = select(col(ClientInfoRow.key), col(ClientInfoRow.body))


class Facts(NamedTuple):
    """What is known of a party in a role."""

    role: str
    country_code: str
    party_id: str
    partner_id: int | None = None
    """None: it is our own."""
    announced: str | None = None
    """The status that the hub tells which it is behind; None: it has its own connection."""
    state: str | None = None
    suspended: bool = False
    breaker: Any = None
    presented: bool = True
    """Its partner's Credentials name the role."""
    checked: bool = True
    """Its partner has passed the check that comes before live data, where one is required."""

    @property
    def key(self) -> str:
        """The key of its ClientInfo."""
        return object_key(Party(self.country_code, self.party_id), self.role)


def by_weight(facts: Iterable[Facts]) -> list[Facts]:
    """In the order in which they count, those last that count most.

    Who has its own connection is not what a hub says that it is; but while that connection is only
    agreed on, it is.
    """
    return sorted(facts, key=lambda each: (each.presented, each.announced is None))


def status_of(facts: Facts) -> ConnectionStatus:
    """How a party stands (HC-09 to HC-12): as its connection does, or worse."""
    connection = _connection(facts)
    if facts.announced is None:
        return connection
    told = ConnectionStatus.__members__.get(facts.announced, ConnectionStatus.OFFLINE)
    # OCPI lists them so that a later one is worse.
    return max(connection, told, key=list(ConnectionStatus).index)


def _connection(facts: Facts) -> ConnectionStatus:
    if facts.partner_id is None:
        return ConnectionStatus.CONNECTED
    if facts.suspended or facts.state == State.UNREGISTERED:
        return ConnectionStatus.SUSPENDED
    if facts.state == State.OFFERED or not (facts.presented and facts.checked):
        return ConnectionStatus.PLANNED
    return ConnectionStatus.OFFLINE if is_away(facts.breaker) else ConnectionStatus.CONNECTED


async def read_facts(context: Context) -> list[Facts]:
    """What is known of everybody at the hub."""
    required = context.settings.require_check
    rows = await context.database.fetch("standing.facts", _FACTS, {})
    return [
        Facts(*known)._replace(checked=not required or passed_at is not None)
        for *known, passed_at in rows
    ]


def standings(facts: Sequence[Facts], told: Mapping[str, Document]) -> dict[str, Document]:
    """What must be told: the ClientInfo of each party whose status is another one than was told.

    Who is gone is SUSPENDED (HC-05).
    """
    wanted: dict[str, Document] = {}
    for each in by_weight(facts):
        wanted[each.key] = {
            "party_id": each.party_id,
            "country_code": each.country_code,
            "role": each.role,
            "status": status_of(each).value,
        }
    for key, document in told.items():
        if key not in wanted:
            wanted[key] = {**document, "status": ConnectionStatus.SUSPENDED.value}
    return {
        key: document
        for key, document in wanted.items()
        if key not in told or told[key]["status"] != document["status"]
    }


async def bring_up_to_date(context: Context) -> int:
    """Tell every change of a standing; gives how many there were."""
    told = await read_told(context)
    news = standings(await read_facts(context), told)
    back = sorted(key for key in news if key in told and _shares(news[key]) > _shares(told[key]))
    others = sorted(news.keys() - set(back))
    await asyncio.gather(*(_tell(context.database, news[key]) for key in others))
    for first in range(0, len(back), MOST):
        await _tell_back(context.database, [news[key] for key in back[first : first + MOST]])
    return len(news)


def _shares(document: Document) -> bool:
    """Whether others take what a party owns: it has not left, and is more than announced."""
    return document["status"] in (ConnectionStatus.CONNECTED, ConnectionStatus.OFFLINE)


async def read_told(context: Context) -> dict[str, Document]:
    """What others were told last, by the keys of the ClientInfos."""
    rows = await context.database.fetch("standing.told", _TOLD, {})
    return {key: decode(body) for key, body in rows}


async def _tell(database: Database, document: Document) -> None:
    """Store a ClientInfo, and have others told (HC-04)."""
    edit = _edit(document)
    written = await write(database, client_infos, edit, lambda _: Change(MODULE, edit.key))
    if written.changed:
        _log(document)


async def _tell_back(database: Database, documents: Sequence[Document]) -> None:
    """The same of parties that share again; what they have shared is told anew behind that.

    Before it receivers would refuse it (HC-09), and so it was not told to anybody.
    """
    edits = [_edit(document) for document in documents]
    async with database.write() as db:
        outcomes = zip(edits, documents, await client_infos.write(db, edits), strict=True)
        back = [
            (edit, document)
            for edit, document, outcome in outcomes
            if isinstance(outcome, Written) and outcome.changed
        ]
        await changed(db, *(Change(MODULE, edit.key) for edit, _ in back))
        await tell_shared(db, {edit.owner.key for edit, _ in back})
    for _, document in back:
        _log(document)


def _edit(document: Document) -> Edit:
    """Have a ClientInfo with a later date than before (HC-08)."""

    def decide(stored: Document | None, now: int) -> Decision:
        if stored is not None and stored["status"] == document["status"]:
            return None, Written(stored, changed=False)  # Another process was faster.
        date = later(None if stored is None else stored["last_updated"], now)
        dated = {**document, "last_updated": date}
        return dated, Written(dated, created=stored is None)

    party = Party(document["country_code"], document["party_id"])
    return Edit(party, document["role"], decide, creates=True, dated_in=Stream.STATE)


def _log(document: Document) -> None:
    party = Party(document["country_code"], document["party_id"])
    log.info("client", party=str(party), role=document["role"], status=document["status"])


class Standing(Repeated):
    """Looks at how the parties stand, again and again, in any number of processes."""

    def __init__(self, context: Context, *, pause: float = 1.0) -> None:
        super().__init__(
            partial(bring_up_to_date, context),
            pause=pause,
            complaint="the parties' standing is not known",
        )
