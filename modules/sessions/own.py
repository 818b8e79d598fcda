"""Changes of our own Sessions: validated, dated, stored, and remembered for their eMSP."""

from sqlmodel.ext.asyncio.session import AsyncSession

from modules.sessions.store import FINAL, sessions
from ocpi.database import clock
from ocpi.dating import date_change, grown
from ocpi.editing import Document, Written, object_key, spelled
from ocpi.errors import Conflict, UnknownObject
from ocpi.headers import Party
from ocpi.push.feed import Change, Stream, changed
from ocpi.spec.reading import dump, read, read_patch
from ocpi.spec.sessions import Session
from ocpi.store import audience_of, refuse_defects

MODULE = "sessions"


async def put_own(db: AsyncSession, owner: Party, session_id: str, body: Document) -> Written:
    """Put a Session of ours; a missing `last_updated` is now.

    Raises ValidationError or ``InvalidParameters`` for a document that OCPI does not allow,
    ``Conflict`` for one that is older than what is stored, or after the end of the Session.
    """
    before = await sessions.lock(db, owner, session_id)
    dated = {**body, "last_updated": date_change(before, body, await clock(db))}
    document = spelled(owner, dump(read(Session, dated)))
    sessions.require_same(owner, session_id, document)
    if before is not None and same_content(before, document):
        return Written(before, changed=False)
    _refuse_change(before, document)
    document = _begun(before, grown(before, document))
    refuse_defects(Session, document)
    return await store_own(db, owner, document)


async def patch_own(db: AsyncSession, owner: Party, session_id: str, body: Document) -> Written:
    """Change fields of a Session of ours; charging periods given are appended (SE-11)."""
    before = await sessions.lock(db, owner, session_id)
    if before is None:
        raise UnknownObject(f"There is no Session {session_id}.")
    dated = {**body, "last_updated": date_change(before, body, await clock(db))}
    changes = _begun(before, grown(before, read_patch(Session, dated)))
    document = sessions.merged(before, changes)
    sessions.require_same(owner, session_id, document)
    if same_content(before, document):
        return Written(before, changed=False)
    _refuse_change(before, document)
    refuse_defects(Session, document)
    if "charging_periods" in changes:
        # Receivers may add what they know already a second time.
        known = len(before.get("charging_periods", []))
        changes["charging_periods"] = document.get("charging_periods", [])[known:]
    return await store_own(db, owner, document, patch=changes)


async def store_own(
    db: AsyncSession, owner: Party, document: Document, *, patch: Document | None = None
) -> Written:
    """Store a Session that is fit to be sent, and have its eMSP told, and nobody else (SE-09).

    `patch` are the changes alone, where a PATCH can bring them: periods in it are those appended.
    """
    written = await sessions.put(db, owner, document["id"], document)
    if written.changed:
        await changed(
            db,
            Change(
                MODULE,
                object_key(owner, document["id"]),
                patch=patch,
                stream=Stream.MONEY,
                audience=audience_of(document).key,
            ),
        )
    return written


def _begun(before: Document | None, news: Document) -> Document:
    """A Session that was PENDING begins when it becomes ACTIVE, unless told otherwise (SE-15)."""
    if before is None or (before["status"], news.get("status")) != ("PENDING", "ACTIVE"):
        return news
    if news.get("start_date_time", before["start_date_time"]) != before["start_date_time"]:
        return news
    return {**news, "start_date_time": news["last_updated"]}


def _refuse_change(before: Document | None, document: Document) -> None:
    if before is not None and before["status"] in FINAL:
        raise Conflict(f"status: the Session {before['id']} is {before['status']}, which is final")
    if before is not None and audience_of(before).key != audience_of(document).key:
        # The one who was told of it would never hear of its end, and the other one of another's.
        party = audience_of(before)
        raise Conflict(f"cdr_token: the Session {before['id']} is of a driver of {party}")


def same_content(before: Document, after: Document) -> bool:
    """Whether nothing but the date differs."""
    return {**before, "last_updated": None} == {**after, "last_updated": None}
