"""OCPI objects as documents: stored whole as JSON text, beside the columns they are searched by."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import BigInteger, Table, Text, bindparam, insert
from sqlalchemy import select as select_columns
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database, numbered, stamp
from ocpi.errors import InvalidParameters, UnknownObject
from ocpi.headers import Party
from ocpi.listqueries import list_queries, text_query
from ocpi.mappings import Mappings
from ocpi.pagination import DEEPEST, Paging
from ocpi.sight import EVERYTHING, Facts, ModuleSight, read_facts
from ocpi.spec.document import decode, encode
from ocpi.spec.kinds import Tolerance
from ocpi.spec.moments import microseconds, parse_moment
from ocpi.spec.reading import defects, read
from ocpi.spec.types import OCPIModel

Document = dict[str, Any]
AHEAD = 5 * 60 * 1_000_000


class StoredObject(SQLModel):
    """The columns that every kind of object has; see `Store.columns` for those of one kind."""

    position: int = Field(primary_key=True, sa_type=BigInteger)
    """Grows with each object in commit order, so pages stand still while objects come (PG-09)."""
    key: str = Field(unique=True)
    """Owner and id in lower case, `nl*tnm*loc1`: both compare without regard to case (CO-08)."""
    owner: str
    last_updated: int = Field(sa_type=BigInteger)
    """Microseconds since 1970, for the date filters."""
    body: str = Field(sa_type=Text)


class PulledObject(StoredObject):
    """The columns of the kinds that are pulled from partners, too."""

    absent_since: int | None = Field(default=None, sa_type=BigInteger)
    """When its owner's list was found to be without it, in microseconds; it stays (AT-21, IP-19).

    None again once the owner tells of it, in whatever way.
    """


Row = TypeVar("Row", bound=StoredObject)


@dataclass(frozen=True)
class Page:
    """Some objects of a list as JSON texts, and how many match in all."""

    bodies: Sequence[bytes]
    total: int


@dataclass(frozen=True)
class Written:
    """What a write came to: the object was new, changed or left alone, and its document now."""

    document: Document
    created: bool = False
    changed: bool = True
    stale: bool = False
    """The change was older than what is stored, and was not applied (PP-09)."""


def is_stale(moment: int, stored: int) -> bool:
    """Whether a change is older than what is stored, both in microseconds since 1970 (PP-09).

    What is dated more than five minutes ahead is no measure: arrival orders its changes (PD-06).
    """
    return moment < stored <= time.time_ns() // 1000 + AHEAD


def object_key(owner: Party, identifier: str) -> str:
    """The key of an owner's object."""
    return f"{owner.key}*{identifier.lower()}"


def audience_of(document: Document) -> Party:
    """The party whose token was used, in a Session or a CDR: the one that it concerns (AT-58)."""
    token = document["cdr_token"]
    return Party(token["country_code"], token["party_id"])


class Store(Generic[Row]):
    """The objects of one kind: `page`, `get`, `put`, `patch`, `delete`."""

    def __init__(
        self,
        table: type[Row],
        model: type[OCPIModel],
        *,
        identifier: str = "id",
        missing: type[UnknownObject] = UnknownObject,
        appended: frozenset[str] = frozenset(),
    ) -> None:
        self.table = table
        self.model = model
        self.identifier = identifier
        self.missing = missing
        self._one = select(table).where(col(table.key) == bindparam("key"))
        self._one_locked = self._one.with_for_update()
        self._body = select(col(table.body)).where(col(table.key) == bindparam("key"))
        self.appended = appended
        self._columns: Table = table.__table__  # type: ignore[attr-defined]

    async def page(
        self,
        database: Database,
        paging: Paging,
        owners: Sequence[Party],
        audience: Sequence[Party] | None = None,
        *,
        shared: bool = False,
        sight: ModuleSight = EVERYTHING,
    ) -> Page:
        """A page of the objects of some owners, oldest creation first (PG-02, PG-09).

        Of a kind that has these columns: with an `audience` only what concerns one of these
        parties, with `shared` only what is meant for everybody, with `sight` only what that admits.
        """
        if not owners or (audience is not None and not audience):
            return Page((), 0)
        given = numbered("owner", [owner.key for owner in owners])
        given |= numbered("audience", [party.key for party in audience or ()])
        if shared:
            given["shared"] = True
        given |= sight.given
        if paging.date_from is not None:
            given["date_from"] = paging.date_from
            given |= sight.redated("redated_from", paging.date_from)
        if paging.date_to is not None:
            given["date_to"] = paging.date_to
            given |= sight.redated("redated_to", paging.date_to)
        shape = (self._columns, *given)
        count, page = list_queries(*shape)
        if paging.offset < DEEPEST:
            window = {"limit": paging.limit, "offset": paging.offset}
            rows = await database.fetch(("page", shape), page, given | window)
            if rows:
                return Page([self._told(row[0], sight) for row in rows], rows[0][1])
        return Page((), (await database.fetch(("count", shape), count, given))[0][0])

    async def text(
        self,
        database: Database,
        owners: Sequence[Party],
        identifier: str,
        sight: ModuleSight = EVERYTHING,
    ) -> bytes:
        """An object's JSON text; where several owners use the same id, none is meant (AT-41).

        What `sight` does not admit is as unknown as what does not exist.
        """
        keys = numbered("key", [object_key(owner, identifier) for owner in owners])
        given = {**keys, **sight.given}
        shape = (self._columns, *given)
        rows = await database.fetch(("text", shape), text_query(*shape), given)
        if len(rows) != 1:
            raise self.missing()
        return self._told(rows[0][0], sight)

    def _told(self, text: bytes, sight: ModuleSight) -> bytes:
        """The text that a partner gets of an object; without mappings it is not even read."""
        if not sight.mappings:
            return text
        document = decode(text)
        if (
            f"{document['country_code']}*{document['party_id']}".lower()
            not in sight.mappings.owners
        ):
            return text
        told = self.told(document, sight.mappings)
        return text if told is document else encode(told).encode()

    def told(self, document: Document, mappings: Mappings) -> Document:
        """What a partner with mappings gets of an object of ours, for a kind to tell."""
        del mappings
        return document

    async def text_of(self, database: Database, key: str) -> str | None:
        """The JSON text stored under a key, None where there is none."""
        rows = await database.fetch(("text_of", self.table), self._body, {"key": key})
        return rows[0][0] if rows else None

    @cached_property
    def _facts(self) -> tuple[tuple[str, ...], Any]:
        """The names of what rules look at in this kind, and a query of it without a condition."""
        columns = self._columns.c
        names = tuple(each.name for each in fields(Facts) if each.name in columns)
        return names, select_columns(*(columns[name] for name in names))

    async def facts(self, database: Database, key: str) -> Facts | None:
        """What rules look at in an object; None where there is none under the key."""
        names, query = self._facts
        one = query.where(col(self.table.key) == bindparam("key"))
        rows = await database.fetch(("facts", self.table), one, {"key": key})
        return read_facts(names, rows[0]) if rows else None

    async def all_facts(self, db: AsyncSession) -> list[Facts]:
        """What rules look at in every object of this kind, oldest creation first."""
        names, query = self._facts
        found = await db.exec(query.order_by(col(self.table.position)))
        return [read_facts(names, row) for row in found.all()]

    async def get(self, db: AsyncSession, owner: Party, identifier: str) -> Document | None:
        """An object's document as the transaction sees it; None without one."""
        row = await self._row(db, owner, identifier)
        return None if row is None else decode(row.body)

    async def lock(self, db: AsyncSession, owner: Party, identifier: str) -> Document | None:
        """An object's document, which nobody else changes until the commit; None without one."""
        row = await self._row(db, owner, identifier, lock=True)
        return None if row is None else decode(row.body)

    async def lock_many(
        self, db: AsyncSession, owner: Party, identifiers: Iterable[str]
    ) -> dict[str, Document]:
        """The documents of those objects that exist, by key, locked until the commit.

        Who changes several objects in a transaction locks them all before the first stamp: a change
        of a single object locks in the same order, so neither waits for the other for ever.
        """
        keys = [object_key(owner, identifier) for identifier in identifiers]
        found = await db.exec(
            select(self.table)
            .where(col(self.table.key).in_(keys))
            .order_by(col(self.table.key))
            .with_for_update()
        )
        return {row.key: decode(_met(row).body) for row in found}

    async def create_many(
        self, db: AsyncSession, owner: Party, documents: Sequence[Document]
    ) -> None:
        """Store objects that `lock_many` has not found; IntegrityError if one came meanwhile."""
        first = await stamp(db, "created", len(documents))
        rows = [self._row_of(owner, each, first + n) for n, each in enumerate(documents)]
        await db.exec(insert(self.table), params=rows)

    async def put(
        self, db: AsyncSession, owner: Party, identifier: str, document: Document
    ) -> Written:
        """Store a whole document, which replaces what was there (PP-01 to PP-03).

        The document is stored as given: whoever calls has validated it. An older `last_updated`
        than the stored one is not applied; the same document changes nothing (PP-09, AT-75).
        """
        self.require_same(owner, identifier, document)
        moment = microseconds(parse_moment(document["last_updated"]))
        row = await self._row(db, owner, identifier, lock=True)
        if row is None:
            position = await stamp(db, "created")
            # Whoever created it meanwhile has committed: creators wait for each other's stamps.
            row = await self._row(db, owner, identifier, lock=True)
        if row is None:
            await db.exec(insert(self.table), params=[self._row_of(owner, document, position)])
            return Written(document, created=True)
        if is_stale(moment, row.last_updated):
            return Written(decode(row.body), changed=False, stale=True)
        document = self.settled(decode(row.body), document)
        body = encode(document)
        if body == row.body:
            return Written(document, changed=False)
        await self._replace(db, row, document, body)
        return Written(document)

    async def patch(
        self, db: AsyncSession, owner: Party, identifier: str, changes: Document
    ) -> Written:
        """Change the fields given, `last_updated` among them, and keep the rest (PP-04, PP-05)."""
        row = await self._row(db, owner, identifier, lock=True)
        if row is None:
            raise self.missing()
        stored: Document = decode(row.body)
        if is_stale(microseconds(parse_moment(changes["last_updated"])), row.last_updated):
            return Written(stored, changed=False, stale=True)
        merged = self.settled(stored, self.merged(stored, changes))
        self.require_same(owner, identifier, merged)
        read(self.model, merged)
        body = encode(merged)
        if body == row.body:
            return Written(merged, changed=False)
        await self._replace(db, row, merged, body)
        return Written(merged)

    def merged(self, stored: Document, changes: Document) -> Document:
        """The document after a PATCH; lists in `appended` grow, every other field is replaced."""
        merged = {**stored, **changes}
        for name in self.appended & changes.keys():
            merged[name] = [*stored.get(name, []), *changes[name]]
        return merged

    def settled(self, stored: Document, document: Document) -> Document:
        """What is kept of a newer document; for a kind to tell of which something is final."""
        del stored
        return document

    async def delete(self, db: AsyncSession, owner: Party, identifier: str) -> None:
        """Forget an object."""
        row = await self._row(db, owner, identifier, lock=True)
        if row is None:
            raise self.missing()
        await db.delete(row)
        await db.flush()

    async def _row(
        self, db: AsyncSession, owner: Party, identifier: str, *, lock: bool = False
    ) -> Row | None:
        """The stored row; with `lock`, nobody else changes it until the commit."""
        query = self._one_locked if lock else self._one
        found = await db.exec(query, params={"key": object_key(owner, identifier)})
        row = found.one_or_none()
        return _met(row) if lock and row is not None else row

    async def _replace(self, db: AsyncSession, row: Row, document: Document, body: str) -> None:
        row.body = body
        row.last_updated = microseconds(parse_moment(document["last_updated"]))
        for name, value in self.columns(document).items():
            setattr(row, name, value)
        db.add(row)
        await db.flush()

    def columns(self, document: Document) -> dict[str, Any]:
        """The columns that only this kind of object has, for a kind to tell."""
        del document
        return {}

    def named(self, identifier: str) -> dict[str, str]:
        """The fields that make up the identifier of an object, as it is in a URL."""
        return {self.identifier: identifier}

    def identify(self, document: Document) -> str:
        """The identifier of a document, which `named` takes apart."""
        identifier: str = document[self.identifier]
        return identifier

    def require_same(self, owner: Party, identifier: str, document: Document) -> None:
        """Raises ``InvalidParameters`` for a document of another object than this (CO-05)."""
        codes = {"country_code": owner.country_code, "party_id": owner.party_id}
        _require_same({**codes, **self.named(identifier)}, document)

    def _row_of(self, owner: Party, document: Document, position: int) -> dict[str, Any]:
        return {
            "position": position,
            "key": object_key(owner, self.identify(document)),
            "owner": owner.key,
            "last_updated": microseconds(parse_moment(document["last_updated"])),
            "body": encode(document),
            **self.columns(document),
        }


def _met(row: Row) -> Row:
    """A row that is locked to be written: its owner tells of the object, so it is not gone."""
    if isinstance(row, PulledObject):
        row.absent_since = None
    return row


def spelled(owner: Party, document: Document) -> Document:
    """The document with its owner's codes as the owner spells them (IP-25).

    Raises ``InvalidParameters`` when it names another owner.
    """
    codes = {"country_code": owner.country_code, "party_id": owner.party_id}
    _require_same(codes, document)
    return {**document, **codes}


def _require_same(wanted: dict[str, str], document: Document) -> None:
    """The body names the same object as the URL (CO-04, CO-05)."""
    for field, value in wanted.items():
        if str(document.get(field, "")).lower() != value.lower():
            raise InvalidParameters(
                f"{field}: the URL says {value!r}, the body {document.get(field)!r}"
            )


def refuse_defects(model: type[OCPIModel], document: Document) -> None:
    """Raises ``InvalidParameters`` for what a strict receiver would refuse in an object of ours.

    A word that OCPI 2.2.1 does not know yet is let through: it costs nobody the object (TY-15).
    """
    unknown = f": {Tolerance.ENUM}"
    found = [line for line in defects(document, model) if not line.endswith(unknown)]
    if found:
        raise InvalidParameters("; ".join(found))
