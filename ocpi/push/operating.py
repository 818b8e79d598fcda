"""What staff see of the push and do to it, by a partner's name; behind CLI and admin API."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database
from ocpi.errors import Conflict, InvalidParameters, UnknownObject
from ocpi.messages import log
from ocpi.parties import Partner
from ocpi.push.lanes import ParkedObject
from ocpi.push.marks import marked_before
from ocpi.push.status import drop, lane_status, parked_objects, pause_of, retry, rewind
from ocpi.spec.moments import format_moment, microseconds, moment_of, parse_moment


async def list_lanes(database: Database, *, require_check: bool = False) -> list[dict[str, Any]]:
    """How far each partner is up to date, see `lane_status`."""
    async with database.read() as db:
        found = await lane_status(db, require_check=require_check)
    return [{name: _told(value) for name, value in asdict(lane).items()} for lane in found]


async def list_parked(
    database: Database, name: str, *, limit: int | None = None, offset: int = 0
) -> list[dict[str, Any]]:
    """What a partner did not take, and why."""
    async with database.read() as db:
        partner_id = await partner_id_of(db, name)
        found = await parked_objects(db, partner_id, limit=limit, offset=offset)
        return [_parked(each) for each in found]


async def retry_parked(database: Database, name: str, key: str | None) -> int:
    """Have one parked object of a partner, or all of them, tried now; gives how many."""
    async with database.write() as db:
        count = await retry(db, await partner_id_of(db, name), key)
        if key is not None and not count:
            raise UnknownObject(f"{key} is not parked for {name}: see `ocpi push parked {name}`.")
        return count


async def asked_pause(database: Database, name: str) -> str | None:
    """Until when a partner has asked to be sent nothing; None: it has not."""
    async with database.read() as db:
        until = await pause_of(db, await partner_id_of(db, name))
    return None if until is None else format_moment(until)


async def drop_parked(database: Database, name: str, key: str, *, force: bool) -> None:
    """Give one parked object up until it changes; a CDR, which never does, only by force."""
    bill = key.startswith("cdrs/")
    if bill and not force:
        raise Conflict(
            f"{key} would never be paid: force it, or take it back by `ocpi cdr credit`."
        )
    async with database.write() as db:
        if not await drop(db, await partner_id_of(db, name), key):
            raise UnknownObject(f"{key} is not parked for {name}: see `ocpi push parked {name}`.")
    if bill:
        log.warning("push: a CDR is given up", partner=name, key=key)


async def rewind_partner(database: Database, name: str, since: str | None = None) -> str | None:
    """Tell a partner again what changed since a moment; gives from when on that is done.

    None: everything is told, as without a moment, since so old a change cannot be dated any more.
    """
    try:
        moment = None if since is None else microseconds(parse_moment(since))
    except ValueError as error:
        raise InvalidParameters(f"since: {error}") from None
    async with database.write() as db:
        at, numbers = (None, {}) if moment is None else await marked_before(db, moment)
        if not await rewind(db, await partner_id_of(db, name), numbers):
            raise UnknownObject(f"{name} is not registered, so there is nothing to tell it.")
    return _moment(at)


async def partner_id_of(db: AsyncSession, name: str) -> int:
    """A partner's id; raises ``UnknownObject``."""
    found = await db.exec(select(col(Partner.id)).where(Partner.name == name))
    partner_id = found.one_or_none()
    if partner_id is None:
        raise UnknownObject(f"There is no partner {name}: see `ocpi partner list`.")
    return partner_id


def _parked(each: ParkedObject) -> dict[str, Any]:
    return {
        "object": each.object_key,
        "kind": each.kind,
        "attempts": each.attempts,
        "error": each.error,
        "http_status": each.http_status,
        "status_code": each.status_code,
        "first_failed_at": _moment(each.first_failed_at),
        "next_at": _moment(each.next_at),
    }


def _moment(at: int | None) -> str | None:
    return None if at is None else format_moment(moment_of(at))


def _told(value: Any) -> Any:
    return format_moment(value) if isinstance(value, datetime) else value
