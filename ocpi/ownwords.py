"""SQL that each database has words of its own for."""

from typing import Any

from sqlalchemy import BigInteger, LargeBinary
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel.ext.asyncio.session import AsyncSession


def insert_into(db: AsyncSession) -> Any:
    """PostgreSQL's and SQLite's INSERT with ON CONFLICT, which are written alike."""
    return sqlite.insert if db.get_bind().dialect.name == "sqlite" else postgresql.insert


class AsBytes(FunctionElement[bytes]):
    """A text as its UTF-8 bytes, which can be sent on without decoding and encoding them."""

    name = "as_bytes"
    inherit_cache = True
    type = LargeBinary()


@compiles(AsBytes, "sqlite")
def _as_blob(element: AsBytes, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS BLOB)"


@compiles(AsBytes, "postgresql")
def _as_bytea(element: AsBytes, compiler: SQLCompiler, **options: Any) -> str:
    return f"convert_to({compiler.process(element.clauses, **options)}, 'UTF8')"


# When PostgreSQL's server was started, in microseconds; SQLite has none.
SERVER = {
    "sqlite": "0",
    "postgresql": "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint",
}


class Server(FunctionElement[int]):
    """Which server answers: after a failover it is another, and may not have the last commits.

    What is known in memory may then be beyond what it gives out next, though no connection broke:
    behind a pooler nobody notices.
    """

    name = "server"
    inherit_cache = True
    type = BigInteger()


@compiles(Server)
def _name_server(_element: Server, compiler: SQLCompiler, **_options: Any) -> str:
    return SERVER[compiler.dialect.name]
