"""A page of a pulled list merged into what is stored: newer objects win, and nothing is removed."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import ValidationError
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database
from ocpi.editing import Document, Written, object_key
from ocpi.errors import InvalidParameters
from ocpi.forgiving import Habit, forgive, read
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.pull.issuers import TheirList
from ocpi.pull.pullable import Pullable
from ocpi.push.feed import Change, changed, created
from ocpi.spec.moments import parse_moment
from ocpi.spec.reading import dump, problems
from ocpi.store import Store


class Fate(StrEnum):
    """What became of an object that was pulled."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"  # The same, or older than what is stored.
    REFUSED = "refused"


Found = Mapping[str, Mapping[str, Document]]
"""Objects by the key of their owner and their own."""


@dataclass(frozen=True)
class PageRead:
    """What a page comes to before anything is stored."""

    found: dict[str, dict[str, Document]] = field(default_factory=lambda: defaultdict(dict))
    """See `Found`: what can be used."""
    refused: list[str] = field(default_factory=list)
    """Why the rest cannot."""
    keys: set[str] = field(default_factory=set)
    """The objects that it names, usable or not."""


def read_page(
    pullable: Pullable, data: Sequence[Any], parties: Collection[str], first: int = 0
) -> PageRead:
    """The objects of a page, each judged for itself (TR-23).

    A partner speaks for `parties` alone. Of an object told twice the newest counts. Of a page that
    is read in slices, `first` is where this one begins.
    """
    page = PageRead()
    for position, each in enumerate(data, first):
        key = _key(pullable.store, each)
        if key is not None:
            page.keys.add(key)
        try:
            owner, document = _judge(pullable, each, parties)
        except InvalidParameters as error:
            page.refused.append(f"{_name(pullable, each, position)}: {error}")
            continue
        key = object_key(owner, pullable.store.identify(document))
        page.keys.add(key)
        _keep_newest(page.found[owner.key], key, document)
    return page


def _judge(pullable: Pullable, each: Any, parties: Collection[str]) -> tuple[Party, Document]:
    """Whose object it is, and its document; raises ``InvalidParameters`` for what is unusable."""
    try:
        document = dump(read(pullable.store.model, each))
    except ValidationError as error:
        forgive(Habit.BAD_OBJECT, f"{pullable.kind} {_dotted_places(error)}")
        raise InvalidParameters(problems(error)) from None
    owner = Party(document["country_code"], document["party_id"])
    if owner.key not in parties:
        raise InvalidParameters(f"{owner} is no party of this partner")
    identifier = pullable.store.identify(document)
    if any(document[name] != value for name, value in pullable.store.named(identifier).items()):
        # With an asterisk in its type a Token has another one's key.
        raise InvalidParameters(f"{identifier} is ambiguous")
    return owner, document


def _key(store: Store[Any], each: Any) -> str | None:
    """The key of anything that has one, for what is told badly is not gone."""
    try:
        return object_key(Party(each["country_code"], each["party_id"]), store.identify(each))
    except (TypeError, KeyError, AttributeError):
        return None


def _name(pullable: Pullable, each: Any, position: int) -> str:
    identifier = each.get(pullable.store.identifier) if isinstance(each, dict) else None
    return f"{pullable.kind} {str(identifier)[:72]}" if identifier else f"item {position}"


def _dotted_places(error: ValidationError) -> str:
    return ", ".join(".".join(map(str, each["loc"])) for each in error.errors())


def _keep_newest(kept: dict[str, Document], key: str, document: Document) -> None:
    known = kept.get(key)
    if known is None or _moment(known) <= _moment(document):
        kept[key] = document


def _moment(document: Document) -> Any:
    return parse_moment(document["last_updated"])


async def merge(
    database: Database, listed: TheirList, found: Found, parties: Mapping[str, Party]
) -> Counter[Fate]:
    """Store the objects of a page, each owner's in one transaction (TK-13, AT-62)."""
    counts: Counter[Fate] = Counter()
    for owner, documents in found.items():
        counts += await _merge_one(database, listed, parties[owner], documents)
    return counts


async def _merge_one(
    database: Database, listed: TheirList, owner: Party, documents: Mapping[str, Document]
) -> Counter[Fate]:
    pullable, store = listed.pullable, listed.pullable.store
    edits = [store.putting(owner, store.identify(each), each) for each in documents.values()]
    async with database.write() as db:
        outcomes = dict(zip(documents, await store.write(db, edits), strict=True))
        fates = {key: _fate(key, outcome) for key, outcome in outcomes.items()}
        if listed.told:
            changes = [key for key, fate in fates.items() if fate is Fate.CHANGED]
            new = [key for key, fate in fates.items() if fate is Fate.NEW]
            await _tell(db, pullable.module, new, changes)
    return Counter(fates.values())


def _fate(key: str, outcome: Written | Exception) -> Fate:
    if isinstance(outcome, Exception):
        # The others of the page are none the worse (TR-23).
        log.warning("object not stored", key=key, error=repr(outcome))
        return Fate.REFUSED
    if outcome.created:
        return Fate.NEW
    return Fate.CHANGED if outcome.changed else Fate.UNCHANGED


async def _tell(
    db: AsyncSession, module: str, new: Sequence[str], changes: Collection[str]
) -> None:
    if changes:
        await changed(db, *(Change(module, key) for key in sorted(changes)))
    if new:
        await created(db, [Change(module, key) for key in new])
