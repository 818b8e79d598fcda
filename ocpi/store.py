"""OCPI objects as documents: stored whole as JSON text, beside the columns they are searched by."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import BigInteger, Table, Text, bindparam, delete, insert, null, update
from sqlalchemy import select as select_columns
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database, clock_of, numbered, stamp
from ocpi.editing import (
    Decision,
    Document,
    Edit,
    Held,
    Written,
    is_older,
    object_key,
    require_same,
)
from ocpi.errors import UnknownObject
from ocpi.headers import Party
from ocpi.listqueries import list_parameters, read_page, text_query
from ocpi.mappings import Mappings
from ocpi.pagination import Page, Paging
from ocpi.sight import EVERYTHING, Facts, ModuleSight, read_facts
from ocpi.spec.document import decode, encode
from ocpi.spec.moments import microseconds, parse_moment
from ocpi.spec.types import OCPIModel


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


def audience_of(document: Document) -> Party:
    """The party whose token was used, in a Session or a CDR: the one that it concerns (AT-58)."""
    token = document["cdr_token"]
    return Party(token["country_code"], token["party_id"])


class Store(Generic[Row]):
    """The objects of one kind: how they are listed, read, changed and forgotten."""

    def __init__(
        self,
        table: type[Row],
        model: type[OCPIModel],
        *,
        identifier: str = "id",
        missing: type[UnknownObject] = UnknownObject,
    ) -> None:
        self.table = table
        self.model = model
        self.identifier = identifier
        self.missing = missing
        self._columns: Table = table.__table__  # type: ignore[attr-defined]
        columns: Any = self._columns.c
        this, these = (
            columns.key == bindparam("this"),
            columns.key.in_(bindparam("keys", expanding=True)),
        )
        self._body = select(columns.body).where(columns.key == bindparam("key"))
        absent = columns.get("absent_since", null())
        held = select(columns.key, columns.body, absent).where(these).order_by(columns.key)
        self._held = held.with_for_update()
        self._insert = insert(self._columns)
        self._update = update(self._columns).where(this)
        self._meet = update(self._columns).where(these).values(absent_since=None)
        self._delete = delete(self._columns).where(this)

    async def page(
        self,
        database: Database,
        paging: Paging,
        owners: Sequence[Party],
        audience: Sequence[Party] | None = None,
        *,
        sight: ModuleSight = EVERYTHING,
        but: Sequence[str] = (),
    ) -> Page:
        """A page of the objects of some owners, oldest creation first (PG-02, PG-09).

        Of a kind that has these columns: with an `audience` only what concerns one of these
        parties, with `sight` only what that admits, and none of the keys in `but`.
        """
        if not owners or (audience is not None and not audience):
            return Page((), 0)
        given = list_parameters(paging, owners, audience or (), sight=sight)
        given |= numbered("but", list(but))
        rows, total = await read_page(database, self._columns, paging, given)
        shown = rows[: paging.limit]
        bodies = [self._told(row[0], sight) for row in shown]
        last = shown[-1][1] if shown else 0
        return Page(bodies, total, last, goes_on=len(rows) > len(shown))

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
        found = await self.texts(database, owners, identifier, sight)
        if len(found) != 1:
            raise self.missing()
        return self._told(found[0], sight)

    async def texts(
        self,
        database: Database,
        owners: Sequence[Party],
        identifier: str,
        sight: ModuleSight = EVERYTHING,
    ) -> list[bytes]:
        """The JSON texts, as stored, of all objects of one id that `sight` admits."""
        keys = numbered("key", [object_key(owner, identifier) for owner in owners])
        given = {**keys, **sight.given}
        shape = (self._columns, *given)
        return [
            text for (text,) in await database.fetch(("text", shape), text_query(*shape), given)
        ]

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
        found = await db.exec(self._body, params={"key": object_key(owner, identifier)})
        body = found.one_or_none()
        return None if body is None else decode(body)

    async def lock(self, db: AsyncSession, owner: Party, identifier: str) -> Document | None:
        """An object's document, which nobody else changes until the commit; None without one."""
        found = await self.lock_many(db, owner, (identifier,))
        return next(iter(found.values()), None)

    async def lock_many(
        self, db: AsyncSession, owner: Party, identifiers: Iterable[str]
    ) -> dict[str, Document]:
        """The documents of those objects that exist, by key, locked until the commit.

        Who changes several objects in a transaction locks them all before the first stamp: a change
        of a single object locks in the same order, so neither waits for the other for ever.
        """
        found = await self._hold(db, [object_key(owner, each) for each in identifiers])
        return {key: decode(body) for key, body in found.items()}

    async def _hold(self, db: AsyncSession, keys: Collection[str]) -> dict[str, str]:
        """The texts of those objects that exist, by key, locked until the commit.

        They are written, or were told again: so their owner has not lost them.
        """
        found = (await db.exec(self._held, params={"keys": list(keys)})).all()
        absent = [key for key, _, since in found if since is not None]
        if absent:
            await db.exec(self._meet, params={"keys": absent})
        return {key: body for key, body, _ in found}

    async def create_many(
        self, db: AsyncSession, owner: Party, documents: Sequence[Document]
    ) -> None:
        """Store objects that `lock_many` has not found; IntegrityError if one came meanwhile."""
        first = await stamp(db, "created", len(documents))
        rows = [self._row_of(owner, each, first + n) for n, each in enumerate(documents)]
        await db.exec(self._insert, params=rows)

    async def put(
        self, db: AsyncSession, owner: Party, identifier: str, document: Document
    ) -> Written:
        """Make the edit `putting` in a transaction."""
        return await self.write_one(db, self.putting(owner, identifier, document))

    def putting(self, owner: Party, identifier: str, document: Document, **beside: Any) -> Edit:
        """Store a whole document, which replaces what was there (PP-01 to PP-03).

        The document is stored as given: whoever calls has validated it. An older `last_updated`
        than the stored one is not applied; the same document changes nothing (PP-09, AT-75).
        """
        self.require_same(owner, identifier, document)

        def decide(stored: Document | None, _now: int) -> Decision:
            if stored is None:
                return document, Written(document, created=True)
            stale = is_older(document["last_updated"], stored)
            taken = self.late(stored, document, patch=False) if stale else document
            if taken is None:
                return None, Written(stored, changed=False, stale=True)
            settled = self.settled(stored, taken)
            return settled, Written(settled, stale=stale)

        return Edit(owner, identifier, decide, creates=True, beside=beside)

    def patching(self, owner: Party, identifier: str, changes: Document) -> Edit:
        """Change the fields given, `last_updated` among them, and keep the rest (PP-04, PP-05).

        Each was read for itself, and fields of objects do not depend on each other: what comes of
        it can be read as well.
        """

        def decide(stored: Document | None, _now: int) -> Decision:
            if stored is None:
                raise self.missing()
            stale = is_older(changes["last_updated"], stored)
            taken = self.late(stored, changes, patch=True) if stale else changes
            if taken is None:
                return None, Written(stored, changed=False, stale=True)
            merged = self.settled(stored, self.merged(stored, taken))
            self.require_same(owner, identifier, merged)
            return merged, Written(merged, stale=stale, patch=taken)

        return Edit(owner, identifier, decide)

    def merged(self, stored: Document, changes: Document) -> Document:
        """The document after a PATCH: every field given is replaced."""
        return {**stored, **changes}

    def late(self, stored: Document, document: Document, *, patch: bool) -> Document | None:
        """What is still taken of a document or PATCH older than what is stored, dated like that.

        None where nothing is (PP-09); for a kind to tell of which some is true whenever it comes.
        """
        del stored, document, patch
        return None

    def settled(self, stored: Document, document: Document) -> Document:
        """What is kept of a newer document; for a kind to tell of which something is final."""
        del stored
        return document

    async def write_one(self, db: AsyncSession, edit: Edit) -> Written:
        """What a change came to; raises what it was refused for."""
        (outcome,) = await self.write(db, (edit,))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def write(self, db: AsyncSession, edits: Sequence[Edit]) -> list[Written | Exception]:
        """What each of some changes came to, or was refused for, one made after the other."""
        keys = {edit.key: edit.creates for edit in edits}
        texts = await self._hold(db, keys)
        missing = {edit.key for edit in edits if edit.creates} - texts.keys()
        position = 0
        if missing:
            position = await stamp(db, "created", len(missing))
            # Whoever created one meanwhile has committed: creators wait for each other's stamps.
            texts |= await self._hold(db, missing)
        held = {key: Held(texts.get(key)) for key in keys}
        now = await self._now(db, edits)
        outcomes = [held[edit.key].apply(edit, now) for edit in edits]
        await self._store(db, held, position)
        return outcomes

    async def _now(self, db: AsyncSession, edits: Sequence[Edit]) -> int:
        """The time for those that we date, asked behind all other locks; 0 where there are none."""
        for stream in {edit.dated_in for edit in edits} - {None}:
            return await clock_of(db, str(stream))
        return 0

    async def _store(self, db: AsyncSession, held: Mapping[str, Held], position: int) -> None:
        """Write what has changed; new objects stand from a position on."""
        made = [each for each in held.values() if each.maker is not None]
        if made:
            rows = [self._new_row(each, position + n) for n, each in enumerate(made)]
            await db.exec(self._insert, params=rows)
        changed = {
            key: each
            for key, each in held.items()
            if each.maker is None and each.body != each.stored
        }
        if changed:
            rows = [self._written(each) | {"this": key} for key, each in changed.items()]
            await db.exec(self._update, params=rows)

    def _new_row(self, held: Held, position: int) -> dict[str, Any]:
        assert held.maker is not None
        owner, key = held.maker.owner, held.maker.key
        named = {"position": position, "key": key, "owner": owner.key}
        return {**named, **self._written(held), **held.maker.beside}

    def _written(self, held: Held) -> dict[str, Any]:
        assert held.document is not None
        return self._columns_of(held.document, str(held.body))

    def _columns_of(self, document: Document, body: str) -> dict[str, Any]:
        moment = microseconds(parse_moment(document["last_updated"]))
        return {"last_updated": moment, "body": body, **self.columns(document)}

    async def delete(self, db: AsyncSession, owner: Party, identifier: str) -> None:
        """Forget an object."""
        gone = await db.exec(self._delete, params={"this": object_key(owner, identifier)})
        if gone.rowcount == 0:
            raise self.missing()

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
        require_same({**codes, **self.named(identifier)}, document)

    def _row_of(self, owner: Party, document: Document, position: int) -> dict[str, Any]:
        key = object_key(owner, self.identify(document))
        named = {"position": position, "key": key, "owner": owner.key}
        return {**named, **self._columns_of(document, encode(document))}
