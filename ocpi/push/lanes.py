"""What is stored of the push: lanes, the workers that drive them, parked objects, receipts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Executable,
    ForeignKey,
    Index,
    Table,
    bindparam,
    cast,
    delete,
    func,
    or_,
    update,
)
from sqlalchemy import select as select_columns
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import clock
from ocpi.ownwords import Server, insert_into
from ocpi.parties import Partner
from ocpi.pulse import PartnerPulse
from ocpi.push.feed import FeedHead, Stream
from ocpi.push.parking import Notes, Parking, Why


def _of_partner() -> Column[int]:
    return Column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)


class PartnerLane(SQLModel, table=True):
    """How far a registered partner is up to date, and which worker sees to it.

    Who writes its progress must be the owner and know the epoch: every change of owner and every
    rewind raises it, so that what an old owner still writes is refused.
    """

    __tablename__ = "partner_lane"

    partner_id: int = Field(sa_column=_of_partner())
    owner: str | None = Field(default=None, index=True)
    """The worker's id; None: free to be taken."""
    epoch: int = 1
    cursors: dict[str, int] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """For each stream the number up to which nothing is left to tell; none means 0, a back-fill."""
    breaker: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    """Why and since when nothing is sent, see ocpi.push.breaker; None: it is closed."""
    last_success_at: int | None = Field(default=None, sa_type=BigInteger)
    last_error: str | None = None
    paused_until: int | None = Field(default=None, sa_type=BigInteger)
    """The end of the pause that the partner has asked for."""
    again_at: int | None = Field(default=None, sa_type=BigInteger)
    """When nothing that a dead owner sent can arrive any more, see `ocpi.push.orphans`."""
    again_from: dict[str, int] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True))
    )
    """The cursors when it died, from which all is told again then."""


AT_ONCE = 1000
"""Lanes in a statement at most."""

_LANES: Table = PartnerLane.__table__  # type: ignore[attr-defined]
_PUT_PROGRESS = update(_LANES).where(_LANES.c.partner_id == bindparam("of"))


class WorkerBeat(SQLModel, table=True):
    """A running worker. Without a row here, or with an old beat, its lanes may be taken."""

    __tablename__ = "worker"

    id: str = Field(primary_key=True)
    """New at every start."""
    beat_at: int = Field(sa_type=BigInteger)
    process: str | None = None
    """Machine, process id and start, see ocpi.push.process; None where that cannot be known."""


class ParkedObject(SQLModel, table=True):
    """An object that a partner did not take: retry set and dead letter box at once."""

    __tablename__ = "parked"
    __table_args__ = (Index("ix_parked_due", "partner_id", "next_at"),)

    partner_id: int = Field(sa_column=_of_partner())
    object_key: str = Field(primary_key=True)
    seq: int = Field(sa_type=BigInteger)
    kind: str
    attempts: int
    next_at: int | None = Field(default=None, sa_type=BigInteger)
    """None: dead until its next change or an operator's retry."""
    doubtful: bool = False
    """The partner may have taken it, though no answer said so."""
    http_status: int | None = None
    status_code: int | None = None
    error: str | None = Field(default=None, max_length=500)
    first_failed_at: int = Field(sa_type=BigInteger)


_IS_BILL = col(ParkedObject.object_key).startswith("cdrs/")


class Receipt(SQLModel, table=True):
    """A partner accepted a POST: the proof, and the address of its copy.

    What is POSTed is for one party, so it is never sent again, by whatever way that one is reached.
    So the proof outlives the partner, and names it by no id, which SQLite gives to another later.
    """

    __tablename__ = "receipt"

    object_key: str = Field(primary_key=True)
    partner: str = Field(primary_key=True, index=True)
    """The name that it had."""
    accepted_at: int = Field(sa_type=BigInteger)
    http_status: int
    url: str | None = None
    request_id: str


class HeldObject(SQLModel, table=True):
    """An object that a partner was told, and must be told is gone once it may not see it.

    Those of a partner with rules, see `ocpi.sight`, and the ClientInfos of parties that it may not
    know any more, see `ocpi.push.parting`.
    """

    __tablename__ = "held"

    partner_id: int = Field(sa_column=_of_partner())
    object_key: str = Field(primary_key=True)
    """The whole object's key in the feed."""
    whole: bool
    """It holds what we told; False: perhaps not yet, or what took the object back."""


@dataclass(frozen=True)
class Progress:
    """What a lane has to store, taken at one moment."""

    cursors: dict[str, int]
    breaker: dict[str, Any] | None
    last_success_at: int | None
    last_error: str | None
    notes: Notes
    receipts: Sequence[Receipt]
    sent: frozenset[str]
    """Objects that the partner was told; should the lane be lost, they are told again."""
    paused_until: int | None = None


SLICE = 500
"""Lanes that are looked at in one go: of ten thousand, all at once would hold everything up."""


def lanes_query(told: Sequence[ColumnElement[bool]]) -> Executable:
    """Some lanes of this worker and free ones, with what they and their partners are at."""
    return (
        select_columns(
            col(PartnerLane.partner_id),
            col(PartnerLane.owner),
            col(PartnerLane.epoch),
            col(Partner.token_out),
            select_columns(func.min(ParkedObject.next_at))
            .where(col(ParkedObject.partner_id) == col(PartnerLane.partner_id))
            .scalar_subquery(),
            func.coalesce(col(PartnerPulse.heard_at), 0),
            func.coalesce(col(PartnerPulse.failures), 0),
        )
        .join(Partner, col(Partner.id) == col(PartnerLane.partner_id))
        .outerjoin(PartnerPulse, col(PartnerPulse.partner_id) == col(PartnerLane.partner_id))
        .where(
            *told,
            or_(col(PartnerLane.owner) == bindparam("me"), col(PartnerLane.owner).is_(None)),
            col(PartnerLane.partner_id) > bindparam("after"),
        )
        .order_by(col(PartnerLane.partner_id))
        .limit(SLICE)
    )


def counts_query(told: Sequence[ColumnElement[bool]]) -> Executable:
    """How many lanes there are to drive, and how many workers."""
    lanes = select_columns(func.count()).select_from(PartnerLane).join(Partner).where(*told)
    workers = select_columns(func.count()).select_from(WorkerBeat)
    return select_columns(lanes.scalar_subquery(), workers.scalar_subquery())


async def open_lane(db: AsyncSession, partner_id: int) -> None:
    """Tell a partner everything from the start: it has registered, or changed its endpoints.

    Runs in the caller's transaction. A lane that is being driven starts over as well.
    """
    if not await rewind_lane(db, partner_id):
        db.add(PartnerLane(partner_id=partner_id))
    await db.flush()
    db.info["stamped"] = True  # So that the commit wakes this process' worker.


async def rewind_lane(
    db: AsyncSession, partner_id: int, to: Mapping[str, int] = {}, *, hopeful: bool = True
) -> bool:
    """Set a lane back to the start, or to numbers given. Returns False when there is none.

    What is parked stays so, except when all is read again from the start: see `_unpark`. Unless
    `hopeful`, a partner that was away is held to be so still, and left alone if it asked for that.
    """
    lane = await db.get(PartnerLane, partner_id, with_for_update=True, populate_existing=True)
    if lane is None:
        return False
    lane.cursors = _set_back(lane.cursors, to)
    lane.again_from = lane.again_from and _set_back(lane.again_from, lane.cursors)
    if hopeful:
        lane.breaker = lane.last_error = lane.paused_until = None
    lane.epoch += 1
    db.add(lane)
    if not to:
        await _unpark(db, partner_id)
    db.info["stamped"] = True
    return True


async def _unpark(db: AsyncSession, partner_id: int) -> None:
    """Forget what the feed tells again, not what staff gave up, nor what must not come twice."""
    kind, now = col(ParkedObject.kind), await clock(db)
    mine = col(ParkedObject.partner_id) == partner_id, kind != Why.DROPPED, ~is_landing(now)
    # That a CDR may have arrived makes "exists" its proof.
    await db.exec(delete(ParkedObject).where(*mine, ~(col(ParkedObject.doubtful) & _IS_BILL)))
    due = {"kind": Why.TRANSIENT.value, "attempts": 0, "next_at": now}
    await db.exec(update(ParkedObject).where(*mine).values(**due))


async def restart_lanes(db: AsyncSession, partner_ids: Iterable[int]) -> None:
    """Have lanes taken up anew from what is stored: nothing is sent any more as it was before."""
    these = col(PartnerLane.partner_id).in_(list(partner_ids))
    await lock_lanes(db, these)
    await db.exec(update(PartnerLane).where(these).values(epoch=col(PartnerLane.epoch) + 1))
    db.info["stamped"] = True


async def lock_lanes(db: AsyncSession, which: ColumnElement[bool]) -> None:
    """Lock lanes one after the other by their ids, as all do who lock several of them."""
    these = select(col(PartnerLane.partner_id)).where(which)
    await db.exec(these.order_by(col(PartnerLane.partner_id)).with_for_update())


def _set_back(cursors: Mapping[str, int], to: Mapping[str, int]) -> dict[str, int]:
    return {stream: min(seq, to.get(stream, 0)) for stream, seq in cursors.items()}


def is_behind(stream: Stream) -> ColumnElement[bool]:
    """Whether a lane has not passed the newest change of a stream."""
    cursor = cast(col(PartnerLane.cursors)[stream.value].as_string(), BigInteger)
    head = select(col(FeedHead.seq)).where(col(FeedHead.stream) == stream.value).scalar_subquery()
    return func.coalesce(cursor, 0) < head


def is_landing(now: int) -> ColumnElement[bool]:
    """Whether what is parked waits for what is in flight: see `Parking.may_hurry`."""
    return (col(ParkedObject.kind) == Why.LATE) & (col(ParkedObject.next_at) > now)


async def close_lane(db: AsyncSession, partner_id: int) -> None:
    """Stop telling a partner, in the caller's transaction; receipts stay, and bills given up."""
    await db.exec(delete(PartnerLane).where(col(PartnerLane.partner_id) == partner_id))
    given_up = _IS_BILL & (col(ParkedObject.kind) == Why.DROPPED)
    parked = delete(ParkedObject).where(col(ParkedObject.partner_id) == partner_id)
    await db.exec(parked.where(~given_up))
    db.info["stamped"] = True


async def lock_held(
    db: AsyncSession, owner: str, partner_ids: Sequence[int]
) -> dict[int, tuple[int, int]]:
    """Those of some lanes that an owner holds, with their epoch and the server that says so.

    They stay locked to the end of the transaction, one after the other by their ids.
    """
    held: dict[int, tuple[int, int]] = {}
    for first in range(0, len(partner_ids), AT_ONCE):
        some = sorted(partner_ids)[first : first + AT_ONCE]
        rows = await db.exec(
            select(col(PartnerLane.partner_id), col(PartnerLane.epoch), Server())
            .where(col(PartnerLane.owner) == owner, col(PartnerLane.partner_id).in_(some))
            .order_by(col(PartnerLane.partner_id))
            .with_for_update()
        )
        held |= {partner_id: (epoch, server) for partner_id, epoch, server in rows}
    return held


async def put_progress(
    db: AsyncSession, owner: str | None, progress: Mapping[int, Progress]
) -> None:
    """Store how far lanes are, and whose they are from now on.

    A change moves the cursors of thousands of lanes, so they go to the driver all together.
    """
    if not progress:
        return
    rows = [
        {
            "of": partner_id,
            "owner": owner,
            "cursors": each.cursors,
            "breaker": each.breaker,
            "last_success_at": each.last_success_at,
            "last_error": each.last_error,
            "paused_until": each.paused_until,
        }
        for partner_id, each in progress.items()
    ]
    connection = await db.connection()
    await connection.run_sync(Connection.execute, _PUT_PROGRESS, rows)


async def put_notes(db: AsyncSession, partner_id: int, notes: Notes) -> None:
    """Store what is parked, and forget what is not any more."""
    await _upsert(db, partner_id, notes.parked)
    for key, known in notes.unparked.items():
        # A `late` row that another worker wrote meanwhile asks for one more push.
        told = or_(col(ParkedObject.kind) != Why.LATE, col(ParkedObject.next_at) == known.next_at)
        this = col(ParkedObject.partner_id) == partner_id, col(ParkedObject.object_key) == key
        await db.exec(delete(ParkedObject).where(*this, told))


async def park_late(
    db: AsyncSession,
    partner_id: int,
    keys: Iterable[str],
    *,
    wait: int = 0,
    seqs: Mapping[str, int] = {},
) -> None:
    """Have objects sent again by the lane's present owner, in so many microseconds.

    A worker that had lost the lane sent them, so an old state may have arrived after the newer one.
    A partner without a lane has no need of it, nor has what staff took out. What has its number in
    `seqs` waits though the lane reads of it in the feed, by which any other counts as changed.
    """
    lane = await db.get(PartnerLane, partner_id, with_for_update=True, populate_existing=True)
    if lane is None:
        return
    now = await clock(db)
    late = Parking(seq=0, kind=Why.LATE, next_at=now + wait, first_failed_at=now)
    await _upsert(
        db,
        partner_id,
        {key: replace(late, seq=seqs.get(key, 0)) for key in keys},
        keep=("attempts", "doubtful", "first_failed_at", "seq"),
        where=col(ParkedObject.kind) != Why.DROPPED,
    )


async def put_receipts(db: AsyncSession, receipts: Iterable[Receipt]) -> None:
    """Store proofs of acceptance; the first one for an object stays."""
    for receipt in receipts:
        statement = insert_into(db)(Receipt).values(**receipt.model_dump())
        await db.exec(statement.on_conflict_do_nothing())


async def _upsert(
    db: AsyncSession,
    partner_id: int,
    parked: Mapping[str, Parking],
    *,
    keep: tuple[str, ...] = (),
    where: ColumnElement[bool] | None = None,
) -> None:
    """Insert rows of `parked`, or change all but what to keep of them, if they are as wanted.

    All at once, since there may be a hundred thousand.
    """
    mine = {"partner_id": partner_id}
    rows = [mine | {"object_key": key} | vars(each) for key, each in parked.items()]
    if rows:
        statement = insert_into(db)(ParkedObject.__table__)  # type: ignore[attr-defined]
        key = ("partner_id", "object_key")
        new = {name: statement.excluded[name] for name in rows[0] if name not in (*key, *keep)}
        statement = statement.on_conflict_do_update(index_elements=key, set_=new, where=where)
        connection = await db.connection()
        await connection.run_sync(Connection.execute, statement, rows)
