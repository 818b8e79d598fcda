"""Our own words for Locations, by which rules choose them; no partner ever sees them."""

import re

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.locations.store import LocationRow
from ocpi.editing import object_key
from ocpi.errors import InvalidParameters, UnknownLocation
from ocpi.golive.ruling import reconsider
from ocpi.headers import Party
from ocpi.sight import listed


async def tag_location(
    db: AsyncSession,
    owner: Party,
    location_id: str,
    *,
    add: tuple[str, ...] = (),
    remove: tuple[str, ...] = (),
    only: bool = False,
) -> list[str]:
    """Add and remove tags of a Location; gives those that it has now, in lower case.

    With `only` it has none but those added.

    Partners with rules are told what that changes for them. Raises ``UnknownLocation`` and
    ``InvalidParameters``.
    """
    for tag in add:
        if not re.fullmatch(r"[^|\s]{1,36}", tag):
            raise InvalidParameters(f"tag: {tag[:40]!r} is not 1 to 36 characters without blanks")
    key = object_key(owner, location_id)
    query = select(LocationRow).where(col(LocationRow.key) == key).with_for_update()
    row = (await db.exec(query)).one_or_none()
    if row is None:
        raise UnknownLocation(f"There is no Location {location_id} of {owner}.")
    gone = {tag.lower() for tag in remove}
    before = [] if only else _split(row.tags)
    tags = [tag for tag in _split(listed([*before, *add])) if tag not in gone]
    if listed(tags) != row.tags:
        row.tags = listed(tags)
        db.add(row)
        await db.flush()
        await reconsider(db, "locations", key)
    return tags


async def tags_of(db: AsyncSession, owner: Party, location_id: str) -> list[str]:
    """The tags of a Location."""
    key = object_key(owner, location_id)
    found = await db.exec(select(LocationRow.tags).where(col(LocationRow.key) == key))
    tags = found.one_or_none()
    if tags is None:
        raise UnknownLocation(f"There is no Location {location_id} of {owner}.")
    return _split(tags)


def _split(tags: str) -> list[str]:
    return [tag for tag in tags.split("|") if tag]
