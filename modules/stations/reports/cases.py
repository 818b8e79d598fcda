"""One session's record in a transaction: opened under a lock, published, and put back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from sqlmodel import col, select

import modules.sessions.own
from modules.sessions.store import FINAL, sessions
from modules.stations.charges import Charge
from modules.stations.reports.billing import finished, running_session
from modules.stations.reports.desk import Desk, Outcome
from modules.stations.reports.record import Record, Taken
from modules.stations.reports.reservations import BILLED_ELSEWHERE, codes_of, store_end
from ocpi.database import clock_of, stamp
from ocpi.dating import later
from ocpi.editing import Document
from ocpi.errors import Conflict
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.push.feed import Stream
from ocpi.spec.document import decode, encode
from ocpi.spec.moments import format_moment, parse_moment


@dataclass(frozen=True)
class Case:
    """A session at a station: its row, locked until the commit, and what the row holds."""

    desk: Desk
    charge: Charge
    record: Record

    @property
    def owner(self) -> Party:
        return self.desk.owner

    async def put_back(self, outcome: Outcome, *, due: bool = True) -> Outcome:
        """Publish what the record comes to now, and store it.

        Unless `due`, a session that goes on is not told of again (SE-23).
        """
        cdr_id = None
        record, charge = self.record, self.charge
        if record.session is not None and not record.billed and outcome.result is Taken.TAKEN:
            if record.ended:
                cdr_id = await self._finish()
            elif due:
                await self._publish()
        if not record.begun and not record.dismissed:
            charge.trouble = "Its start was not reported."
        charge.open = not (record.begun and record.ended)
        charge.closing_at = charge.closing_at if charge.open else None
        await self.store()
        return Outcome(
            outcome.result,
            outcome.note or charge.trouble,
            session_id=None if record.session is None else record.session["session_id"],
            cdr_id=cdr_id,
        )

    async def store(self) -> None:
        """Store the record as it is."""
        self.charge.record = encode(self.record.dump())
        self.charge.changed_at = self.desk.now
        self.desk.db.add(self.charge)
        await self.desk.db.flush()

    async def _publish(self) -> None:
        """Tell the Session as it goes on: whole at first, then what changed (SE-09)."""
        db, record = self.desk.db, self.record
        document = running_session(record, codes_of(self.owner))
        before = await sessions.lock(db, self.owner, document["id"])
        if before is not None and before["status"] in FINAL:
            return  # Staff ended it, or made it INVALID (SE-14).
        if before is None:
            await stamp(db, "created", 0)
        stored = None if before is None else before["last_updated"]
        dated = {**document, "last_updated": later(stored, await clock_of(db, Stream.MONEY))}
        patch = _patch(before, dated)
        await modules.sessions.own.store_own(db, self.owner, dated, patch=patch)
        told = format_moment(record.known_until())
        if told not in record.told_at[-1:]:
            record.told_at.append(told)

    async def _finish(self) -> str | None:
        """Tell the Session's end, and bill it; gives the CDR's id."""
        session, cdr, problem = finished(self.record, codes_of(self.owner))
        try:
            valid = await store_end(self.desk.db, self.owner, session, cdr)
            problem = problem if valid else "Its Session is INVALID: it is not billed."
        except Conflict as error:
            problem = f"{BILLED_ELSEWHERE}: {error.message}"
        self.record.completed = True
        self.charge.trouble = problem or self.record.reused
        if cdr is None or problem is not None:
            log.error("session not billed", session=session["id"], reason=problem)
            return None
        self.record.billed = True
        cdr_id: str = cdr["id"]
        return cdr_id


def _patch(before: Document | None, after: Document) -> Document | None:
    """What a PATCH brings; None where only the whole Session tells it (SE-12)."""
    if before is None or before["status"] != after["status"] or before.keys() - after.keys():
        return None
    known: list[Document] = before.get("charging_periods", [])
    periods: list[Document] = after.get("charging_periods", [])
    if periods[: len(known)] != known:
        return None
    changes = {name: value for name, value in after.items() if before.get(name) != value}
    if new := periods[len(known) :]:
        changes["charging_periods"] = new
    return changes


def place_key(location_id: str, name: str) -> str:
    """How what belongs to a Location is found; ids may hold an asterisk themselves."""
    return f"{quote(location_id.lower(), safe='')}*{name.lower()}"


transaction_key = place_key


def started_at(charge: Charge) -> datetime:
    """When a session began of which the start was reported."""
    return parse_moment(decode(charge.record)["started_at"])


async def open_case(desk: Desk, transaction_id: str) -> Case:
    """A session's record, or a new one where nothing is known of it yet."""
    key = transaction_key(desk.location_id, transaction_id)
    found = await desk.db.exec(
        select(Charge)
        .where(Charge.owner == desk.owner.key, Charge.transaction_key == key)
        .with_for_update()
    )
    charge = found.one_or_none()
    if charge is not None:
        return Case(desk, charge, Record.load(decode(charge.record)))
    owner = [desk.owner.country_code, desk.owner.party_id]
    return Case(
        desk,
        Charge(owner=desk.owner.key, transaction_key=key, record="", changed_at=desk.now),
        Record(transaction_id, desk.location_id, owner),
    )


async def open_charges(desk: Desk, evse_key: str | None) -> Sequence[Charge]:
    """The sessions without a stop at an EVSE, None for all of the Location's, locked."""
    key = col(Charge.evse_key)
    everywhere = key.startswith(place_key(desk.location_id, ""), autoescape=True)
    at = everywhere if evse_key is None else key == evse_key
    found = await desk.db.exec(
        select(Charge)
        .where(Charge.owner == desk.owner.key, at, col(Charge.open).is_(True))
        .order_by(col(Charge.id))
        .with_for_update()
    )
    return found.all()
