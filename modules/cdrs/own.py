"""CDRs of ours: validated, stored once and for all, and remembered for their eMSP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from modules.cdrs.store import as_read, cdrs
from ocpi.database import Database, clock_of, stamp
from ocpi.dating import later, refuse_ahead, refuse_defects
from ocpi.editing import Decision, Document, Edit, Written, object_key, spelled
from ocpi.errors import Conflict, InvalidParameters, UnknownObject
from ocpi.headers import Party
from ocpi.push.feed import Change, Stream, feed_key
from ocpi.push.writing import write_in, write_many
from ocpi.spec.cdrs import CDR
from ocpi.spec.moments import parse_moment
from ocpi.spec.reading import dump, read
from ocpi.store import audience_of

MODULE = "cdrs"
# What may differ between a credit CDR and the CDR that it takes back (CD-09, CD-10).
_ITS_OWN = ("id", "credit", "credit_reference_id", "total_cost", "last_updated", "remark")
_AMOUNTS = ("excl_vat", "incl_vat")
# What a session may hold and a CDR never does (CD-19).
_SESSIONS_ONLY = {"CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"}


@dataclass
class _Post:
    """A CDR that is to be stored, together with what comes at the same moment."""

    owner: Party
    body: Document
    document: Document
    bills: dict[str, str] = field(default_factory=dict)
    """What bills Sessions already, see `CDRStore.bills_of`; those stored together share it."""

    def decide(self, before: Document | None, now: int) -> Decision:
        """Store it, unless it is known or its Session is billed."""
        document = self.document
        if before is not None:
            return None, _known(before, document)
        dated = _dated(document, self.body, now)
        _refuse_unfit(dated)
        if session := _session_key(dated):
            _refuse_second(self.bills, dated)
            self.bills[session] = dated["id"]
        return dated, Written(dated, created=True)


async def post_own(database: Database, owner: Party, body: Document) -> Written:
    """Store a CDR of ours; a missing `last_updated` is now. The same one again changes nothing.

    Raises ValidationError or ``InvalidParameters`` for a document that OCPI does not allow,
    ``Conflict`` for another CDR under a known id (CD-08), or for a Session that is billed.
    """
    # Read before it waits for others; the date comes when it is its turn.
    document = _read(owner, body, 0)
    if document.get("credit"):
        async with database.write() as db:
            return await _post_credit(db, owner, body)
    post = _Post(owner, body, document)
    edit = Edit(owner, document["id"], post.decide, creates=True, dated_in=Stream.MONEY)
    return await database.batches.do(_Post, _post_all, (post, edit))


async def _post_all(
    db: AsyncSession, posts: Sequence[tuple[_Post, Edit]]
) -> list[Written | Exception]:
    theirs: dict[Party, list[_Post]] = {}
    for post, _ in posts:
        theirs.setdefault(post.owner, []).append(post)
    for owner, some in theirs.items():
        await cdrs.lock_many(db, owner, [post.document["id"] for post in some])
    await stamp(db, "created", 0)  # Whoever has made one meanwhile has committed.
    for owner, some in theirs.items():
        named = (post.document.get("session_id") for post in some)
        bills = await cdrs.bills_of(db, owner, filter(None, named))
        for post in some:
            post.bills = bills
    edits = [edit for _, edit in posts]
    return await write_many(db, cdrs, edits, lambda written: _change(_owner(written), written))


def _owner(written: Written) -> Party:
    """Whose CDR it is."""
    return Party(written.document["country_code"], written.document["party_id"])


async def _post_credit(db: AsyncSession, owner: Party, body: Document) -> Written:
    document = _read(owner, body, 0)
    before = await cdrs.lock(db, owner, document["id"])
    if before is not None:
        return _known(before, document)
    reference = document.get("credit_reference_id")
    original = await cdrs.lock(db, owner, reference) if reference else None
    original = None if original is None else as_read(original)
    _refuse_unfit(document, original)
    await _refuse_wrong_credit(db, owner, document, original)
    await stamp(db, "created", 0)
    dated = _dated(document, body, await clock_of(db, Stream.MONEY))
    return await store_own(db, owner, dated)


def _dated(document: Document, body: Document, now: int) -> Document:
    """The document with the date that its body gives, which may be old, or now.

    What a failover has lost is posted again with the date that it had.
    """
    if not body.get("last_updated"):
        return {**document, "last_updated": later(None, now)}
    refuse_ahead(parse_moment(document["last_updated"]), now)
    return document


def _read(owner: Party, body: Document, now: int) -> Document:
    dated = {**body, "last_updated": body.get("last_updated") or later(None, now)}
    return spelled(owner, dump(read(CDR, dated)))


async def credit_own(
    db: AsyncSession, owner: Party, cdr_id: str, credit_id: str | None = None
) -> Written:
    """Take a CDR of ours back; its credit CDR has its id and "-C" unless one is given (CD-12).

    Raises ``UnknownObject``, ``InvalidParameters`` for a credit CDR, and ``Conflict`` for a CDR
    that was taken back under another id.
    """
    original = await cdrs.lock(db, owner, cdr_id)
    if original is None:
        raise UnknownObject(f"There is no CDR {cdr_id}.")
    if original.get("credit"):
        raise InvalidParameters(
            f"{original['id']} is a credit CDR, by which {original['credit_reference_id']} was "
            "taken back: it can't be taken back itself; send a corrected CDR under a new id"
        )
    credit = credit_of(original, credit_id or f"{original['id']}-C")
    return await _post_credit(db, owner, credit)


async def store_own(db: AsyncSession, owner: Party, document: Document) -> Written:
    """Store a new CDR that is fit to be sent, and have its eMSP told, behind its Session.

    Raises ``Conflict`` where another one bills that Session.
    """
    if not document.get("credit") and (session_id := document.get("session_id")):
        await stamp(db, "created", 0)  # Whoever has made one meanwhile has committed.
        _refuse_second(await cdrs.bills_of(db, owner, [session_id]), document)
    edit = cdrs.putting(owner, document["id"], document)
    written = await write_in(db, cdrs, edit, partial(_change, owner))
    return written if written.created else _known(written.document, document)


def _change(owner: Party, written: Written) -> Change:
    document = written.document
    return Change(
        MODULE,
        object_key(owner, document["id"]),
        stream=Stream.MONEY,
        audience=audience_of(document).key,
        behind=_session_of(owner, document),
    )


def _known(stored: Document, document: Document) -> Written:
    if _undated(as_read(stored)) != _undated(as_read(document)):
        raise Conflict(f"id: there is another CDR {stored['id']}, and CDRs never change")
    return Written(stored, changed=False)


def _session_of(owner: Party, document: Document) -> str | None:
    session_id = document.get("session_id")
    return None if session_id is None else feed_key("sessions", object_key(owner, session_id))


def _session_key(document: Document) -> str | None:
    session_id = document.get("session_id")
    return None if session_id is None else str(session_id).lower()


def _refuse_second(bills: Mapping[str, str], document: Document) -> None:
    """A Session is billed once; again only after its CDR was taken back."""
    known = bills.get(_session_key(document) or "")
    if known is not None and known.lower() != document["id"].lower():
        raise Conflict(
            f"session_id: CDR {known} bills the Session {document['session_id']}; another one can "
            "only follow a credit CDR"
        )


def _undated(document: Document) -> Document:
    return {**document, "last_updated": None}


def _refuse_unfit(document: Document, original: Document | None = None) -> None:
    """What is wrong in an original already, its credit CDR repeats."""
    refuse_defects(CDR, document, original)
    if not document.get("credit") and "credit_reference_id" in document:
        raise InvalidParameters("credit_reference_id: is for credit CDRs only (CD-11)")
    for number, period in enumerate(document["charging_periods"]):
        for dimension in period["dimensions"]:
            if dimension["type"] in _SESSIONS_ONLY:
                raise InvalidParameters(
                    f"charging_periods.{number}: {dimension['type']} is for Sessions only (CD-19)"
                )


async def _refuse_wrong_credit(
    db: AsyncSession, owner: Party, document: Document, original: Document | None
) -> None:
    """A credit CDR takes one CDR back, once, and repeats it but for the total's sign (CD-10)."""
    reference = document["credit_reference_id"]
    if original is None or original.get("credit"):
        raise InvalidParameters(f"credit_reference_id: there is no CDR {reference} to take back")
    known = await cdrs.credit_of(db, owner, reference)
    if known is not None:
        raise Conflict(f"credit_reference_id: {known['id']} has taken {reference} back")
    total = negated(original["total_cost"])
    if any(document["total_cost"].get(name) != total.get(name) for name in _AMOUNTS):
        raise InvalidParameters("total_cost: a credit CDR has the negative of the original's")
    for name in sorted((original.keys() | document.keys()) - set(_ITS_OWN)):
        if document.get(name) != original.get(name):
            raise InvalidParameters(f"{name}: a credit CDR repeats what it takes back (CD-10)")


def negated(price: Document) -> dict[str, Any]:
    """A Price with the other sign, exact; what OCPI does not know in it stays."""
    # The minus of a Decimal rounds to 28 digits, and zero has no sign in JSON.
    amounts = {name: Decimal(price[name]) for name in _AMOUNTS if price.get(name)}
    return {**price, **{name: amount.copy_negate() for name, amount in amounts.items()}}


def credit_of(original: Document, credit_id: str) -> Document:
    """The credit CDR that takes a CDR back, still undated (CD-09, CD-10)."""
    kept = {name: value for name, value in original.items() if name != "last_updated"}
    return {
        **kept,
        "id": credit_id,
        "total_cost": negated(original["total_cost"]),
        "credit": True,
        "credit_reference_id": original["id"],
    }
