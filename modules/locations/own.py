"""Changes of our own Locations: validated, dated, stored, and remembered for the partners."""

from collections.abc import Sequence
from dataclasses import replace

from sqlmodel.ext.asyncio.session import AsyncSession

from modules.locations.parts import PARTS, Place, find_part, model_of, raise_parents
from modules.locations.store import check_complete, locations
from ocpi.dating import date_change, grown, not_older, refuse_ahead, refuse_defects
from ocpi.editing import Decision, Document, Edit, Written, object_key, spelled
from ocpi.errors import Conflict, UnknownLocation
from ocpi.headers import Party
from ocpi.push.feed import Change, Stream, created
from ocpi.push.writing import Tell, write_in
from ocpi.spec.moments import format_moment, parse_moment
from ocpi.spec.reading import dump, read, read_patch

MODULE = "locations"
REMOVED = "REMOVED"


def putting_own(owner: Party, place: Place, body: Document) -> Edit:
    """Put a Location, EVSE or Connector of ours; a missing `last_updated` is now.

    It is refused with ValidationError or ``InvalidParameters`` for a document that OCPI does not
    allow, with ``Conflict`` for one that is older than what is stored.
    """

    def decide(location: Document | None, now: int) -> Decision:
        before = _find(location, place)
        dated = {**body, "last_updated": _date(location, before, body, now)}
        document = raise_parents(dump(read(model_of(place), _with_dates(dated))))
        _refuse_parts_ahead(dated, document, now)
        if place.evse_uid is None:
            document = with_removed(before, spelled(owner, document))
        if before is not None:
            document = _beside(before, document, now)
            if _nothing_new(before, document, body):
                return None, Written(before, changed=False)
        refuse_defects(model_of(place), document)
        return locations.putting_at(owner, place, grown(before, document)).decide(location, now)

    creates = place.evse_uid is None
    return Edit(owner, place.location_id, decide, creates, Stream.STATE)


def patching_own(owner: Party, place: Place, body: Document) -> Edit:
    """Change fields of a Location, EVSE or Connector of ours."""

    def decide(location: Document | None, now: int) -> Decision:
        before = _find(location, place)
        if before is None:
            raise UnknownLocation(f"There is no {place} to change.")
        dated = {**body, "last_updated": _date(location, before, body, now)}
        if "evses" in body:
            check_complete(body["evses"])
        changes = raise_parents(read_patch(model_of(place), dated))
        _refuse_parts_ahead(dated, changes, now)
        changes = _beside(before, changes, now)
        if _nothing_new(before, {**before, **changes}, body):
            return None, Written(before, changed=False)
        changes = grown(before, changes)
        refuse_defects(model_of(place), {**before, **changes}, before)
        whole, written = locations.patching_at(owner, place, changes).decide(location, now)
        return whole, replace(written, patch=None if "evses" in changes else changes)

    return Edit(owner, place.location_id, decide, dated_in=Stream.STATE)


def telling(owner: Party, place: Place) -> Tell:
    """What partners hear of a change at a place of ours."""

    def tell(written: Written) -> Change:
        return Change(
            MODULE,
            object_key(owner, place.location_id),
            part=place.evse_uid,
            patch=None if place.connector_id is not None else written.patch,
        )

    return tell


async def put_own(db: AsyncSession, owner: Party, place: Place, body: Document) -> Written:
    """Make the edit `putting_own` in a transaction, and have partners told."""
    return await write_in(db, locations, putting_own(owner, place, body), telling(owner, place))


async def patch_own(db: AsyncSession, owner: Party, place: Place, body: Document) -> Written:
    """Make the edit `patching_own` in a transaction, and have partners told."""
    return await write_in(db, locations, patching_own(owner, place, body), telling(owner, place))


async def store_own(db: AsyncSession, owner: Party, place: Place, document: Document) -> Written:
    """Store a document that is fit to be sent, and have partners told."""
    edit = replace(locations.putting_at(owner, place, document), dated_in=Stream.STATE)
    return await write_in(db, locations, edit, telling(owner, place))


async def create_own(db: AsyncSession, owner: Party, documents: Sequence[Document]) -> None:
    """Store new Locations that are fit to be sent, and have partners told."""
    await locations.create_many(db, owner, documents)
    keys = [object_key(owner, document["id"]) for document in documents]
    await created(db, [Change(MODULE, key) for key in keys])


async def remove_own(db: AsyncSession, owner: Party, place: Place) -> None:
    """Withdraw a Location or an EVSE: EVSEs become REMOVED, nothing is ever deleted (LO-13)."""
    before = _find(await locations.lock(db, owner, place.location_id), place)
    if before is None:
        raise UnknownLocation(f"There is no {place} to remove.")
    evses = [before] if place.evse_uid is not None else before.get("evses", [])
    for evse in evses:
        at = Place(place.location_id, evse["uid"])
        if evse["status"] != REMOVED:
            await patch_own(db, owner, at, {"status": REMOVED})


def _find(location: Document | None, place: Place) -> Document | None:
    """What is at a place; None where nothing is yet.

    Raises ``UnknownLocation`` when the place lies in something that is not there (LO-11).
    """
    if location is None:
        if place.evse_uid is not None:
            raise UnknownLocation(f"There is no Location {place.location_id}.")
        return None
    try:
        return find_part(location, place)
    except UnknownLocation:
        if place.connector_id is not None:
            find_part(location, Place(place.location_id, place.evse_uid))
        return None


def _date(location: Document | None, before: Document | None, body: Document, now: int) -> str:
    """The date of a change: as given, or else later than the whole Location's (LO-03).

    A Location whose own date does not grow with each change is missed by those who pull.
    """
    return date_change(before if "last_updated" in body else location, body, now)


def _refuse_parts_ahead(dated: Document, raised: Document, now: int) -> None:
    """A part may lie ahead only where what is stored lies there already."""
    if raised["last_updated"] != dated["last_updated"]:
        refuse_ahead(parse_moment(raised["last_updated"]), now)


def _beside(before: Document, document: Document, now: int) -> Document:
    """A document or PATCH of which each part is a change of its own, as at its own URL (PP-09).

    Raises ``Conflict`` for a part that is older than what is stored of it, and for a Connector that
    is left out.
    """
    _refuse_left_out(before, document)
    beside = dict(document)
    for name, field in PARTS:
        if name in document:
            known = {part[field].lower(): part for part in before.get(name, [])}
            beside[name] = [
                part if stored is None else _part_beside(stored, part, now)
                for part in document[name]
                for stored in (known.get(part[field].lower()),)
            ]
    return beside


def _part_beside(stored: Document, part: Document, now: int) -> Document:
    given, known = (parse_moment(each["last_updated"]) for each in (part, stored))
    try:
        moment = not_older(given, known, now)
    except Conflict as error:
        name = f"EVSE {part['uid']}" if "uid" in part else f"Connector {part['id']}"
        raise Conflict(f"{error.message} of the {name}") from None
    return _beside(stored, {**part, "last_updated": format_moment(moment)}, now)


def _refuse_left_out(before: Document, document: Document) -> None:
    """Sessions and CDRs name Connectors, and only an EVSE can be REMOVED (LO-13)."""
    if "connectors" not in document or REMOVED in (before["status"], document.get("status")):
        return
    kept = {each["id"].lower() for each in document["connectors"]}
    gone = [each["id"] for each in before["connectors"] if each["id"].lower() not in kept]
    if gone:
        raise Conflict(
            f"connectors: {', '.join(gone)} of the EVSE {before['uid']} is left out, which would "
            "delete it (LO-13); an EVSE can become REMOVED"
        )


def _with_dates(document: Document) -> Document:
    """Parts without a `last_updated` take their parent's."""
    dated = dict(document)
    for name in ("evses", "connectors"):
        if isinstance(dated.get(name), list):
            dated[name] = [
                _with_dates({"last_updated": document["last_updated"], **part})
                if isinstance(part, dict)
                else part
                for part in dated[name]
            ]
    return dated


def _nothing_new(before: Document, document: Document, body: Document) -> bool:
    """A newer date on the same content is the owner's wish; without one, nothing has happened."""
    redated = "last_updated" in body and document["last_updated"] != before["last_updated"]
    return not redated and same_content(before, document)


def same_content(before: Document, after: Document) -> bool:
    """Whether nothing but dates differs, at any level."""
    return _undated(before) == _undated(after)


def _undated(document: Document) -> Document:
    plain = {name: value for name, value in document.items() if name != "last_updated"}
    for name in ("evses", "connectors"):
        if name in plain:
            plain[name] = [_undated(part) for part in plain[name]]
    return plain


def with_removed(before: Document | None, document: Document) -> Document:
    """EVSEs that the new document leaves out stay, as REMOVED (LO-12, IP-19)."""
    if before is None:
        return document
    kept = {evse["uid"].lower() for evse in document.get("evses", [])}
    gone = [evse for evse in before.get("evses", []) if evse["uid"].lower() not in kept]
    if not gone:
        return document
    moment = document["last_updated"]
    removed = [
        evse if evse["status"] == REMOVED else {**evse, "status": REMOVED, "last_updated": moment}
        for evse in gone
    ]
    return {**document, "evses": [*document.get("evses", []), *removed]}
