"""What a station's answer to an errand comes to: the partner's result, and what changes here."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.commands.reservations import Fate, Reservation, take_over
from modules.stations.reports.charging import GRACE
from modules.stations.reports.reservations import end, hold
from ocpi.database import clock
from ocpi.editing import Document
from ocpi.errands import Errand, answer, follow_up, tell
from ocpi.gateway import Wish
from ocpi.messages import log
from ocpi.spec.chargingprofiles import ActiveChargingProfile, ChargingProfileResultType
from ocpi.spec.commands import CommandResultType
from ocpi.spec.document import decode, encode
from ocpi.spec.reading import dump, problems, read

PROFILES = frozenset(
    {Wish.SET_CHARGING_PROFILE, Wish.GET_CHARGING_PROFILE, Wish.CLEAR_CHARGING_PROFILE}
)
_TEXT = 512
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ACCEPTED = CommandResultType.ACCEPTED.value
_TIMEOUT = CommandResultType.TIMEOUT.value
_OVER = (Fate.USED, Fate.CANCELED, Fate.DROPPED)


async def settle(db: AsyncSession, errand: Errand, given: Document, currency: str) -> bool:
    """Record a station's answer, with all that follows from it; False where a result stands.

    `given` is an answer as `ocpi.gateway.Gateway.ask` gives it. A station that reserves when it is
    too late is asked to let go again. Runs in the caller's transaction.
    """
    result, note = _result_of(Wish(errand.wish), given)
    word: str = result["result"]
    if not await answer(db, errand.id, result, note):
        if errand.wish == Wish.RESERVE_NOW and word == _ACCEPTED:
            await _undo(db, errand)
        return False
    if errand.wish == Wish.RESERVE_NOW and word == _ACCEPTED:
        await _reserved(db, errand, given, currency)
    elif errand.wish == Wish.RESERVE_NOW:
        await _refused(db, errand, word)
    elif errand.wish == Wish.CANCEL_RESERVATION and word == _ACCEPTED:
        await _canceled(db, errand)
    return True


def give_up(errand: Errand) -> Document:
    """What stands in for the answer of a station that gave none in time (CM-08)."""
    if Wish(errand.wish) in PROFILES:
        # No ChargingProfileResultType says that time ran out.
        return {"result": "REJECTED", "message": "The station did not answer in time."}
    return {"result": _TIMEOUT, "message": "The station did not answer in time."}


def not_asked(errand: Errand) -> Document:
    """What stands in for the answer of a station that could not be asked; why is for staff only."""
    word = "REJECTED" if Wish(errand.wish) in PROFILES else CommandResultType.FAILED.value
    return {"result": word, "message": "The station could not be asked."}


def _result_of(wish: Wish, given: Mapping[str, Any]) -> tuple[Document, str | None]:
    """What the partner is told, and what staff should know of it (CM-09, CP-07, CP-08)."""
    word, message = given.get("result"), given.get("message")
    note = None if message is None else _line(str(message))
    if wish in PROFILES:
        known: tuple[str, ...] = tuple(ChargingProfileResultType)
        if word not in known:
            return {"result": "REJECTED"}, _no_result(word)
        if wish is not Wish.GET_CHARGING_PROFILE or word != "ACCEPTED":
            return {"result": word}, note
        try:
            profile = read(ActiveChargingProfile, given.get("profile"))
        except ValidationError as error:
            return {"result": "REJECTED"}, f"The station's profile is not as due: {problems(error)}"
        return {"result": word, "profile": dump(profile)}, note
    if word not in tuple(CommandResultType):
        return {"result": "FAILED"}, _no_result(word)
    return {"result": word, **_said(note)}, note


def _no_result(word: object) -> str:
    return f"The station answered {repr(word)[:100]}, which is no result."


def _line(text: str) -> str:
    """A text in one line, as a CommandResult has it (TY-02); PostgreSQL keeps no NUL either."""
    return _CONTROL.sub("\ufffd", " ".join(text.split()))[:_TEXT]


def _said(sentence: str | None) -> Document:
    """The `message` of a CommandResult."""
    return {"message": [{"language": "en", "text": sentence[:_TEXT]}]} if sentence else {}


async def _reservation(db: AsyncSession, errand: Errand) -> Reservation | None:
    """The reservation that an errand is about, locked; None once its partner is removed."""
    return await db.get(
        Reservation, errand.reservation, with_for_update=True, populate_existing=True
    )


async def _reserved(db: AsyncSession, errand: Errand, given: Document, currency: str) -> None:
    """What the partner wanted holds now, instead of what held before (CM-20)."""
    reservation = await _reservation(db, errand)
    if reservation is None or reservation.fate in _OVER:
        return  # It was over before its station's answer came here.
    if reservation.fate == Fate.LAPSED:
        await end(db, errand.owner, reservation, Fate.EXPIRED, reservation.expires_at)
    if reservation.fate != Fate.HELD:
        # What expired meanwhile has had its Session and its bill.
        reservation.held_at = reservation.session_id = reservation.record = None
        reservation.fate = Fate.ASKED.value
    take_over(reservation, errand)
    await hold(db, errand.owner, reservation, currency, given)


async def _refused(db: AsyncSession, errand: Errand, word: str) -> None:
    """What held before goes on; a station that said nothing is to hold nothing new either."""
    reservation = await _reservation(db, errand)
    if reservation is None or reservation.fate != Fate.ASKED:
        return
    reservation.fate = Fate.REFUSED.value
    db.add(reservation)
    await db.flush()
    if word == _TIMEOUT:
        await _have_canceled(db, errand)


async def _undo(db: AsyncSession, errand: Errand) -> None:
    """A station has reserved after the partner was told that it did not."""
    told = await db.get(Errand, errand.id, populate_existing=True)
    if told is None or decode(told.result or "{}").get("result") == _ACCEPTED:
        return  # The partner is gone, or the station only says it again.
    log.warning("reserved too late", errand=errand.id, told=told.result)
    reservation = await _reservation(db, told)
    if reservation is not None:
        await drop(db, reservation, "It was replaced too late.")
    await _have_canceled(db, told)


async def _have_canceled(db: AsyncSession, errand: Errand) -> None:
    """Have a station let go of what a RESERVE_NOW may have reserved; nobody is told of it."""
    asked = {"reservation_id": errand.document["reservation_id"]}
    await follow_up(
        db,
        errand,
        wish=Wish.CANCEL_RESERVATION.value,
        request=encode(asked),
        told_at=await clock(db),
    )


async def _canceled(db: AsyncSession, errand: Errand) -> None:
    reservation = await _reservation(db, errand)
    if reservation is not None and reservation.fate in (Fate.HELD, Fate.ASKED):
        await end(db, errand.owner, reservation, Fate.CANCELED, await clock(db))


def expiring(now: Any) -> ColumnElement[bool]:
    """Which reservations `expire` takes on, at a moment in microseconds."""
    fate, until = col(Reservation.fate), col(Reservation.expires_at)
    return or_(
        and_(fate == Fate.HELD, until <= now), and_(fate == Fate.LAPSED, until <= now - GRACE)
    )


async def expire(db: AsyncSession, reservation_id: int) -> None:
    """A reservation whose time is over lapses, and ends when no start in time was reported (SE-17).

    Its station may have been offline when the driver came, who shall not have two bills.
    """
    found = await db.exec(
        select(Reservation)
        .where(col(Reservation.id) == reservation_id, expiring(await clock(db)))
        .with_for_update(skip_locked=True)
    )
    reservation = found.one_or_none()
    if reservation is None:
        return
    if reservation.fate == Fate.HELD:
        reservation.fate = Fate.LAPSED.value
        db.add(reservation)
        return
    errand = await db.get_one(Errand, reservation.errand_id)
    await end(db, errand.owner, reservation, Fate.EXPIRED, reservation.expires_at)


async def drop(
    db: AsyncSession, reservation: Reservation, reason: str | None, at: int | None = None
) -> bool:
    """A reservation cannot be kept: its eMSP is told where it sent RESERVE_NOW from (CM-23).

    One that has lapsed meanwhile can be dropped at a moment before that, in microseconds.
    """
    now = await clock(db) if at is None else at
    lapsed = reservation.fate == Fate.LAPSED and now < reservation.expires_at
    if reservation.fate != Fate.HELD and not lapsed:
        return False
    errand = await db.get_one(Errand, reservation.errand_id)
    await end(db, errand.owner, reservation, Fate.DROPPED, now)
    result = {"result": CommandResultType.CANCELED_RESERVATION.value, **_said(reason)}
    await tell(db, errand, "POST", errand.response_url, result)
    return True


async def profile_setters(db: AsyncSession, session_id: str) -> list[Errand]:
    """The requests to set a profile for a Session, the first of each party (CP-11, CP-12).

    Each was answered ACCEPTED at once, which makes the call a success: its result may come late, or
    after the change that came of it.
    """
    found = await db.exec(
        select(Errand)
        .where(
            Errand.wish == Wish.SET_CHARGING_PROFILE,
            Errand.session_id == session_id,
            Errand.method == "POST",
        )
        .order_by(col(Errand.created_at))
    )
    setters = {(each.partner_id, each.asker.key): each for each in reversed(found.all())}
    return list(setters.values())
