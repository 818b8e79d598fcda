"""What a partner with rules or mappings is told, and holds: what it must not see is taken back.

So is the ClientInfo of a party that it may not know any more, see `ocpi.push.parting`.

Each step is stored before the request that it is about, lest a crash leaves the partner with an
object of which nobody knows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select
from sqlmodel import col

from ocpi.database import Database
from ocpi.ownwords import insert_into
from ocpi.push.feed import FeedRow, feed_key, read_key
from ocpi.push.lanes import HeldObject
from ocpi.push.source import Ruled, Send, Source, Withdrawing
from ocpi.sight import Sight

_HELD = select(col(HeldObject.whole)).where(
    col(HeldObject.partner_id) == bindparam("partner_id"),
    col(HeldObject.object_key) == bindparam("key"),
)


@dataclass(frozen=True)
class Holding:
    """One partner's side of it. Of what it sees and has no rules for nothing is asked or stored."""

    database: Database
    partner_id: int
    sight: Sight

    async def sees(self, source: Source, row: FeedRow) -> bool:
        """Whether the partner may see an object; one that is gone, if it holds it."""
        sight = self.sight.of(row.module)
        if not sight or not isinstance(source, Ruled):
            return True
        facts = await source.facts(self.database, read_key(row.key)[0])
        return await self._whole(row) is not None if facts is None else sight.admits(facts)

    async def sends(
        self, source: Source, row: FeedRow, *, seen: bool, patch: bool
    ) -> Sequence[Send]:
        """The requests that tell an object, or take it back from a partner that may hold it."""
        if seen and not self.sight.of(row.module):
            return await self.tells(source, row, patch=patch)
        whole = await self._whole(row)
        if seen:
            if whole is None:
                await self._store(row, whole=False)
            sends = await self.tells(source, row, patch=patch)
            # The last request tells all of it.
            return sends if whole else sends[-1:]
        if whole is None or not isinstance(source, Withdrawing):
            return ()
        await self._store(row, whole=False)
        return self._mapped(source, row, await source.withdraws(self.database, row))

    async def tells(self, source: Source, row: FeedRow, *, patch: bool) -> Sequence[Send]:
        """The requests that tell an object as the partner gets it."""
        return self._mapped(source, row, await source.sends(self.database, row, patch=patch))

    def _mapped(self, source: Source, row: FeedRow, sends: Sequence[Send]) -> Sequence[Send]:
        mappings = self.sight.mappings
        if row.owner not in mappings.owners or not isinstance(source, Ruled):
            return sends
        return [source.told(send, row, mappings) for send in sends]

    async def settle(self, row: FeedRow, *, seen: bool) -> None:
        """The partner has taken what `sends` gave."""
        if not seen:
            await self._forget(row)
        elif self.sight.of(row.module) and not await self._whole(row):
            await self._store(row, whole=True)

    async def _whole(self, row: FeedRow) -> bool | None:
        """Whether the partner holds it as told; None: it does not hold it."""
        given = {"partner_id": self.partner_id, "key": _key(row)}
        rows = await self.database.fetch("holding.held", _HELD, given)
        return bool(rows[0][0]) if rows else None

    async def _store(self, row: FeedRow, *, whole: bool) -> None:
        async with self.database.write() as db:
            held = insert_into(db)(HeldObject).values(
                partner_id=self.partner_id, object_key=_key(row), whole=whole
            )
            names = ["partner_id", "object_key"]
            await db.exec(held.on_conflict_do_update(index_elements=names, set_={"whole": whole}))

    async def _forget(self, row: FeedRow) -> None:
        """It was taken back; what it was told and lost again meanwhile is held whole, and stays."""
        async with self.database.write() as db:
            await db.exec(
                delete(HeldObject).where(
                    col(HeldObject.partner_id) == self.partner_id,
                    col(HeldObject.object_key) == _key(row),
                    col(HeldObject.whole).is_(False),
                )
            )


def _key(row: FeedRow) -> str:
    return feed_key(row.module, read_key(row.key)[0])
