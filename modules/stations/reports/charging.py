"""Start, meter values, stop and boot: how a charging session comes about, goes on and ends.

The record's row is locked first, then a reservation, the Session, and the feed; so reports of one
session are taken one after the other, whichever process they reach.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid5

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.cdrs.store import cdrs
from modules.commands.reservations import Fate, Reservation
from modules.stations.charges import Charge
from modules.stations.reports.billing import Fixed, currency_of
from modules.stations.reports.cases import (
    Case,
    open_case,
    open_charges,
    place_key,
    started_at,
    transaction_key,
)
from modules.stations.reports.desk import Desk, Outcome
from modules.stations.reports.fixing import behind_reservation, fix, fixed_of_reservation
from modules.stations.reports.forms import (
    Beginning,
    BootReport,
    MeterReport,
    StartReport,
    StopReport,
    reading_of,
)
from modules.stations.reports.origins import Asked, Origin, find_origin, why_unknown
from modules.stations.reports.record import Record, Taken, moment_before
from modules.stations.reports.reservations import BILLED_ELSEWHERE, bill_unused, moment_text
from modules.stations.reports.sites import Site, choose_tariff, find_site
from ocpi.database import clock
from ocpi.editing import Document
from ocpi.errands import Errand
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.settings import Settings
from ocpi.spec.document import decode
from ocpi.spec.moments import format_moment, microseconds, parse_moment
from ocpi.spec.reading import dump, read

# How long we wait for what a station still tells that was offline: the stop of a session, once the
# station has gone on without it, and the start of one that was reserved, once its time is over.
GRACE = 3600 * 1_000_000
# Names the ids of Sessions, see `_session_id`.
_SESSIONS = UUID("f1f1b1a4-6c53-4f0e-9d3a-2b1f5f4f6c11")
_WHOSE = ("cdr_token", "auth_method", "authorization_reference")
_DRIVER = ("token", "command_id", "reservation_id")
_PRESENTED = ("evse_uid", "connector_id", *_DRIVER)


async def start(desk: Desk, report: StartReport) -> Outcome:
    """A session begins, unless it is known; it may have gone on or ended already."""
    case = await open_case(desk, report.transaction_id)
    again = report.at is None and _is_known(case.record, report)
    at = str(case.record.started_at) if again else format_moment(desk.moment(report.at))
    return await case.put_back(await _begin(case, report, at))


async def measure(desk: Desk, report: MeterReport) -> Outcome:
    """A session goes on."""
    case = await open_case(desk, report.transaction_id)
    states = len(case.record.states)
    at = desk.moment(report.at)
    taken, note = case.record.measure(at, reading_of(report), report.state)
    due = len(case.record.states) > states or _is_due(case.record, desk.settings)
    if taken is Taken.TAKEN and case.charge.closing_at is not None:
        # It is alive after all.
        case.charge.closing_at = desk.now + GRACE
    return await case.put_back(Outcome(taken, note), due=due)


async def stop(desk: Desk, report: StopReport) -> Outcome:
    """A session ends, and is billed as soon as its start is known."""
    case = await open_case(desk, report.transaction_id)
    if report.start is not None and not case.record.begun:
        await _begin(case, report.start, format_moment(report.start.at))
    signed = None if report.signed_data is None else dump(report.signed_data)
    values, ended = reading_of(report), case.record.ended_at
    again = report.at is None and ended is not None and case.record.has(ended, values)
    at = parse_moment(str(ended)) if again else desk.moment(report.at)
    taken, note = case.record.end(at, values, signed)
    return await case.put_back(Outcome(taken, note))


async def boot(desk: Desk, report: BootReport) -> Outcome:
    """The station has forgotten the sessions that it does not list; their stops may still come."""
    at = desk.moment(report.at)
    running = {transaction_key(desk.location_id, name) for name in report.running}
    known = [each for each in await open_charges(desk, None) if started_at(each) <= at]
    lost = [charge for charge in known if charge.transaction_key not in running]
    _let_close(desk, lost)
    note = f"{len(lost)} sessions end in an hour unless their stop is reported." if lost else None
    return Outcome(Taken.TAKEN, note)


async def close_overdue(db: AsyncSession, settings: Settings) -> int:
    """End the sessions whose stop never came, at the last that is known of them; gives how many."""
    now = await clock(db)
    found = await db.exec(
        select(Charge)
        .where(col(Charge.closing_at) <= now, col(Charge.open).is_(True))
        .limit(100)
        .with_for_update(skip_locked=True)
    )
    charges = found.all()
    for charge in charges:
        case = _case_of(db, settings, charge, now)
        case.record.close("No stop was reported; it ends at the last that is known of it.")
        await case.put_back(Outcome(Taken.TAKEN))
    return len(charges)


async def bill_again(db: AsyncSession, settings: Settings, charge: Charge) -> Outcome:
    """Try again what could not be published or billed: its token or Tariff may be known now.

    The row is locked by the caller. Raises ``UnknownLocation``.
    """
    case = _case_of(db, settings, charge, await clock(db))
    session = case.record.session
    if case.record.billed and session is not None:
        known: str = session["session_id"]
        if case.record.reused:
            case.record.reused = charge.trouble = None
            await case.store()
        return Outcome(Taken.REPEATED, "It is billed already.", session_id=known, cdr_id=known)
    outcome = await (_bill_reservation(case) if case.record.unused else _bill_session(case))
    if not charge.trouble or case.record.billed:
        return outcome
    if bill := await _bill_of_others(case):
        # Whoever tries again is told so by the outcome, and nothing is left to be done.
        note = case.record.note(f"{BILLED_ELSEWHERE}: CDR {bill}.")
        charge.trouble, case.record.reused = case.record.reused, None
        await case.store()
        outcome = replace(outcome, note=note)
    return replace(outcome, result=Taken.KEPT)


async def _bill_of_others(case: Case) -> str | None:
    """The CDR that somebody else made for a Session, be it under its `session_id` or its id."""
    if case.record.session is None:
        return None
    session_id: str = case.record.session["session_id"]
    bills = await cdrs.bills_of(case.desk.db, case.owner, [session_id])
    if bills:
        return bills[session_id.lower()]
    cdr = await cdrs.get(case.desk.db, case.owner, session_id)
    return None if cdr is None else str(cdr["id"])


async def _bill_session(case: Case) -> Outcome:
    record, note = case.record, None
    if record.begun and (record.session is None or "unpriced" in record.session):
        note = await _fix(case, read(Beginning, record.presented))
    return await case.put_back(Outcome(Taken.TAKEN, note))


async def _bill_reservation(case: Case) -> Outcome:
    desk, record, charge = case.desk, case.record, case.charge
    cdr_id, charge.trouble = await bill_unused(desk.db, desk.owner, record, desk.settings.currency)
    record.billed = charge.trouble is None
    await case.store()
    session_id = None if record.session is None else record.session["session_id"]
    return Outcome(Taken.TAKEN, charge.trouble, session_id=session_id, cdr_id=cdr_id)


async def prefer_tariff(
    db: AsyncSession, settings: Settings, charge: Charge, preference: str
) -> None:
    """Price a running session by the Tariff of this TariffType from now on, if there is one.

    The row is locked by the caller.
    """
    case = _case_of(db, settings, charge, await clock(db))
    record = case.record
    if record.session is None or record.ended:
        return
    started = str(record.started_at)
    chosen = choose_tariff(record.tariffs, started, preference, currency_of(record))
    current = record.tariff_changes[-1]["tariff_id"] if record.tariff_changes else None
    if chosen is None or chosen == current:
        return
    record.tariff_changes.append({"at": moment_text(case.desk.now), "tariff_id": chosen})
    await case.put_back(Outcome(Taken.TAKEN))


def _case_of(db: AsyncSession, settings: Settings, charge: Charge, now: int) -> Case:
    record = Record.load(decode(charge.record))
    desk = Desk(db, settings, Party(*record.owner), record.location_id, now)
    return Case(desk, charge, record)


async def _begin(case: Case, beginning: Beginning, at: str) -> Outcome:
    desk, record = case.desk, case.record
    place = (beginning.evse_uid, beginning.connector_id)
    site = await find_site(desk.db, desk.owner, desk.location_id, *place)
    noted = len(record.notes)
    taken, note = record.begin(parse_moment(at), site.evse_uid, reading_of(beginning))
    if taken is Taken.KEPT and len(record.notes) > noted and record.ended:
        _keep_reuse(case, at, site)
    presented = _presented(beginning)
    if taken is Taken.REPEATED and _corrects(record, presented):
        taken = Taken.TAKEN
    if taken is not Taken.TAKEN:
        return Outcome(taken, note)
    record.connector_id = site.connector_id
    record.meter_id = beginning.meter_id or record.meter_id
    record.presented = presented
    case.charge.evse_key = place_key(desk.location_id, site.evse_uid)
    await _let_others_close(case, parse_moment(at))
    return Outcome(taken, await _fix(case, beginning, site))


def _is_known(record: Record, report: StartReport) -> bool:
    """Whether a start without a moment is the one that is known, sent again word for word.

    Another session's under the same transaction_id has another value of the meter at least.
    """
    same = record.begun and record.presented == _presented(report)
    return same and record.has(str(record.started_at), reading_of(report))


def _presented(beginning: Beginning) -> Document:
    """Where somebody charges, and how the station named the driver."""
    told = dump(beginning)
    return {name: told[name] for name in _PRESENTED if name in told}


def _keep_reuse(case: Case, at: str, site: Site) -> None:
    """Let no session be lost that has the id of another one, which has ended."""
    record = case.record
    if record.started_at == at or record.reused:
        return
    record.reused = (
        f"A session of {at} at {site.evse_uid} was reported under the transaction_id of this one, "
        "which had ended. It is neither told nor billed: see the notes for what came of it, and "
        "bill it by POST /admin/cdrs. Then bill this one again, to have it listed no more."
    )
    case.charge.trouble = case.charge.trouble or record.reused


def _corrects(record: Record, presented: Document) -> bool:
    """Whether a start that comes again names somebody else, where the first named nobody known."""
    names = {name: presented.get(name) for name in _DRIVER}
    before = {name: record.presented.get(name) for name in _DRIVER}
    return record.session is None and any(names.values()) and names != before


async def _fix(case: Case, beginning: Beginning, site: Site | None = None) -> str | None:
    """Find out who charges and by which Tariff; a sentence for staff where nobody knows."""
    desk, record = case.desk, case.record
    place = (beginning.evse_uid, beginning.connector_id)
    site = site or await find_site(desk.db, desk.owner, desk.location_id, *place)
    since = str(record.started_at)
    at = microseconds(parse_moment(since))
    known = None if record.session is None else record.session["session_id"]
    origin = await find_origin(desk.db, Asked(desk.owner, desk.location_id, at, known), beginning)
    if origin is None:
        case.charge.trouble = await why_unknown(desk.db, beginning)
        transaction = record.transaction_id
        log.warning("unknown token", location=desk.location_id, transaction=transaction)
        return case.charge.trouble
    case.charge.trouble = None
    fixed = await _fixed(case, site, origin)
    if record.session is not None:
        # Whom the Session was told to does not change when its price is looked for again.
        fixed.session.update({n: record.session[n] for n in _WHOSE if n in record.session})
    record.session, record.tariffs = fixed.session, fixed.tariffs
    record.tariff_changes = fixed.tariff_changes
    case.charge.session_key = fixed.session["session_id"].lower()
    await _use_up(desk, origin, fixed.session["session_id"])
    return await _billed_before(case, origin.missed)


async def _use_up(desk: Desk, origin: Origin, session_id: str) -> None:
    """What led to a Session leads to no other one."""
    for grant in origin.grants:
        if isinstance(grant, Errand):
            grant.session_id = session_id
        else:
            grant.use_up()
    if origin.reservation is not None:
        origin.reservation.fate = Fate.USED.value
        origin.reservation.session_id = session_id
    await desk.db.flush()


async def _billed_before(case: Case, missed: Reservation | None) -> str | None:
    """A sentence for staff where the driver has had a bill for not coming."""
    if missed is None or missed.session_id is None:
        return None
    cdr = await cdrs.get(case.desk.db, case.desk.owner, missed.session_id)
    if cdr is None:
        return None
    before = moment_before(str(case.record.started_at), cdr["end_date_time"])
    if missed.fate == Fate.CANCELED and not before:
        return None  # The driver came all the same.
    return case.record.note(
        f"Its start was reported after its reservation was billed as unused: see CDR {cdr['id']}."
    )


async def _fixed(case: Case, site: Site, origin: Origin) -> Fixed:
    """What the start fixes; a reservation that is used has its Session already (SE-17)."""
    desk, record, held = case.desk, case.record, origin.reservation
    since = str(record.started_at)
    known = None if record.session is None else record.session["session_id"]
    session_id, reserved = known or _session_id(case.charge, since), None
    if held is not None and held.session_id is not None and held.held_at is not None:
        session_id = held.session_id
        reserved_at = moment_text(held.held_at)
        if moment_before(reserved_at, since):
            record.reserved_at, reserved = reserved_at, fixed_of_reservation(held)
    fixed = await fix(
        desk.db,
        desk.owner,
        site,
        origin,
        session_id=session_id,
        since=since if reserved else record.reserved_at or since,
        currency=desk.settings.currency,
    )
    if reserved is not None and fixed.tariff_changes and not reserved.tariff_changes:
        record.reserved_at = None  # It was free of charge, which the Tariff now knows nothing of.
    return behind_reservation(fixed, reserved) if reserved else fixed


def _session_id(charge: Charge, since: str) -> str:
    """The same for the same reports: told anew, after a backup was restored, they are billed once.

    A CDR has its Session's id, and an eMSP that has it already says so.
    """
    return str(uuid5(_SESSIONS, f"{charge.owner}|{charge.transaction_key}|{since}"))


async def _let_others_close(case: Case, at: datetime) -> None:
    """An EVSE has one session at a time: those begun before the newest one are over."""
    known = await open_charges(case.desk, case.charge.evse_key)
    others = [each for each in known if each is not case.charge]
    over = [each for each in others if started_at(each) <= at]
    if len(over) < len(others):
        over.append(case.charge)
    _let_close(case.desk, over)


def _let_close(desk: Desk, charges: Sequence[Charge]) -> None:
    for charge in charges:
        charge.closing_at = charge.closing_at or desk.now + GRACE


def _is_due(record: Record, settings: Settings) -> bool:
    """Enough time has passed since the eMSP was last told, so that it is not flooded (SE-23)."""
    if not record.told_at:
        return True
    waited = record.known_until() - parse_moment(record.told_at[-1])
    return waited.total_seconds() >= settings.session_update_seconds
