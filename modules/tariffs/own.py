"""Changes of our own Tariffs: validated, dated, stored, and remembered for the partners."""

from sqlmodel.ext.asyncio.session import AsyncSession

from modules.tariffs.former import keep_former
from modules.tariffs.naming import refuse_named
from modules.tariffs.priceable import refuse_unpriceable
from modules.tariffs.source import withdrawal
from modules.tariffs.store import tariffs
from ocpi.database import clock_of, stamp
from ocpi.dating import date_change, grown, refuse_defects
from ocpi.editing import Document, Written, object_key, spelled
from ocpi.errors import UnknownObject
from ocpi.golive.mapping import refuse_given
from ocpi.headers import Party
from ocpi.push.feed import Change, Stream, changed
from ocpi.push.writing import write_in
from ocpi.spec.reading import dump, read, read_patch
from ocpi.spec.tariffs import Tariff

MODULE = "tariffs"


async def put_own(db: AsyncSession, owner: Party, tariff_id: str, body: Document) -> Written:
    """Put a Tariff of ours; a missing `last_updated` is now.

    Raises ValidationError or ``InvalidParameters`` for a document that OCPI does not allow, or by
    whose elements nobody can price, ``Conflict`` for one that is older than what is stored.
    """
    before = await tariffs.lock(db, owner, tariff_id)
    if before is None:
        await stamp(db, "created", 0)
    now = await clock_of(db, Stream.STATE)
    dated = {**body, "last_updated": date_change(before, body, now)}
    document = spelled(owner, dump(read(Tariff, dated)))
    if before is not None and _nothing_new(before, document, body):
        return Written(before, changed=False)
    if before is not None and before["elements"] == document["elements"]:
        refuse_defects(Tariff, document, before)
    else:
        refuse_defects(Tariff, document)
        refuse_unpriceable(document)
    return await store_own(db, owner, tariff_id, grown(before, document))


async def store_own(db: AsyncSession, owner: Party, tariff_id: str, document: Document) -> Written:
    """Store a document that is fit to be sent, and have partners told."""
    before = await tariffs.lock(db, owner, tariff_id)
    if before is not None:
        await keep_former(db, object_key(owner, tariff_id), before)
    edit = tariffs.putting(owner, tariff_id, document)
    return await write_in(db, tariffs, edit, lambda _: Change(MODULE, edit.key))


async def patch_own(db: AsyncSession, owner: Party, tariff_id: str, body: Document) -> Written:
    """Change fields of a Tariff of ours; partners are sent it whole (TA-02)."""
    before = await tariffs.lock(db, owner, tariff_id)
    if before is None:
        raise UnknownObject(f"There is no Tariff {tariff_id}.")
    document = {**before, **read_patch(Tariff, {"last_updated": before["last_updated"], **body})}
    if "last_updated" not in body:
        del document["last_updated"]
    return await put_own(db, owner, tariff_id, document)


async def delete_own(db: AsyncSession, owner: Party, tariff_id: str) -> None:
    """Delete a Tariff of ours here and at the partners (TA-03).

    Raises ``Conflict`` where a partner gets it instead of another one, or a Connector names it.
    """
    stored = await tariffs.lock(db, owner, tariff_id)
    if stored is None:
        raise UnknownObject(f"There is no Tariff {tariff_id}.")
    await refuse_given(db, owner, tariff_id)
    key = object_key(owner, tariff_id)
    await refuse_named(db, key, stored["id"])
    await keep_former(db, key, stored)
    await tariffs.delete(db, owner, tariff_id)
    await changed(db, withdrawal(key, stored))


def _nothing_new(before: Document, document: Document, body: Document) -> bool:
    """A newer date on the same content is the owner's wish; without one, nothing has happened."""
    redated = "last_updated" in body and document["last_updated"] != before["last_updated"]
    return not redated and same_content(before, document)


def same_content(before: Document, after: Document) -> bool:
    """Whether nothing but the date differs."""
    return {**before, "last_updated": None} == {**after, "last_updated": None}
