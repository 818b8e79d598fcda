"""A page of pulled Tokens merged into what is stored: newer ones win, and nothing is removed."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.tokens.store import tokens
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.spec.moments import parse_moment
from ocpi.spec.reading import dump, problems, read
from ocpi.spec.tokens import Token
from ocpi.store import Document, object_key


class Fate(StrEnum):
    """What became of a Token that was pulled."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"  # The same, or older than what is stored.
    REFUSED = "refused"


Found = Mapping[str, Mapping[str, Document]]
"""Tokens by the key of their owner and their own."""


def read_page(
    data: Sequence[Any], parties: Collection[str], first: int = 0
) -> tuple[Found, list[str]]:
    """The Tokens of a page that can be used, each judged for itself, and why others cannot (TR-23).

    A partner speaks for its own `parties` alone. Of a Token told twice the newest counts. Of a
    page that is read in slices, `first` is where this one begins.
    """
    found: dict[str, dict[str, Document]] = defaultdict(dict)
    refused = []
    for position, each in enumerate(data, first):
        try:
            document = dump(read(Token, each))
        except ValidationError as error:
            refused.append(f"{_name(each, position)}: {problems(error)}")
            continue
        owner = Party(document["country_code"], document["party_id"])
        if owner.key not in parties:
            refused.append(f"{_name(each, position)}: {owner} is no party of this partner")
            continue
        _keep_newest(found[owner.key], object_key(owner, tokens.identify(document)), document)
    return found, refused


def _name(each: Any, position: int) -> str:
    uid = each.get("uid") if isinstance(each, dict) else None
    return f"Token {str(uid)[:72]}" if uid else f"item {position}"


def _keep_newest(kept: dict[str, Document], key: str, document: Document) -> None:
    known = kept.get(key)
    if known is None or _moment(known) <= _moment(document):
        kept[key] = document


def _moment(document: Document) -> Any:
    return parse_moment(document["last_updated"])


async def merge(database: Database, found: Found, parties: Mapping[str, Party]) -> Counter[Fate]:
    """Store the Tokens of a page, each owner's in one transaction (TK-13, AT-62)."""
    counts: Counter[Fate] = Counter()
    for owner, documents in found.items():
        try:
            counts += await _merge_one(database, parties[owner], documents)
        except IntegrityError:
            # One of them was pushed at the same moment; now it is there.
            counts += await _merge_one(database, parties[owner], documents)
    return counts


async def _merge_one(
    database: Database, owner: Party, documents: Mapping[str, Document]
) -> Counter[Fate]:
    counts: Counter[Fate] = Counter()
    async with database.write() as db:
        names = [tokens.identify(each) for each in documents.values()]
        known = await tokens.lock_many(db, owner, names)
        for key, stored in known.items():
            counts[await _update(db, owner, stored, documents[key])] += 1
        new = [each for key, each in documents.items() if key not in known]
        if new:
            await tokens.create_many(db, owner, new)
            counts[Fate.NEW] += len(new)
    return counts


async def _update(db: AsyncSession, owner: Party, stored: Document, document: Document) -> Fate:
    if stored == document:
        return Fate.UNCHANGED
    written = await tokens.put(db, owner, tokens.identify(document), document)
    return Fate.CHANGED if written.changed else Fate.UNCHANGED
