"""Reservations begin and end: their Sessions, and what they cost."""

from contextlib import suppress
from uuid import uuid4

from sqlmodel.ext.asyncio.session import AsyncSession

import modules.cdrs.own
import modules.sessions.own
from modules.commands.reservations import OPEN, Fate, Reservation
from modules.sessions.store import sessions
from modules.stations.charges import Charge
from modules.stations.reports.billing import (
    Fixed,
    fixed_of,
    reservation_over,
    reserved_session,
)
from modules.stations.reports.fixing import fix
from modules.stations.reports.origins import Origin
from modules.stations.reports.record import Record
from modules.stations.reports.sites import NOT_AVAILABLE, Site, find_site
from ocpi.database import clock, clock_of, stamp
from ocpi.dating import later
from ocpi.editing import Document
from ocpi.errors import Conflict, UnknownLocation
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.push.feed import Stream
from ocpi.spec.document import decode, encode
from ocpi.spec.moments import format_moment, moment_of

# Why there is no CDR of ours where there is one of somebody else.
BILLED_ELSEWHERE = "Somebody else billed it"


async def hold(
    db: AsyncSession, owner: Party, reservation: Reservation, currency: str, answer: Document
) -> None:
    """The station keeps an EVSE free: that makes a Session, or changes that of an earlier hold."""
    if reservation.fate not in OPEN:
        return  # Its driver has come already, or it was canceled meanwhile.
    site = await _site_of(db, owner, reservation, answer)
    reservation.evse_uid = None if site.evse is None else site.evse_uid
    reservation.connector_id = None if site.connector is None else site.connector_id
    now = await clock(db)
    reservation.held_at = reservation.held_at or now
    reservation.session_id = reservation.session_id or str(uuid4())
    since = moment_text(reservation.held_at)
    token = decode(reservation.token)
    origin = Origin(token, "COMMAND", reservation.authorization_reference)
    fixed = await fix(
        db,
        owner,
        site,
        origin,
        session_id=reservation.session_id,
        since=since,
        currency=currency,
    )
    reservation.record = encode(vars(fixed))
    reservation.fate = Fate.HELD.value
    db.add(reservation)
    await db.flush()
    await store_session(db, owner, reserved_session(fixed, codes_of(owner), since))


async def _site_of(
    db: AsyncSession, owner: Party, reservation: Reservation, answer: Document
) -> Site:
    """What is kept free: what the station says, as far as it exists, or what was asked for."""
    told = (answer.get("evse_uid"), answer.get("connector_id"))
    asked = (reservation.evse_uid, reservation.connector_id)
    for evse_uid, connector_id in (told, (told[0], None)) if told[0] else ():
        with suppress(UnknownLocation):
            return await find_site(
                db, owner, reservation.location_id, evse_uid, connector_id, any_connector=True
            )
    return await find_site(db, owner, reservation.location_id, *asked, any_connector=True)


async def end(
    db: AsyncSession, owner: Party, reservation: Reservation, fate: Fate, at: int
) -> None:
    """A reservation that nobody used is over at a moment in microseconds (SE-17).

    The eMSP may have to pay for what it cancels (CM-22), not for what we or the station drop.
    """
    if reservation.fate not in OPEN:
        return
    reservation.fate = fate.value
    db.add(reservation)
    await db.flush()
    if reservation.record is None or reservation.held_at is None:
        return
    fixed = Fixed(**decode(reservation.record))
    if fate is Fate.DROPPED:
        fixed = fixed.free()
    record = Record(
        f"reservation {reservation.key}",
        reservation.location_id,
        [owner.country_code, owner.party_id],
        started_at=moment_text(reservation.held_at),
        ended_at=moment_text(at),
        unused={"expired": fate is Fate.EXPIRED},
    )
    _fix(record, fixed)
    _, problem = await _bill(db, owner, record)
    if problem is not None:
        log.error("reservation not billed", reservation=reservation.key, reason=problem)
        await _keep(db, owner, record, problem)


def _fix(record: Record, fixed: Fixed) -> None:
    record.session, record.tariffs = fixed.session, fixed.tariffs
    record.tariff_changes = fixed.tariff_changes
    record.evse_uid = fixed.session["evse_uid"]
    record.connector_id = fixed.session["connector_id"]


async def _keep(db: AsyncSession, owner: Party, record: Record, problem: str) -> None:
    """Keep for staff a reservation that could not be billed, beside the sessions in trouble."""
    session_id = fixed_of(record).session["session_id"]
    charge = Charge(
        owner=owner.key,
        # No station's report is found under it: their keys have an asterisk.
        transaction_key=f"reservation {session_id}",
        session_key=session_id.lower(),
        open=False,
        trouble=problem,
        record=encode(record.dump()),
        changed_at=await clock(db),
    )
    db.add(charge)
    await db.flush()


async def bill_unused(
    db: AsyncSession, owner: Party, record: Record, currency: str
) -> tuple[str | None, str | None]:
    """Try again to bill a reservation that nobody used: the CDR's id, and why there is none."""
    session = fixed_of(record).session
    if "unpriced" in session:
        assigned = (session["evse_uid"], session["connector_id"])
        place = (None if name == NOT_AVAILABLE else name for name in assigned)
        site = await find_site(db, owner, record.location_id, *place, any_connector=True)
        origin = Origin(
            session["cdr_token"], session["auth_method"], session.get("authorization_reference")
        )
        fixed = await fix(
            db,
            owner,
            site,
            origin,
            session_id=session["session_id"],
            since=str(record.started_at),
            currency=currency,
        )
        _fix(record, fixed)
    return await _bill(db, owner, record)


async def _bill(db: AsyncSession, owner: Party, record: Record) -> tuple[str | None, str | None]:
    session, cdr, problem = reservation_over(
        fixed_of(record),
        codes_of(owner),
        str(record.started_at),
        str(record.ended_at),
        expired=record.unused["expired"],
    )
    try:
        valid = await store_end(db, owner, session, cdr)
    except Conflict as error:
        return None, f"{BILLED_ELSEWHERE}: {error.message}"
    if cdr is None or not valid:
        return None, problem
    return str(cdr["id"]), None


async def store_session(db: AsyncSession, owner: Party, document: Document) -> None:
    """Store a Session, dated now, and have its eMSP told."""
    before = await sessions.lock(db, owner, document["id"])
    if before is None:
        await stamp(db, "created", 0)
    stored = None if before is None else before["last_updated"]
    dated = {**document, "last_updated": later(stored, await clock_of(db, Stream.MONEY))}
    await modules.sessions.own.store_own(db, owner, dated)


async def store_end(
    db: AsyncSession, owner: Party, session: Document, cdr: Document | None
) -> bool:
    """Store a Session that has ended, with its CDR; False where staff made it INVALID (SE-14)."""
    before = await sessions.lock(db, owner, session["id"])
    if before is not None and before["status"] == "INVALID":
        return False
    # All who write take these locks in one order, or two of them would wait for each other.
    await stamp(db, "created", 0)
    if before is None or before["status"] != "COMPLETED":
        await store_session(db, owner, session)
    if cdr is not None:
        dated = {**cdr, "last_updated": later(None, await clock_of(db, Stream.MONEY))}
        await modules.cdrs.own.store_own(db, owner, dated)
    return True


def codes_of(owner: Party) -> Document:
    """The owner's codes, as its objects have them."""
    return {"country_code": owner.country_code, "party_id": owner.party_id}


def moment_text(count: int) -> str:
    """A moment in microseconds as OCPI writes it."""
    return format_moment(moment_of(count))
