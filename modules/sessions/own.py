"""Changes of our own Sessions: validated, dated, stored, and remembered for their eMSP."""

from dataclasses import replace
from functools import partial

from sqlmodel.ext.asyncio.session import AsyncSession

from modules.sessions.store import FINAL, sessions, start_of
from ocpi.database import Database
from ocpi.dating import date_change, grown, refuse_defects
from ocpi.editing import Decision, Document, Edit, Written, object_key, spelled
from ocpi.errors import Conflict, UnknownObject
from ocpi.headers import Party
from ocpi.push.feed import Change, Stream
from ocpi.push.writing import write, write_in
from ocpi.spec.moments import parse_moment
from ocpi.spec.reading import dump, read, read_patch
from ocpi.spec.sessions import Session
from ocpi.store import audience_of

MODULE = "sessions"
WAITING = ("PENDING", "RESERVATION")
"""What a Session is before it has begun."""


async def put_own(database: Database, owner: Party, session_id: str, body: Document) -> Written:
    """Put a Session of ours; a missing `last_updated` is now.

    Raises ValidationError or ``InvalidParameters`` for a document that OCPI does not allow,
    ``Conflict`` for one that is older than what is stored, or after the end of the Session.
    """

    def decide(before: Document | None, now: int) -> Decision:
        dated = {**body, "last_updated": date_change(before, body, now)}
        document = spelled(owner, dump(read(Session, dated)))
        sessions.require_same(owner, session_id, document)
        document = _still_begun(before, document)
        if before is not None and same_content(before, document):
            return None, Written(before, changed=False)
        _refuse_change(before, document)
        document = _begun(before, grown(before, document))
        refuse_defects(Session, document)
        return document, Written(document, created=before is None)

    edit = Edit(owner, session_id, decide, creates=True, dated_in=Stream.MONEY)
    return await write(database, sessions, edit, partial(_change, owner))


async def patch_own(database: Database, owner: Party, session_id: str, body: Document) -> Written:
    """Change fields of a Session of ours; charging periods given are added (SE-11).

    One of a known start replaces that one, which partners can only be told by the whole (SE-12).
    """

    def decide(before: Document | None, now: int) -> Decision:
        if before is None:
            raise UnknownObject(f"There is no Session {session_id}.")
        dated = {**body, "last_updated": date_change(before, body, now)}
        changes = _begun(before, grown(before, read_patch(Session, dated)))
        document = sessions.merged(before, changes)
        sessions.require_same(owner, session_id, document)
        if same_content(before, document):
            return None, Written(before, changed=False)
        _refuse_change(before, document)
        refuse_defects(Session, document, before)
        return document, Written(document, patch=_told(before, changes, document))

    edit = Edit(owner, session_id, decide, dated_in=Stream.MONEY)
    return await write(database, sessions, edit, partial(_change, owner))


async def store_own(
    db: AsyncSession, owner: Party, document: Document, *, patch: Document | None = None
) -> Written:
    """Store a Session that is fit to be sent, and have its eMSP told, and nobody else (SE-09).

    `patch` are the changes alone, where a PATCH can bring them: periods in it are those appended.
    """

    def tell(written: Written) -> Change:
        return _change(owner, replace(written, patch=patch))

    return await write_in(db, sessions, sessions.putting(owner, document["id"], document), tell)


def _change(owner: Party, written: Written) -> Change:
    return Change(
        MODULE,
        object_key(owner, written.document["id"]),
        patch=written.patch,
        stream=Stream.MONEY,
        audience=audience_of(written.document).key,
    )


def _told(before: Document, changes: Document, document: Document) -> Document | None:
    """The PATCH that brings a change, None where only the whole does.

    Receivers may add periods that they know already a second time, so it has but the new ones.
    """
    if "charging_periods" not in changes:
        return changes
    periods = before.get("charging_periods", [])
    starts = set(map(start_of, periods))
    known: list[Document] = []
    new: list[Document] = []
    for period in document.get("charging_periods", []):
        (known if start_of(period) in starts else new).append(period)
    return {**changes, "charging_periods": new} if known == periods else None


def _begun(before: Document | None, news: Document) -> Document:
    """A Session that waited begins when it becomes ACTIVE, unless told otherwise (SE-15)."""
    if before is None or before["status"] not in WAITING or news.get("status") != "ACTIVE":
        return news
    if news.get("start_date_time", before["start_date_time"]) != before["start_date_time"]:
        return news
    return {**news, "start_date_time": news["last_updated"]}


def _still_begun(before: Document | None, document: Document) -> Document:
    """A PUT that repeats when a Session became PENDING leaves it begun when it was ACTIVE (SE-15).

    Who knows an earlier start can PATCH it.
    """
    if before is None or before["status"] != "ACTIVE":
        return document
    start = max(before["start_date_time"], document["start_date_time"], key=parse_moment)
    return {**document, "start_date_time": start}


def _refuse_change(before: Document | None, document: Document) -> None:
    if before is not None and before["status"] in FINAL:
        raise Conflict(f"status: the Session {before['id']} is {before['status']}, which is final")
    if before is not None and before["status"] == "ACTIVE" and document["status"] in WAITING:
        raise Conflict(f"status: the Session {before['id']} is ACTIVE, and has begun for good")
    if before is not None and audience_of(before).key != audience_of(document).key:
        # The one who was told of it would never hear of its end, and the other one of another's.
        party = audience_of(before)
        raise Conflict(f"cdr_token: the Session {before['id']} is of a driver of {party}")


def same_content(before: Document, after: Document) -> bool:
    """Whether nothing but the date differs."""
    return {**before, "last_updated": None} == {**after, "last_updated": None}
