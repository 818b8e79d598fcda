"""Locations as they are stored: whole, with their EVSEs and Connectors inside."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.locations.former import FormerTariffIDs, former_ids
from modules.locations.parts import (
    Place,
    changed_evses,
    edit_part,
    find_part,
    news_in,
    upsert_evses,
    with_mapped_tariffs,
)
from modules.locations.statuses import Row, moved, note_statuses
from ocpi.editing import Decision, Document, Edit, Written, is_older, object_key
from ocpi.errors import InvalidParameters, UnknownLocation
from ocpi.headers import Party
from ocpi.mappings import Mappings
from ocpi.sight import listed
from ocpi.spec.document import encode
from ocpi.spec.locations import Location
from ocpi.store import PulledObject, Store


class LocationRow(PulledObject, table=True):
    """A Location."""

    __tablename__ = "location"
    __table_args__ = (
        Index("ix_location_owner", "owner", "position"),
        Index("ix_location_dated", "owner", "last_updated", "position"),
        Index("ix_location_country", "owner", "country", "position"),
        Index("ix_location_statuses", "owner", "statuses"),
    )

    country: str = ""
    """Alpha-3, in lower case; this and the next three are what rules look at, see ocpi.sight."""
    publish: bool = True
    allowed_groups: str = "|"
    tags: str = Field(default="|", sa_column_kwargs={"server_default": "|"})
    """Our own words for it, which partners never see: no OCPI document has them."""
    tariffs: str = Field(default="|", sa_column_kwargs={"server_default": "|"})
    """The keys of the Tariffs that its Connectors name, see `ocpi.sight.naming`."""
    statuses: str = "{}"
    """How many of its EVSEs have which status, as JSON text; removed ones are left out."""


@dataclass(frozen=True)
class _Noted:
    """What is to be noted beside changes of our own Locations."""

    statuses: list[Row]
    tariffs: list[FormerTariffIDs]

    def by(self, edit: Edit) -> Edit:
        """The edit, which notes it."""

        def decide(before: Document | None, now: int) -> Decision:
            whole, written = edit.decide(before, now)
            if before is not None and whole is not None:
                for changed in changed_evses(before, whole):
                    self.statuses.extend(moved(edit.key, *changed))
                    self.tariffs.extend(former_ids(edit.key, *changed, now))
            return whole, written

        return replace(edit, decide=decide)


class LocationStore(Store[LocationRow]):
    """Locations, of which parts can be put and patched too."""

    def columns(self, document: Document) -> dict[str, Any]:
        """What rules and mappings look at, and how its EVSEs stand; tags are ours and stay so."""
        counts = Counter(evse["status"] for evse in document.get("evses") or ())
        del counts["REMOVED"]
        owner = Party(document["country_code"], document["party_id"])
        return {
            "country": document["country"].lower(),
            "publish": document["publish"],
            "allowed_groups": listed(
                token["group_id"]
                for token in document.get("publish_allowed_to") or []
                if token.get("group_id")
            ),
            "tariffs": listed(object_key(owner, name) for name in _tariff_ids(document)),
            "statuses": encode(dict(sorted(counts.items()))),
        }

    def told(self, document: Document, mappings: Mappings) -> Document:
        """With the Tariffs that a partner gets at its Connectors."""
        owner = Party(document["country_code"], document["party_id"])
        return with_mapped_tariffs(document, owner.key, mappings)

    async def write(self, db: AsyncSession, edits: Sequence[Edit]) -> list[Written | Exception]:
        """As for every object; of EVSEs of ours it is noted what their dates and prices hide."""
        noted = _Noted([], [])
        watched = [edit if edit.dated_in is None else noted.by(edit) for edit in edits]
        outcomes = await super().write(db, watched)
        if noted.statuses:
            await note_statuses(db, noted.statuses)
        db.add_all(noted.tariffs)
        return outcomes

    def putting_at(self, owner: Party, place: Place, document: Document) -> Edit:
        """Put a Location, or an EVSE or Connector of one that is known (LO-07, LO-10, LO-11)."""
        if place.evse_uid is None:
            return self.putting(owner, place.location_id, document)
        return _editing(owner, place, document, patch=False)

    def patching_at(self, owner: Party, place: Place, changes: Document) -> Edit:
        """Change fields of a Location, EVSE or Connector that is known (LO-07, ST-15)."""
        if place.evse_uid is None:
            return self.patching(owner, place.location_id, changes)
        return _editing(owner, place, changes, patch=True)

    def late(self, stored: Document, document: Document, *, patch: bool) -> Document | None:
        """What is news in it beside the parts of the Location."""
        return news_in(stored, document if patch else {"evses": [], **document})

    def merged(self, stored: Document, changes: Document) -> Document:
        """As for every object, but EVSEs are changed one by one."""
        merged = super().merged(stored, changes)
        if "evses" in changes:
            merged["evses"] = upsert_evses(stored, changes["evses"])
        return merged


def _editing(owner: Party, place: Place, document: Document, *, patch: bool) -> Edit:
    """The change of a part of a Location; what was written is the part."""

    def decide(location: Document | None, _now: int) -> Decision:
        if location is None:
            raise UnknownLocation(f"There is no Location {place.location_id}.")
        before = _part_or_none(location, place)
        if before is None and patch:
            raise UnknownLocation(f"There is no {place} to change.")
        if before is not None and is_older(document["last_updated"], before):
            return None, Written(before, changed=False, stale=True)
        whole = {**(before or {}), **document} if patch else document
        edited = edit_part(location, place, lambda _: whole)
        part = find_part(edited, place)
        if part == before:
            return None, Written(part, changed=False)
        return edited, Written(part, created=before is None, patch=document if patch else None)

    return Edit(owner, place.location_id, decide)


def _tariff_ids(location: Document) -> Iterator[str]:
    for evse in location.get("evses") or ():
        for connector in evse["connectors"]:
            yield from connector.get("tariff_ids") or ()


def _part_or_none(location: Document, place: Place) -> Document | None:
    try:
        return find_part(location, place)
    except UnknownLocation:
        return None


def check_complete(evses: object) -> None:
    """EVSEs in a PATCH of their Location must be complete (AT-32)."""
    if not isinstance(evses, list) or not all(
        isinstance(evse, dict) and {"uid", "status", "connectors", "last_updated"} <= evse.keys()
        for evse in evses
    ):
        raise InvalidParameters("evses: each EVSE must be complete; PATCH a part at its own URL")


locations = LocationStore(LocationRow, Location, missing=UnknownLocation)
