"""The database: transactions, commit-ordered numbers, its clock, and reads without the ORM."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg
from sqlalchemy import Executable, bindparam, event, func, select, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.sql.elements import ClauseElement
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.batching import Batches
from ocpi.bookmarks import Bookmarks
from ocpi.inlinesqlite import NAME, in_thread
from ocpi.kept import EDITION, EachTurn, Kept, Shared
from ocpi.waking import Waking

SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    # FULL, because an answer 1000 promises that the object survives a power cut.
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=20000",
    "PRAGMA foreign_keys=ON",
)


# Seconds after which a connection, or a single read, counts as lost: a server that went away
# without a word would otherwise be waited for until TCP gives up.
PATIENCE = 5.0

# What both ways to the database raise when it is away or refuses.
DATABASE_ERRORS = (
    SQLAlchemyError,
    sqlite3.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What asyncpg says when a connection is cut while it prepares a statement.
    asyncpg.InternalClientError,
    OSError,
)

_BUSY = ("locked", "busy", "deadlock", "lock timeout", "could not serialize")


@dataclass(frozen=True)
class Prepared:
    """A statement compiled once for one database: its text and the order of its parameters."""

    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        """The parameters in the driver's order; `given` wins over the statement's own values."""
        return [given[name] if name in given else self.constants[name] for name in self.names]


Rows = Sequence[Sequence[Any]]


class Reader(Protocol):
    """Reads rows by the driver itself, several times faster than through the ORM."""

    async def fetch(self, query: Prepared, given: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows of a query, committed state only."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


class SQLiteReader:
    """Reads on the event loop's own thread: a page takes 50 us, less than a change of threads."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in SQLITE_PRAGMAS:
            self._connection.execute(pragma)

    async def fetch(self, query: Prepared, given: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows of a query, committed state only."""
        return self._connection.execute(query.sql, query.values(given)).fetchall()

    async def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


class PostgresReader:
    """Reads through a few long-lived connections, each lent to one query at a time.

    A pool of asyncpg's would reset them between queries and start a task for each wait.
    When they are `pooled`, a server lasts for a transaction and keeps no statements.
    """

    MOST = 8

    def __init__(self, dsn: str, *, pooled: bool) -> None:
        self._dsn = dsn
        self._pooled = pooled
        self._idle: list[asyncpg.Connection] = []
        self._room = asyncio.Semaphore(self.MOST)
        self._burials: set[asyncio.Task[None]] = set()

    async def fetch(self, query: Prepared, given: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows of a query, committed state only."""
        async with self._room:
            connection = self._idle.pop() if self._idle else None
            if connection is None or connection.is_closed():
                connection = await self._connection()
            try:
                async with asyncio.timeout(PATIENCE):
                    async with connection.transaction() if self._pooled else nullcontext():
                        rows: Rows = await connection.fetch(query.sql, *query.values(given))
            except asyncpg.PostgresError:
                # The server has refused the query, and is there.
                self._idle.append(connection)
                raise
            except BaseException:
                # What is still under way on it has to be cancelled, for which nobody waits here.
                burial = asyncio.create_task(_bury(connection))
                self._burials.add(burial)
                burial.add_done_callback(self._burials.discard)
                raise
            self._idle.append(connection)
            return rows

    async def _connection(self) -> asyncpg.Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        options: dict[str, Any] = {"statement_cache_size": 0} if self._pooled else {}
        opening = asyncio.ensure_future(asyncpg.connect(self._dsn, timeout=PATIENCE, **options))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # A connection that is opened half-way complains; this one is for whoever comes next.
            opening.add_done_callback(self._keep)
            raise

    def _keep(self, opening: asyncio.Future[asyncpg.Connection]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            self._idle.append(opening.result())

    async def close(self) -> None:
        """Let go of the connections."""
        while self._idle:
            await self._idle.pop().close()
        await asyncio.gather(*self._burials)


async def _bury(connection: asyncpg.Connection) -> None:
    with suppress(*DATABASE_ERRORS):
        await connection.close(timeout=PATIENCE)


class Database:
    """One SQLite file or one PostgreSQL database."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self.open_engine(6 * PATIENCE)
        # Set after a commit that stamped something, so that a worker of this process need not poll.
        self.changed = asyncio.Event()
        # How often it was busy or failed, for the metrics of this process.
        self.failures: Counter[str] = Counter(busy=0, failed=0)
        self._writing = self.engine.execution_options(write=True)
        self._turn = asyncio.Lock()
        self._reader: Reader | None = None
        self._prepared: dict[Any, Prepared] = {}
        self._waking = Waking(self._notify)
        self.batches = Batches(self.write)
        self.bookmarks = Bookmarks()
        sharing = EachTurn if self.sqlite else Shared
        self.kept = Kept(sharing(self._edition))

    def open_engine(self, longest: float | None) -> AsyncEngine:
        """Another way to it, on PostgreSQL with so many seconds for a statement; None: for ever."""
        return _sqlite_engine(self.url) if self.sqlite else _postgres_engine(self.url, longest)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed when the block ends, rolled back when it raises.

        SQLite takes the write lock at its start, since a lock taken half-way fails instead of
        waiting; writers of this process queue here rather than spin on the file.
        """
        try:
            async with self._turn if self.sqlite else nullcontext(), self._transaction() as db:
                yield db
        except DATABASE_ERRORS as error:
            self._count(error)
            raise

    def _count(self, error: Exception) -> None:
        # Two that insert the same row are no failure: one of them looks again.
        if not isinstance(error, (IntegrityError, asyncpg.UniqueViolationError)):
            busy = any(word in str(error).lower() for word in _BUSY)
            self.failures["busy" if busy else "failed"] += 1

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        async with AsyncSession(self._writing, expire_on_commit=False) as db, db.begin():
            yield db
            stamped = db.info.get("stamped", False)
        if stamped:
            self.changed.set()
            if not self.sqlite:
                self._waking.tell()

    async def _notify(self, channel: str, words: str) -> None:
        await self.fetch("database.notify", _NOTIFY, {"channel": channel, "words": words})

    async def hear(self) -> None:
        """Set `changed` when other processes stamped something, where that can be heard.

        Runs until cancelled, and is a hint: behind a pooler, say, there is nothing to hear.
        """
        if not self.sqlite and not _is_pooled(self.url):
            await self._waking.hear(_dsn(self.url), self.changed.set)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads."""
        try:
            async with AsyncSession(self.engine, expire_on_commit=False) as db:
                yield db
        except DATABASE_ERRORS as error:
            self._count(error)
            raise

    async def fetch(
        self, key: Any, statement: Executable, given: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """Rows of a statement by the driver itself; `key` names its compiled form for next time."""
        query = self._prepared.get(key)
        if query is None:
            query = self._prepared[key] = self.prepare(statement, given)
        try:
            return await self.reader.fetch(query, given)
        except DATABASE_ERRORS as error:
            self._count(error)
            raise

    async def _edition(self) -> str:
        ((word,),) = await self.fetch("database.edition", EDITION, {})
        return str(word)

    def prepare(self, statement: Executable, given: Mapping[str, Any]) -> Prepared:
        """Compile a statement to this database's text; lists in it are spelled out as given."""
        assert isinstance(statement, ClauseElement)
        compiled = statement.params(given).compile(
            dialect=self.engine.dialect, compile_kwargs={"render_postcompile": True}
        )
        names = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]
        return Prepared(str(compiled), names, dict(compiled.params))

    @property
    def reader(self) -> Reader:
        """The way to read without the ORM, opened at its first use."""
        if self._reader is None:
            if self.sqlite:
                self._reader = SQLiteReader(self.url.database or "")
            else:
                self._reader = PostgresReader(_dsn(self.url), pooled=_is_pooled(self.url))
        return self._reader

    async def close(self) -> None:
        """Close every connection."""
        await self._waking.close()
        if self._reader is not None:
            await self._reader.close()
        await self.engine.dispose()


_NOTIFY = select(func.pg_notify(bindparam("channel"), bindparam("words")))
# SQLAlchemy's own parameter; with 0 the database is behind PgBouncer in transaction mode.
_CACHE_SIZE = "prepared_statement_cache_size"


def _is_pooled(url: URL) -> bool:
    """Whether each transaction may have another server, which knows no statement of before."""
    return url.query.get(_CACHE_SIZE) == "0"


def _dsn(url: URL) -> str:
    """The URL as asyncpg takes it."""
    plain = url.set(drivername="postgresql").difference_update_query([_CACHE_SIZE])
    return plain.render_as_string(hide_password=False)


def _postgres_engine(url: URL, longest: float | None) -> AsyncEngine:
    pooled = {"statement_cache_size": 0, "prepared_statement_name_func": str}
    return create_async_engine(
        url,
        pool_size=8,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=PATIENCE,
        # Errors are logged, and what a statement was given may be a driver's.
        hide_parameters=True,
        connect_args={
            "timeout": PATIENCE,
            "command_timeout": longest,
            **(pooled if _is_pooled(url) else {}),
        },
    )


def _sqlite_engine(url: URL) -> AsyncEngine:
    inline = url.set(drivername=NAME.replace(".", "+"))
    engine = create_async_engine(inline, pool_size=4, max_overflow=0, hide_parameters=True)

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: see begin() below.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in SQLITE_PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("write", False):
            in_thread(connection.connection.execute, "BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


# SQLite and PostgreSQL take a few more than these in one statement.
_MOST_PARAMETERS = 32_000


def numbered(name: str, values: list[str] | list[int]) -> dict[str, Any]:
    """Parameters of a statement, the last value again and again up to the next power of two.

    Each count is a statement of its own, which is kept: of as many as there are parties of a hub,
    one by one, no memory would be left.
    """
    count = 1 << (len(values) - 1).bit_length() if values else 0
    count = min(count, max(len(values), _MOST_PARAMETERS))
    padded = [*values, *values[-1:] * (count - len(values))]
    return {f"{name}_{n}": value for n, value in enumerate(padded)}


_STAMP = text("UPDATE feed_head SET seq = seq + :count WHERE stream = :stream RETURNING seq")


async def stamp(db: AsyncSession, stream: str, count: int = 1) -> int:
    """The next number of a stream (the first of `count` numbers), given out in commit order.

    A reader that has seen number n has seen every smaller one: the stream's row stays locked until
    the commit is visible. Bare serial ids are not so, and a cursor over them loses rows.
    """
    db.info["stamped"] = True
    given = {"stream": stream, "count": count}
    row = await db.exec(_STAMP, params=given)  # type: ignore[call-overload]
    last: int = row.scalar_one()
    return last - count + 1


CLOCK = {
    "sqlite": "SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
    "postgresql": "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
}


_CLOCK = {name: text(sql) for name, sql in CLOCK.items()}


async def clock(db: AsyncSession) -> int:
    """The database's time in microseconds since 1970, the one clock that all workers share."""
    row = await db.exec(_CLOCK[db.get_bind().dialect.name])  # type: ignore[call-overload]
    now: int = row.scalar_one()
    return now


async def clock_of(db: AsyncSession, stream: str) -> int:
    """The time at which what is written now will be seen by those who pull, in microseconds.

    It is read under the lock of the stream, which the writing takes anyway: a date from before the
    wait for it could lie in a window that a partner has pulled already (IP-24).
    """
    await stamp(db, stream, 0)
    return await clock(db)
