"""CDRs of others: each is stored once, and what contradicts it is kept beside it."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.cdrs.checks import check_price
from modules.cdrs.store import CDRConflict, as_read, cdrs
from modules.tariffs.verdicts import AGREES
from ocpi.database import Database, clock
from ocpi.editing import Document, object_key
from ocpi.errors import InvalidParameters
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.push.writing import write
from ocpi.spec.document import decode, encode

# Contradictions that are kept of one CDR: whoever makes more of them is wrong anyway.
_MOST = 10


async def keep(database: Database, partner: str, owner: Party, document: Document) -> bool:
    """Store a CDR that a partner posted; False where the same one is known (CD-05, PD-08).

    Its price is checked, and what came of that is stored with it; no price costs it its place.
    Raises ``InvalidParameters`` for another one under a known id; both are kept.
    """
    key = object_key(owner, document["id"])
    known = await cdrs.text_of(database, key) is not None
    finding = None if known else await check_price(database, owner, document)
    checked = {
        "verdict": None if finding is None else finding["verdict"],
        "finding": None if finding is None else encode(finding),
    }
    edit = cdrs.putting(owner, document["id"], document, **checked)
    written = await write(database, cdrs, edit)
    conflict = not written.created and as_read(written.document) != document
    if conflict:
        async with database.write() as db:
            await cdrs.lock(db, owner, document["id"])
            await _keep_aside(db, partner, key, document)
    if written.created and finding is not None and finding["verdict"] != AGREES:
        log.warning("cdr price", partner=partner, id=document["id"], why=finding["sentence"])
    if conflict:
        log.error("cdr conflict", partner=partner, owner=str(owner), id=document["id"])
        raise InvalidParameters(f"id: another CDR {document['id']} is known, and CDRs never change")
    return written.created


async def _keep_aside(db: AsyncSession, partner: str, key: str, document: Document) -> None:
    """Keep a contradicting CDR, each once, however often it is sent; the CDR is locked."""
    found = await db.exec(select(CDRConflict.body).where(col(CDRConflict.key) == key))
    known = found.all()
    if len(known) < _MOST and not any(decode(body) == document for body in known):
        now = await clock(db)
        db.add(CDRConflict(key=key, partner=partner, body=encode(document), at=now))
