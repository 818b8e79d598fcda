"""Objects that a complete list of their owner's has lost: marked, never removed (AT-21, IP-19)."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlmodel import col, select

from ocpi.database import Database, clock
from ocpi.headers import Party
from ocpi.pull.pullable import Pullable
from ocpi.store import Store

# Few enough for one statement.
_AT_ONCE = 500


async def read_present(
    database: Database, pullable: Pullable, owners: Collection[Party]
) -> dict[str, int]:
    """What a list of some owners' objects should hold: the keys, each with its `last_updated`."""
    table = pullable.store.table
    query = select(col(table.key), col(table.last_updated)).where(
        col(table.owner).in_([owner.key for owner in owners]), col(table.absent_since).is_(None)
    )
    async with database.read() as db:
        return dict((await db.exec(query)).all())


async def mark_absent(database: Database, store: Store[Any], gone: Mapping[str, int]) -> int:
    """Mark the objects given by key and `last_updated`; gives how many.

    One with another date has been pushed since, so it is there.
    """
    table, marked = store.table, 0
    keys = sorted(gone)
    for first in range(0, len(keys), _AT_ONCE):
        some = keys[first : first + _AT_ONCE]
        async with database.write() as db:
            locked = await db.exec(
                select(table)
                .where(col(table.key).in_(some))
                .order_by(col(table.key))
                .with_for_update()
            )
            now = await clock(db)
            for row in locked:
                if row.last_updated == gone[row.key]:
                    row.absent_since = now
                    marked += 1
    return marked
