"""In whose name a partner's list is asked for, and what came of it.

A hub may share with one party of ours what it does not with another, so it is asked in the name of
each. Any other partner is asked once, in the name of our oldest party: what it has is for all.
"""

from collections import Counter
from dataclasses import dataclass, field

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.headers import Party
from ocpi.parties import OurParty
from ocpi.pull import syncs
from ocpi.pull.issuers import TheirList
from ocpi.pull.merging import Fate
from ocpi.pull.pullable import Pullable

SHOWN = 20
# Lists may be pulled once a week only (OCPI_PULL_HOURS).
_REMEMBERED = 2 * syncs.FULL_EVERY


@dataclass
class Asked:
    """What asking for a list in the name of one party came to."""

    ours: Party | None
    """None where we have no party yet."""
    since: int | None
    """From when on changes were asked for; None: everything was."""
    our_party_id: int | None = None
    """Whose state it is in the party's own row; None: in that of the list."""
    known: bool = False
    """Whether its list was read whole not long ago: what was in it counts as there."""
    counts: Counter[Fate] = field(default_factory=Counter)
    short: bool = False
    """Whether the list tells of more objects than it has: then none is gone."""
    refused: list[str] = field(default_factory=list)
    """Why objects were passed over; the first of them only."""
    problem: str | None = None
    """Why the list was not read whole; None when it was."""
    turned_away: bool = False
    """Whether the partner has no list for this party, and says so."""

    @property
    def full(self) -> bool:
        """Whether everything was asked for."""
        return self.since is None

    def sentence(self, kind: str, name: str) -> str:
        """What came, for staff; `name` is the party's, where there are several."""
        parts = [f"{self.counts[fate]} {fate}" for fate in Fate if self.counts[fate]]
        return f"{'All' if self.full else 'Recent'} {kind}s{name}: {', '.join(parts) or 'none'}."

    def complaints(self, name: str) -> list[str]:
        """What was wrong with it."""
        told = []
        if self.short:
            told.append(f"Its X-Total-Count{name} tells of more, so none counts as gone.")
        if self.problem is not None:
            what = "Refused" if name and self.turned_away else "Not complete"
            told.append(f"{what}{name}: {self.problem}")
        return told


@dataclass
class Pulled:
    """What pulling a list came to."""

    pullable: Pullable
    asked: list[Asked]
    gone: int = 0
    """How many objects were in it before, and are not any more; found by a full pull alone."""

    @property
    def full(self) -> bool:
        """Whether everything was asked for, in every name."""
        return all(each.full for each in self.asked)

    @property
    def counts(self) -> Counter[Fate]:
        """What became of all objects; one that was listed twice counts twice."""
        return sum((each.counts for each in self.asked), Counter())

    @property
    def refused(self) -> list[str]:
        """Why objects were passed over; the first of them only, and each once."""
        return list(dict.fromkeys(why for each in self.asked for why in each.refused))[:SHOWN]

    @property
    def is_complete(self) -> bool:
        """Whether all there is was read: who is turned away has nothing, if others are not."""
        return any(each.problem is None for each in self.asked) and all(
            each.problem is None or each.turned_away for each in self.asked
        )

    def sentence(self) -> str:
        """For staff."""
        several = len(self.asked) > 1
        names = [f" for {each.ours}" if several else "" for each in self.asked]
        named = list(zip(self.asked, names, strict=True))
        told = [each.sentence(self.pullable.kind, name) for each, name in named]
        if self.gone:
            told.append(f"{self.gone} {'is' if self.gone == 1 else 'are'} gone.")
        for each, name in named:
            told += each.complaints(name)
        awaited = [str(each.ours) for each in self.asked if each.known and each.problem is not None]
        if several and self.full and awaited:
            told.append(f"None counts as gone without what is for {', '.join(awaited)}.")
        return " ".join(told)


async def begin(db: AsyncSession, listed: TheirList, *, full: bool) -> tuple[list[Asked], int]:
    """In whose names a list is asked for, and the time; nobody else begins for a while."""
    found = await db.exec(
        select(OurParty)
        .where(OurParty.platform == listed.issuer.platform.value)
        .order_by(col(OurParty.id))
    )
    ours = {row.id: Party(row.country_code, row.party_id) for row in found if row.id is not None}
    if listed.issuer.hub is None or not ours:
        sync, now = await syncs.begin(db, listed.key)
        return [Asked(next(iter(ours.values()), None), None if full else sync.since(now))], now
    copies, now = await syncs.begin_for(db, listed.key, list(ours), full=full)
    return [
        Asked(
            ours[copy.our_party_id],
            since,
            copy.our_party_id,
            known=copy.synced_at is not None and copy.synced_at > now - _REMEMBERED,
        )
        for copy, since in copies
    ], now


async def finish(db: AsyncSession, listed: TheirList, asked: Asked, since: int) -> None:
    """Note how far the copy is that a party of ours has of its own; the next asks `since` then.

    What is shared with a party does not change for that: who was turned away asks for everything.
    """
    if asked.our_party_id is None or (asked.problem is not None and not asked.turned_away):
        return
    await syncs.finish_for(
        db,
        listed.key,
        asked.our_party_id,
        since=since if asked.problem is None else None,
        full=asked.full or asked.turned_away,
    )
