"""Whether the stored CDRs are what was sealed, and if not, which of them are not (TA-31)."""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from sqlmodel import col, select

from modules.cdrs.sealing import count_unsealed, erased_between, newest_seal, stored_between
from modules.cdrs.seals import (
    LEAF,
    LOWEST,
    NO_SEAL,
    CDRErasure,
    CDRSeal,
    Stored,
    anchor_of,
    hash_of,
)
from ocpi.context import Context
from ocpi.database import Database
from ocpi.errors import InvalidParameters

# Of more than these it is clear enough that something is wrong.
MOST = 100
HIGHEST = 2**63 - 1
_ANCHOR = re.compile(r"(?<!\w)(\d{1,18}):([0-9a-f]{64})(?!\w)")


@dataclass(frozen=True)
class Fault:
    """Something that is not as it was sealed."""

    sentence: str
    seal: int | None = None
    """The number of the seal that does not hold; None where there is no seal yet."""
    cdr: str | None = None
    """The key of the CDR, as far as it can be told which one."""
    position: int | None = None


@dataclass
class Verdict:
    """What a verification came to."""

    seals: int = 0
    cdrs: int = 0
    """CDRs that the seals were made of."""
    erasures: int = 0
    """Erasures of a driver from one CDR, which change it lawfully."""
    unsealed: int = 0
    """CDRs that came after the newest seal."""
    anchors: int = 0
    """Anchors given."""
    anchor: str | None = None
    """Of the newest seal; None: there is no seal yet."""
    faults: list[Fault] = field(default_factory=list)
    """By seal, the first one that does not hold first; not more than `MOST`."""


Anchors = Sequence[tuple[int, str]]


def read_anchors(text: str) -> Anchors:
    """The anchors in a text, whatever stands around them: a list of them, or a log.

    Raises ``InvalidParameters`` where there is none.
    """
    found = [(int(number), hashed) for number, hashed in _ANCHOR.findall(text)]
    if not found:
        raise InvalidParameters("There is no anchor in it; one looks like 12:9f86d081...")
    return found


async def verify(context: Context, anchors: Anchors = ()) -> Verdict:
    """Compare every CDR with its seal, the seals with each other, and some with anchors."""
    database = context.database
    newest = await newest_seal(database)
    verdict = Verdict(
        anchors=len(anchors),
        unsealed=await count_unsealed(database, newest),
        anchor=None if newest is None else anchor_of(newest),
    )
    check = _Check(context, anchors)
    async for fault in check.faults(verdict):
        verdict.faults.append(fault)
        if len(verdict.faults) == MOST:
            break
    return verdict


class _Check:
    """A pass through the chain, from the first seal on."""

    def __init__(self, context: Context, anchors: Anchors) -> None:
        self._database = context.database
        self._seal = context.seal
        self._anchors = anchors
        self._vouched = 0
        """The number up to which an anchor vouches, so that no voucher is needed: the key that
        made those may be lost."""

    async def faults(self, verdict: Verdict) -> AsyncIterator[Fault]:
        """What is found, seal by seal; counts along in the verdict."""
        self._vouched = await self._anchored()
        before: CDRSeal | None = None
        async for seal in _chain(self._database):
            verdict.seals += 1
            verdict.cdrs += seal.cdrs
            verdict.erasures += seal.erasures
            for fault in self._linked(before, seal):
                yield fault
            if hash_of(seal) == seal.hash:
                async for fault in self._held(seal):
                    yield fault
            before = seal
        for fault in self._cut_off(before):
            yield fault
        after = LOWEST if before is None else before.last
        async for erasure in erased_between(self._database, after, HIGHEST):
            verdict.erasures += 1
            for fault in self._vouched_for(erasure, None):
                yield fault

    async def _anchored(self) -> int:
        """The newest seal that is the one of an anchor."""
        query = select(CDRSeal.number, CDRSeal.hash)
        async with self._database.read() as db:
            known = set((await db.exec(query)).all())
        return max((number for number, _ in known.intersection(self._anchors)), default=0)

    def _linked(self, before: CDRSeal | None, seal: CDRSeal) -> Iterator[Fault]:
        """What is wrong with a seal's own row."""
        number, last = (0, 0) if before is None else (before.number, before.last)
        previous = NO_SEAL if before is None else before.hash
        if seal.number != number + 1:
            yield Fault(f"The seals from here to before {seal.number} are gone.", number + 1)
        elif seal.previous != previous or seal.first != last + 1:
            yield Fault(f"It does not follow on seal {number}, which is another one.", seal.number)
        if hash_of(seal) != seal.hash:
            yield Fault("The seal itself was changed: it proves nothing of its CDRs.", seal.number)
        elif not self._is_ours(seal.number, seal.hash, seal.voucher):
            yield Fault(
                "It was not made with the secret key given. Where the key was lost, an anchor of "
                "this seal or a later one proves it.",
                seal.number,
            )
        for anchor in self._anchors:
            if anchor[0] == seal.number and anchor[1] != seal.hash:
                yield Fault("Its anchor tells another hash.", seal.number)

    def _is_ours(self, number: int | None, text: str, voucher: str) -> bool:
        vouched = number is not None and number <= self._vouched
        return vouched or self._seal.vouches(text, voucher)

    async def _held(self, seal: CDRSeal) -> AsyncIterator[Fault]:
        """What is wrong with the CDRs of a seal."""
        after = LOWEST if seal.number == 1 else seal.first - 1
        found = [each async for each in stored_between(self._database, after, seal.last)]
        for each in found:
            if not each.is_sound:
                yield Fault(
                    "It was changed after a driver was erased from it.",
                    seal.number,
                    each.key,
                    each.position,
                )
        leaves = list(_leaves(seal))
        for fault in _differences(seal, leaves[: seal.cdrs], found):
            yield fault
        erasures = [each async for each in erased_between(self._database, after, seal.last)]
        if leaves[seal.cdrs :] != [each.leaf for each in erasures]:
            yield Fault("What it says of drivers that were erased was changed.", seal.number)
        for erasure in erasures:
            for fault in self._vouched_for(erasure, seal.number):
                yield fault

    def _vouched_for(self, erasure: CDRErasure, number: int | None) -> Iterator[Fault]:
        if not self._is_ours(number, erasure.leaf.hex(), erasure.voucher):
            yield Fault(
                "A change of it passes itself off as the erasure of a driver, but was not made "
                "with the secret key given.",
                number,
                position=erasure.cdr,
            )

    def _cut_off(self, last: CDRSeal | None) -> Iterator[Fault]:
        number = 0 if last is None else last.number
        missing = sorted({anchor[0] for anchor in self._anchors if anchor[0] > number})
        if missing:
            yield Fault(
                f"There is an anchor of seal {missing[-1]}, and the newest one here is {number}: "
                "what came after it was cut off, or this is an older backup.",
                number + 1,
            )


async def _chain(database: Database) -> AsyncIterator[CDRSeal]:
    """Every seal, each when its turn comes: all leaves together might be too many."""
    async with database.read() as db:
        numbers = (await db.exec(select(CDRSeal.number).order_by(col(CDRSeal.number)))).all()
    for number in numbers:
        async with database.read() as db:
            yield (await db.exec(select(CDRSeal).where(CDRSeal.number == number))).one()


def _leaves(seal: CDRSeal) -> Iterator[bytes]:
    for start in range(0, len(seal.leaves), LEAF):
        yield seal.leaves[start : start + LEAF]


def _differences(
    seal: CDRSeal, sealed: Sequence[bytes], found: Sequence[Stored]
) -> Iterator[Fault]:
    """Which CDRs are not as they were sealed, as far as that can be told.

    A leaf tells its CDR's position, so that those on both sides are in the same order.
    """
    places = {each.leaf(seal.last): place for place, each in enumerate(found)}
    gone, start = 0, 0
    for place in (*map(places.get, sealed), len(found)):
        if place is None:
            gone += 1
            continue
        yield from _difference(seal, gone, found[start:place], start and found[start - 1].position)
        gone, start = 0, place + 1


def _difference(seal: CDRSeal, gone: int, here: Sequence[Stored], behind: int) -> Iterator[Fault]:
    """What became of some neighbours: so many were sealed, and these are here instead."""
    what = "It was changed, or put in later."
    if not gone:
        what = "It was put in after the others had been sealed."
    elif len(here) <= gone:
        what = "It is not as it was sealed."
    for each in here:
        yield Fault(what, seal.number, each.key, each.position)
    if gone > len(here):
        yield Fault(
            f"CDRs behind this position are gone: {gone - len(here)}.", seal.number, None, behind
        )
