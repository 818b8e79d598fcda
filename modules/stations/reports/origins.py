"""Who charges: how the token that a station reports becomes the cdr_token of Session and CDR."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.commands.reservations import Fate, Reservation
from modules.stations.reports.forms import Beginning
from modules.stations.reports.sites import NOT_AVAILABLE
from modules.tokens.authorizations import Authorization, authorizations_of
from modules.tokens.covering import issuer_key, refused
from modules.tokens.store import TokenRow
from ocpi.editing import Document
from ocpi.errands import Errand, token_key
from ocpi.gateway import Wish
from ocpi.headers import Party
from ocpi.parties import PartnerRole, PlatformID
from ocpi.spec.document import decode

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
    command = await _command(db, asked, beginning, issuers)
    key = presented or (command.token_key if command else None)
    reservation = await _reservation(db, asked, beginning, key, issuers)
    found = await _authorization(db, asked, beginning, key) if key else None
    # The driver's own card at the station comes last, whatever was commanded before (SE-22).
    if found is not None and (command is None or found.at > command.created_at):
        return Origin(found.document, found.method, found.reference, reservation)
    if command is not None:
        request = command.document
        reference = request.get("authorization_reference")
        return Origin(request["token"], "COMMAND", reference, reservation)
    if reservation is not None:
        token = decode(reservation.token)
        return Origin(token, "COMMAND", reservation.authorization_reference, reservation)
    token = await _cached(db, key) if key else None
    return None if token is None else Origin(token, "WHITELIST", None, reservation)


def _key_of(beginning: Beginning) -> str | None:
    token = beginning.token
    return None if token is None else token_key(token.uid, str(token.type))


async def _issuers(db: AsyncSession, key: str) -> dict[str, int]:
    """Whose Tokens of this uid and type are stored, with their partners; a card is theirs alone.

    Those of a partner that left are as good as unknown.
    """
    found = await db.exec(
        select(col(TokenRow.owner), col(PartnerRole.partner_id))
        .join(PartnerRole, col(PartnerRole.party) == col(TokenRow.owner))
        .where(TokenRow.token_key == key, PartnerRole.platform == PlatformID.CPO.value)
    )
    return dict(found.all())


async def _authorization(
    db: AsyncSession, asked: Asked, beginning: Beginning, key: str
) -> Authorization | None:
    """The last one before the start; one for another place only tells whose token it is."""
    found = await authorizations_of(db, asked.owner.key, key, asked.at - _REMEMBERED)
    before = [each for each in found if each.at <= asked.at + _SKEW]
    fitting = [each for each in before if each.holds_at(asked.location_id, beginning.evse_uid)]
    return next(iter(fitting or before), None)


async def _command(
    db: AsyncSession, asked: Asked, beginning: Beginning, issuers: Issuers
) -> Errand | None:
    """The START_SESSION that led to it: the one named, or the token's newest at the Location."""
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
        return None
    found = await db.exec(query.order_by(col(Errand.created_at).desc()).limit(10))
    named = beginning.command_id is not None
    # One that the station names did lead to it, whoever else has a Token of that uid.
    fitting = (
        each
        for each in found.all()
        if named or (not refused(each) and _of(issuers, each.document["token"]))
    )
    return next(fitting, None)


def _of(issuers: Issuers, token: Document) -> bool:
    return not issuers or issuer_key(token) in issuers


async def _reservation(
    db: AsyncSession, asked: Asked, beginning: Beginning, key: str | None, issuers: Issuers
) -> Reservation | None:
    """The reservation that the driver uses: the one named, or the token's at the place (SE-17).

    One of another token is none of this driver's: its Session is another eMSP's, perhaps.
    """
    query = select(Reservation).where(
        col(Reservation.owner) == asked.owner.key,
        Reservation.location_id == asked.location_id,
        or_(
            col(Reservation.fate).in_((Fate.ASKED.value, Fate.HELD.value)),
            and_(
                col(Reservation.fate) == Fate.USED.value,
                col(Reservation.session_id) == asked.session_id,
            ),
        ),
    )
    if key is not None:
        query = query.where(col(Reservation.token_key) == key)
    if beginning.reservation_id is not None:
        query = query.where(col(Reservation.id) == beginning.reservation_id)
    elif key is None:
        return None
    found = await db.exec(query.order_by(col(Reservation.id)).with_for_update())
    fitting = [
        each
        for each in found.all()
        if _of(issuers, decode(each.token))
        and (
            each.evse_uid in (None, NOT_AVAILABLE)
            or str(each.evse_uid).lower() == beginning.evse_uid.lower()
        )
    ]
    return fitting[0] if fitting else None


async def _cached(db: AsyncSession, key: str) -> Document | None:
    """The one Token of this uid and type; where two eMSPs have one, nobody knows whose it is."""
    found = await db.exec(select(col(TokenRow.body)).where(TokenRow.token_key == key).limit(2))
    bodies = found.all()
    token: dict[str, Any] | None = decode(bodies[0]) if len(bodies) == 1 else None
    return token
