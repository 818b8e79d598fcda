"""Reports beside charging: an EVSE's status, answers to errands, profiles, dropped reservations."""

from datetime import timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.cdrs.store import cdrs
from modules.commands.reservations import BILLED, Reservation
from modules.locations.own import REMOVED, patch_own
from modules.locations.parts import Place, find_part
from modules.locations.statuses import note_statuses, row_of, status_since
from modules.locations.store import locations
from modules.sessions.store import FINAL, sessions
from modules.stations.consequences import drop, profile_setters, settle
from modules.stations.reports.cases import open_case
from modules.stations.reports.desk import Desk, Outcome
from modules.stations.reports.forms import (
    ProfileReport,
    ReservationReport,
    ResultReport,
    StatusReport,
)
from modules.stations.reports.record import Taken
from ocpi.editing import object_key
from ocpi.errands import Errand, tell
from ocpi.errors import UnknownLocation, UnknownObject
from ocpi.parties import PartnerEndpoint
from ocpi.spec.document import decode
from ocpi.spec.moments import format_moment, microseconds, moment_of
from ocpi.spec.reading import dump

# By so much a report may lie before what is known and still be the newest: what was told without a
# moment, or changed here, is known since it arrived, by our clock, and a station's may be slow.
LATE = timedelta(seconds=30)


async def change_status(desk: Desk, report: StatusReport) -> Outcome:
    """An EVSE has another status; what is older than the status known is not applied (PP-09)."""
    place = Place(desk.location_id, report.evse_uid)
    location = await locations.lock(desk.db, desk.owner, desk.location_id)
    if location is None:
        raise UnknownLocation(f"There is no Location {desk.location_id}.")
    evse = find_part(location, place)
    if evse["status"] == REMOVED:
        return Outcome(Taken.KEPT, "This EVSE is removed for good.")
    key = object_key(desk.owner, desk.location_id)
    if report.at is not None:
        known = moment_of(min(await status_since(desk.db, key, evse), desk.now))
        if report.at < known - LATE:
            return Outcome(Taken.KEPT, f"Older than what is known since {format_moment(known)}.")
    written = await patch_own(desk.db, desk.owner, place, {"status": report.status.value})
    if written.changed and report.at is not None:
        since = min(microseconds(report.at), desk.now)
        await note_statuses(desk.db, [row_of(key, written.document, since=since)])
    return Outcome(Taken.TAKEN if written.changed else Taken.REPEATED)


async def take_result(desk: Desk, report: ResultReport) -> Outcome:
    """A station answers what it was asked; the first answer in time counts (CM-07)."""
    found = await desk.db.exec(
        select(Errand).where(
            Errand.id == report.id,
            Errand.owner_country_code == desk.owner.country_code,
            Errand.owner_party_id == desk.owner.party_id,
        )
    )
    errand = found.one_or_none()
    if errand is None or errand.location_id.lower() != desk.location_id.lower():
        raise UnknownObject(f"id: this station was asked nothing under {report.id}.")
    answered = dump(report)
    if await settle(desk.db, errand, answered, desk.settings.currency):
        return Outcome(Taken.TAKEN, errand=True)
    await desk.db.refresh(errand)
    stands = decode(errand.result or "{}").get("result")
    if stands == report.result:
        return Outcome(Taken.REPEATED)
    return Outcome(Taken.KEPT, f"Its result is {stands} already.")


async def change_profile(desk: Desk, report: ProfileReport) -> Outcome:
    """The active profile of a session changed: those hear of it who have set one (CP-11, CP-14)."""
    case = await open_case(desk, report.transaction_id)
    profile = dump(report.profile)
    if case.record.session is None:
        raise UnknownObject(f"transaction_id: no session {report.transaction_id} is known here.")
    if case.record.profile == profile:
        return Outcome(Taken.REPEATED)
    session_id: str = case.record.session["session_id"]
    session = await sessions.get(desk.db, desk.owner, session_id)
    if session is not None and session["status"] in FINAL:
        return Outcome(Taken.KEPT, "Its Session has ended: no profile is active.")
    case.record.profile = profile
    await case.store()
    setters = await profile_setters(desk.db, session_id)
    for errand in setters:
        if url := await _profile_url(desk.db, errand):
            await tell(desk.db, errand, "PUT", f"{url.rstrip('/')}/{session_id}", profile)
    return Outcome(Taken.TAKEN, session_id=session_id, errand=bool(setters))


async def _profile_url(db: AsyncSession, errand: Errand) -> str | None:
    """Where the partner takes updates of active profiles: its SENDER endpoint."""
    found = await db.exec(
        select(col(PartnerEndpoint.url)).where(
            PartnerEndpoint.partner_id == errand.partner_id,
            PartnerEndpoint.identifier == "chargingprofiles",
            PartnerEndpoint.role == "SENDER",
        )
    )
    return found.one_or_none()


async def drop_reservation(desk: Desk, report: ReservationReport) -> Outcome:
    """A station cannot keep a reservation; it may tell so later than its time is over."""
    found = await desk.db.exec(
        select(Reservation)
        .where(
            col(Reservation.id) == report.reservation_id,
            Reservation.owner == desk.owner.key,
            Reservation.location_id == desk.location_id,
        )
        .with_for_update()
    )
    reservation = found.one_or_none()
    if reservation is None:
        raise UnknownObject(f"reservation_id: this station holds no {report.reservation_id}.")
    at = None if report.at is None else microseconds(report.at)
    if await drop(desk.db, reservation, report.reason, at):
        return Outcome(Taken.TAKEN, session_id=reservation.session_id, errand=True)
    billed = reservation.fate in BILLED and await _bill_of(desk, reservation)
    note = f"It is {reservation.fate} already."
    return Outcome(Taken.KEPT, f"{note} Its bill is CDR {billed}." if billed else note)


async def _bill_of(desk: Desk, reservation: Reservation) -> str | None:
    """The id of the CDR for a reservation that nobody used."""
    if reservation.session_id is None:
        return None
    cdr = await cdrs.get(desk.db, desk.owner, reservation.session_id)
    return None if cdr is None else str(cdr["id"])
