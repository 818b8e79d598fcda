"""How a partner's wish becomes an errand: who asks, where the result may go, and until when."""

from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

from fastapi import Depends, Request
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.locations.parts import Place
from modules.locations.store import locations
from modules.sessions.store import sessions
from ocpi.context import Context
from ocpi.database import Database, clock
from ocpi.editing import Document, object_key
from ocpi.errands import TELLING, Errand, token_key
from ocpi.errors import InvalidParameters
from ocpi.gateway import Wish
from ocpi.headers import Party, read_routing
from ocpi.parties import Partner
from ocpi.request import Addressed, CallerOf, IDs
from ocpi.sight import EVERYTHING, ModuleSight
from ocpi.spec.document import decode, encode
from ocpi.spec.tokens import Token

MOST_UNDER_WAY = 50
"""Errands of one partner that may wait for stations at once."""
CROWDED = f"{MOST_UNDER_WAY} requests of yours wait for stations: let them be answered first."
LARGEST = 65_536
"""Characters of a request, which is kept for as long as there may be a dispute about it."""


@dataclass(frozen=True)
class Asker:
    """Who asks, and which party of ours."""

    partner_id: int
    candidates: tuple[Party, ...]
    """The party that asks, or all of the partner's where it does not say which one does."""
    owner: Party
    """Our party that is asked."""
    correlation_id: str
    request_id: str
    sight: ModuleSight
    """Which of our Locations it may see."""

    @property
    def party(self) -> Party:
        """The party that hears what comes of it."""
        return self.candidates[0]

    @property
    def parties(self) -> frozenset[str]:
        """The keys of the parties whose sessions, tokens and reservations may be meant."""
        return frozenset(party.key for party in self.candidates)


async def _asker(request: Request, caller: CallerOf, owner: Addressed, ids: IDs) -> Asker:
    named = read_routing(request.headers).sender
    of_it = (each for each in caller.parties if named is None or each.key == named.key)
    return Asker(
        caller.partner_id,
        tuple(of_it),
        owner,
        ids.correlation_id,
        ids.request_id,
        caller.sight.of("locations"),
    )


AskerOf = Annotated[Asker, Depends(_asker)]


async def location_of(
    database: Database, owner: Party, location_id: str, sight: ModuleSight = EVERYTHING
) -> Document | None:
    """A Location of our party; None where it has none of that id that `sight` admits.

    To where a driver charges already the rules of sight do not apply.
    """
    found = await locations.texts(database, (owner,), location_id, sight)
    return decode(found[0]) if found else None


async def session_of(database: Database, owner: Party, session_id: str) -> Document | None:
    """A Session of our party; None where it has none of that id."""
    text = await sessions.text_of(database, object_key(owner, session_id))
    return None if text is None else decode(text)


def place_of(session: Document) -> Place:
    """Where a Session is charging."""
    return Place(session["location_id"], session["evse_uid"], session["connector_id"])


def announced_timeout(here: Context) -> int:
    """The seconds within which the partner is told a result: a little more than a station has."""
    return here.settings.command_timeout + TELLING


async def is_crowded(db: AsyncSession, asker: Asker) -> bool:
    """Whether so much that the partner wants is unanswered that no more is taken."""
    found = await db.exec(
        select(func.count())
        .select_from(Errand)
        .where(Errand.partner_id == asker.partner_id, col(Errand.answered_at).is_(None))
    )
    return found.one() >= MOST_UNDER_WAY


async def came_before(
    db: AsyncSession, asker: Asker, request: Document, *, session_id: str | None = None
) -> bool:
    """Whether the partner sent this very request, id and all, before (TA-13).

    `session_id` is that of the Session which its URL names, where it is not in the request.

    Whoever repeats it, for want of an answer or after having listened, sets no station in motion.
    Commands of one partner are judged one after the other, so that of two that come at the same
    instant the second finds the first.
    """
    await db.exec(
        select(Partner.id).where(Partner.id == asker.partner_id).with_for_update(key_share=True)
    )
    query = select(Errand.id).where(
        Errand.partner_id == asker.partner_id,
        Errand.request_id == asker.request_id,
        Errand.request == encode(request),
    )
    if session_id is not None:
        query = query.where(Errand.session_id == session_id)
    return (await db.exec(query)).first() is not None


@dataclass(frozen=True)
class Task:
    """What a station is to be asked."""

    wish: Wish
    place: Place
    request: Document
    """What the partner asked, as OCPI writes it, `response_url` and all."""
    session_id: str | None = None
    token: Token | None = None


async def add_errand(db: AsyncSession, here: Context, asker: Asker, task: Task) -> Errand:
    """Store what a station is to be asked; who commits it sets `context.errands`.

    Raises ``InvalidParameters`` for a request that is larger than any needs to be.
    """
    request = encode(task.request)
    if len(request) > LARGEST:
        raise InvalidParameters(f"The request has more than {LARGEST} characters.")
    now = await clock(db)
    token = task.token
    errand = Errand(
        id=str(uuid4()),
        wish=task.wish.value,
        partner_id=asker.partner_id,
        owner_country_code=asker.owner.country_code,
        owner_party_id=asker.owner.party_id,
        asker_country_code=asker.party.country_code,
        asker_party_id=asker.party.party_id,
        location_id=task.place.location_id,
        evse_uid=task.place.evse_uid,
        connector_id=task.place.connector_id,
        session_id=task.session_id,
        token_key=None if token is None else token_key(token.uid, str(token.type)),
        request=request,
        response_url=task.request["response_url"],
        correlation_id=asker.correlation_id,
        request_id=asker.request_id,
        created_at=now,
        deadline=now + here.settings.command_timeout * 1_000_000,
    )
    db.add(errand)
    await db.flush()
    return errand
