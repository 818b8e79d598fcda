"""A Location and its parts: finding and replacing EVSEs and Connectors inside the document."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ocpi.editing import Document, is_older
from ocpi.errors import InvalidParameters, UnknownLocation
from ocpi.mappings import Mappings
from ocpi.spec.locations import EVSE, Connector, Location
from ocpi.spec.moments import parse_moment

PartEdit = Callable[[Document | None], Document]
PARTS = (("evses", "uid"), ("connectors", "id"))
"""Where a Location and an EVSE have their parts, and by what these are told apart."""


@dataclass(frozen=True)
class Place:
    """A Location, one of its EVSEs, or one of that EVSE's Connectors."""

    location_id: str
    evse_uid: str | None = None
    connector_id: str | None = None

    def __str__(self) -> str:
        parts = (self.location_id, self.evse_uid, self.connector_id)
        return "/".join(part for part in parts if part is not None)


def model_of(place: Place) -> type[Location] | type[EVSE] | type[Connector]:
    """What OCPI says of the document at a place."""
    if place.connector_id is not None:
        return Connector
    return Location if place.evse_uid is None else EVSE


def find_part(location: Document, place: Place) -> Document:
    """The document of a place inside its Location; raises ``UnknownLocation``."""
    if place.evse_uid is None:
        return location
    evse = _find(location.get("evses", []), "uid", place.evse_uid)
    if evse is None:
        raise UnknownLocation(f"Location {place.location_id} has no EVSE {place.evse_uid}.")
    if place.connector_id is None:
        return evse
    connector = _find(evse["connectors"], "id", place.connector_id)
    if connector is None:
        raise UnknownLocation(f"EVSE {place.evse_uid} has no Connector {place.connector_id}.")
    return connector


def edit_part(location: Document, place: Place, edit: PartEdit) -> Document:
    """The Location after `edit` made a new document of one of its parts.

    `edit` is given None where the part is new. The parents' `last_updated` follow their children's
    (LO-03, LO-08, LO-09), never backwards (IP-15).
    """
    if place.connector_id is not None:
        upper = Place(place.location_id, place.evse_uid)
        evse = find_part(location, upper)
        connector = edit(_find(evse["connectors"], "id", place.connector_id))
        _require_same("id", place.connector_id, connector)
        raised = _raise(evse, connector)
        raised["connectors"] = _with(evse["connectors"], "id", connector)
        return edit_part(location, upper, lambda _: raised)
    assert place.evse_uid is not None
    evse = edit(_find(location.get("evses", []), "uid", place.evse_uid))
    _require_same("uid", place.evse_uid, evse)
    raised = _raise(location, evse)
    raised["evses"] = _with(location.get("evses", []), "uid", evse)
    return raised


def raise_parents(document: Document) -> Document:
    """A document or PATCH whose dates are nowhere older than those of the parts within (IP-15)."""
    raised = dict(document)
    for name, _ in PARTS:
        if name in document:
            raised[name] = [raise_parents(part) for part in document[name]]
            for part in raised[name]:
                raised = _raise(raised, part)
    return raised


def with_mapped_tariffs(document: Document, owner: str, mappings: Mappings) -> Document:
    """A Location, a part or a PATCH as a partner gets it: with its Tariffs, dated accordingly.

    It is the same document where nothing in it is mapped.
    """
    mapped = _mapped(document, owner, mappings)
    return document if mapped == document else raise_parents(mapped)


def _mapped(document: Document, owner: str, mappings: Mappings) -> Document:
    mapped = dict(document)
    for name, _ in PARTS:
        if name in document:
            mapped[name] = [_mapped(part, owner, mappings) for part in document[name]]
    if document.get("tariff_ids"):
        ids = document["tariff_ids"]
        mapped["tariff_ids"] = mappings.ids(owner, ids)
        mapped["last_updated"] = mappings.date(owner, ids, document["last_updated"])
    return mapped


def upsert_evses(stored: Document, given: list[Document]) -> list[Document]:
    """A PATCH with EVSEs changes those it names and leaves the others alone (AT-32, IP-16).

    One that is older than what is stored is not applied, as at its own URL (PP-09).
    """
    evses: list[Document] = stored.get("evses", [])
    for evse in given:
        known = _find(evses, "uid", evse["uid"])
        if known is None or not is_older(evse["last_updated"], known):
            evses = _with(evses, "uid", evse)
    return evses


def news_in(stored: Document, document: Document) -> Document | None:
    """What is news in an older document, or PATCH, of a Location; None where nothing is.

    An EVSE that has changed dates its Location (LO-08, LO-09), and hides how old the fields beside
    it are: those count as they came last. The date, and EVSEs that are newer, stay.
    """
    if not _is_dated_by_a_part(stored):
        return None
    news = {**document, "last_updated": stored["last_updated"]}
    if "evses" in document:
        given = {evse["uid"].lower() for evse in document["evses"]}
        news["evses"] = [
            evse
            for evse in upsert_evses(stored, document["evses"])
            if evse["uid"].lower() in given or is_older(document["last_updated"], evse)
        ]
    return news


def _is_dated_by_a_part(location: Document) -> bool:
    """Where all EVSEs have its date it was dated as a whole, as far as one can tell."""
    moment = parse_moment(location["last_updated"])
    alike = {parse_moment(evse["last_updated"]) == moment for evse in location.get("evses", [])}
    return alike == {True, False}


def changed_evses(before: Document, after: Document) -> Iterator[tuple[Document, Document]]:
    """EVSEs that a change of a Location alters, before and after it.

    Parts that it leaves alone stay the objects that they were.
    """
    known = {evse["uid"].lower(): evse for evse in before.get("evses") or ()}
    for evse in after.get("evses") or ():
        older = known.get(evse["uid"].lower())
        if older is not None and older is not evse:
            yield older, evse


def _find(parts: list[Document], field: str, identifier: str) -> Document | None:
    wanted = identifier.lower()
    return next((part for part in parts if str(part.get(field)).lower() == wanted), None)


def _with(parts: list[Document], field: str, part: Document) -> list[Document]:
    """The list with a part put in the place of its older self, or at the end."""
    older = _find(parts, field, part[field])
    if older is None:
        return [*parts, part]
    return [part if each is older else each for each in parts]


def _raise(parent: Document, child: Document) -> Document:
    newest = max(parent["last_updated"], child["last_updated"], key=parse_moment)
    return {**parent, "last_updated": newest}


def _require_same(field: str, wanted: str, document: Document) -> None:
    if str(document.get(field)).lower() != wanted.lower():
        raise InvalidParameters(
            f"{field}: the URL says {wanted!r}, the body {document.get(field)!r}"
        )
