"""Who charges: how the token that a station reports becomes the cdr_token of Session and CDR."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.commands.reservations import BILLED, OPEN, Fate, Reservation
from modules.stations.reports.forms import Beginning, PresentedToken
from modules.stations.reports.sites import NOT_AVAILABLE
from modules.tokens.authorizations import Authorization, authorizations_of
from modules.tokens.covering import issuer_key, refused
from modules.tokens.store import OWNERS, tokens_named_in
from ocpi.editing import Document
from ocpi.errands import Errand, token_key
from ocpi.gateway import Wish
from ocpi.headers import Party
from ocpi.parties import PartnerRole, PlatformID
from ocpi.spec.document import decode
from ocpi.spec.types import TokenType

# How long before a start its authorization or command may lie: a car may wait for its turn.
_REMEMBERED = 24 * 3600 * 1_000_000
# By so much the clocks of those who tell may differ.
_SKEW = 5 * 60 * 1_000_000
# The parties that a presented token may be of, by key, with their partners; none: nobody knows.
Issuers = Mapping[str, int]
_CDR_TOKEN = ("country_code", "party_id", "uid", "type", "contract_id")


@dataclass(frozen=True)
class Origin:
    """Who charges, and how that was allowed."""

    token: Document
    """A Token of OCPI."""
    auth_method: str
    reference: str | None = None
    """The last authorization_reference that the eMSP gave (SE-19, TK-20, CM-25)."""
    reservation: Reservation | None = None
    """The reservation that is used, locked."""
    missed: Reservation | None = None
    """The one that would be used, had it not been billed before the start was reported."""
    grants: Sequence[Errand | Authorization] = ()
    """The command and the authorizations that led to it, locked: they lead to no other session."""

    @property
    def cdr_token(self) -> Document:
        """The token in full, as Session and CDR have it (SE-20)."""
        return {name: self.token[name] for name in _CDR_TOKEN}


@dataclass(frozen=True)
class Asked:
    """For which session it is asked who charges."""

    owner: Party
    location_id: str
    at: int
    """When it began, in microseconds."""
    session_id: str | None = None
    """The Session that it has already."""


async def find_origin(db: AsyncSession, asked: Asked, beginning: Beginning) -> Origin | None:
    """Who charges; None for an unknown token."""
    presented = _key_of(beginning)
    issuers = await _issuers(db, presented) if presented else {}
    commands = await _commands(db, asked, beginning, issuers)
    command = next((each for each in commands if _led(each, asked, beginning)), None)
    key = presented or (commands[0].token_key if commands else None)
    fitting = await _reservation(db, asked, beginning, key, issuers)
    missed = fitting is not None and fitting.fate in BILLED
    reservation = None if missed else fitting
    known = await _authorizations(db, asked, key) if key else []
    allowing = [each for each in known if _allows(each, asked, beginning)]
    found = next(iter(allowing), None)
    way = _last(found, command, reservation)
    if way is None:
        token = await _token(db, key, known, commands) if key else None
        way = None if token is None else (token, "WHITELIST", None)
    grants: list[Errand | Authorization] = [] if command is None else [command]
    grants += [each for each in allowing if each is found or each.for_one_evse]
    return None if way is None else Origin(*way, reservation, fitting if missed else None, grants)


async def why_unknown(db: AsyncSession, beginning: Beginning) -> str:
    """Why it is not known who charges, and what to do, for staff."""
    token, key = beginning.token, _key_of(beginning)
    uid = token.uid if token else "none"
    stored = [decode(each.body) for each in await tokens_named_in(db, key)] if key else []
    if len(stored) < 2:
        but = await _other_types(db, token) if token else ""
        return f"The token {uid} is not known{but}, so there is no Session to tell."
    owners = sorted(f"{each['country_code']}*{each['party_id']}" for each in stored)
    return (
        f"The token {uid} is one of {' and one of '.join(owners)}, so there is no Session to tell. "
        "Ask them whose driver it was, and bill it by POST /admin/cdrs with that one's cdr_token."
    )


async def _other_types(db: AsyncSession, token: PresentedToken) -> str:
    """By which type a token is not known, where it is known by others."""
    known = [each for each in TokenType if await tokens_named_in(db, token_key(token.uid, each))]
    return f" as {token.type}, but as {' and as '.join(known)}" if known else ""


def _last(
    found: Authorization | None, command: Errand | None, reservation: Reservation | None
) -> tuple[Document, str, str | None] | None:
    """Token, AuthMethod and authorization_reference by what allowed it last (CD-15)."""
    # The driver's own card at the station comes last, whatever was commanded before (SE-22).
    if found is not None and (command is None or found.at > command.created_at):
        return found.document, found.method, found.reference
    if command is not None:
        request = command.document
        return request["token"], "COMMAND", request.get("authorization_reference")
    if reservation is not None:
        return decode(reservation.token), "COMMAND", reservation.authorization_reference
    return None


def _key_of(beginning: Beginning) -> str | None:
    token = beginning.token
    return None if token is None else token_key(token.uid, str(token.type))


async def _issuers(db: AsyncSession, key: str) -> dict[str, int]:
    """Whose Tokens of this uid and type are stored, with their partners; a card is theirs alone.

    Those of a partner that left are as good as unknown.
    """
    query = (
        select(col(PartnerRole.party), col(PartnerRole.partner_id))
        .join(OWNERS, OWNERS.c.owner == col(PartnerRole.party))
        .where(PartnerRole.platform == PlatformID.CPO.value)
    )
    found = await db.exec(query, params={"token_key": key})
    return dict(found.all())


async def _authorizations(db: AsyncSession, asked: Asked, key: str) -> Sequence[Authorization]:
    """Those before the start, the last one first."""
    found = await authorizations_of(db, asked.owner.key, key, asked.at - _REMEMBERED)
    return [each for each in found if each.at <= asked.at + _SKEW]


def _allows(permission: Authorization, asked: Asked, beginning: Beginning) -> bool:
    """Whether a new session here may come of it; one that a command gave counts as that command."""
    here = permission.holds_at(asked.location_id, beginning.evse_uid)
    return here and asked.session_id is None and permission.method != "COMMAND"


async def _commands(
    db: AsyncSession, asked: Asked, beginning: Beginning, issuers: Issuers
) -> Sequence[Errand]:
    """The START_SESSION that is named, or the token's at the Location, the newest first."""
    query = select(Errand).where(
        Errand.wish == Wish.START_SESSION,
        Errand.owner_country_code == asked.owner.country_code,
        Errand.owner_party_id == asked.owner.party_id,
        Errand.location_id == asked.location_id,
    )
    key = _key_of(beginning)
    if beginning.command_id is not None:
        query = query.where(col(Errand.id) == beginning.command_id.lower())
    elif key is not None:
        query = query.where(
            col(Errand.token_key) == key,
            col(Errand.created_at) >= asked.at - _REMEMBERED,
            col(Errand.created_at) <= asked.at + _SKEW,
        )
        if issuers:
            query = query.where(col(Errand.partner_id).in_(issuers.values()))
    else:
        return []
    newest = query.order_by(col(Errand.created_at).desc()).limit(10).with_for_update()
    found = await db.exec(newest)
    named = beginning.command_id is not None
    # One that the station names did lead to it, whoever else has a Token of that uid.
    return [
        each
        for each in found.all()
        if named or (not refused(each) and _of(issuers, each.document["token"]))
    ]


def _led(command: Errand, asked: Asked, beginning: Beginning) -> bool:
    """Whether it is for this EVSE, or is named, and has led to no other session."""
    here = beginning.command_id is not None or _is_at(command.evse_uid, beginning)
    return here and command.session_id == asked.session_id


def _is_at(evse_uid: str | None, beginning: Beginning) -> bool:
    return evse_uid in (None, NOT_AVAILABLE) or evse_uid.lower() == beginning.evse_uid.lower()


def _of(issuers: Issuers, token: Document) -> bool:
    return not issuers or issuer_key(token) in issuers


async def _reservation(
    db: AsyncSession, asked: Asked, beginning: Beginning, key: str | None, issuers: Issuers
) -> Reservation | None:
    """The reservation that the driver uses: the one named, or the token's at the place (SE-17).

    One of another token is none of this driver's: its Session is another eMSP's, perhaps. One that
    has expired or was canceled is given only if no other fits. The station knows which it has held:
    where it is named, or has its Session already, the driver may charge at another EVSE.
    """
    if key is None and beginning.reservation_id is None:
        return None
    query = select(Reservation).where(
        col(Reservation.owner) == asked.owner.key,
        Reservation.location_id == asked.location_id,
        *_in_question(asked, beginning),
    )
    if key is not None:
        query = query.where(col(Reservation.token_key) == key)
    fate = col(Reservation.fate)
    best = ((fate == Fate.HELD).desc(), fate.in_(BILLED), col(Reservation.id))
    found = await db.exec(query.order_by(*best).with_for_update())
    known = asked.session_id is not None or beginning.reservation_id is not None
    fitting = (
        each
        for each in found.all()
        if _of(issuers, decode(each.token)) and (known or _is_at(each.evse_uid, beginning))
    )
    return next(fitting, None)


def _in_question(asked: Asked, beginning: Beginning) -> Iterator[ColumnElement[bool]]:
    """A Session that is known has its own reservation, or none; a new one that of its start."""
    if asked.session_id is not None:
        yield col(Reservation.fate) == Fate.USED
        yield col(Reservation.session_id) == asked.session_id
        return
    yield col(Reservation.fate).in_((*OPEN, *BILLED))
    if beginning.reservation_id is not None:
        # The station knows what it has held, whatever its clock says.
        yield col(Reservation.id) == beginning.reservation_id
        return
    asked_at = select(Errand.created_at).where(Errand.id == Reservation.errand_id)
    since = func.coalesce(col(Reservation.held_at), asked_at.scalar_subquery())
    yield since <= asked.at + _SKEW
    yield col(Reservation.expires_at) >= asked.at - _SKEW


async def _token(
    db: AsyncSession, key: str, known: Sequence[Authorization], commands: Sequence[Errand]
) -> Document | None:
    """Whose token it is: what allowed another session, or one elsewhere, tells that too.

    Else the one Token of this uid and type; where two eMSPs have one, nobody knows.
    """
    told = [*(each.document for each in known), *(each.document["token"] for each in commands)]
    if not told:
        stored = await tokens_named_in(db, key)
        told = [decode(stored[0].body)] if len(stored) == 1 else []
    return next(iter(told), None)
