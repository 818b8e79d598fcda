"""A PostgreSQL server of the test's own, which can be stopped at any moment and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from sqlalchemy.engine import URL, make_url

from tests.postgres import execute, find_binaries, temporary_server


@dataclass
class Restartable:
    """The server; stopped in the middle of whatever it does, as by a crash."""

    url: URL
    _process: subprocess.Popen[bytes] | None = None
    _command: list[str] = field(default_factory=list)
    _account: int = 0

    @property
    def folder(self) -> Path:
        return Path(str(self.url.query["host"]))

    @property
    def service_url(self) -> str:
        """Its database `ocpi`, as the service is told of it."""
        return f"postgresql+asyncpg://postgres@/ocpi?host={self.folder}"

    def stop(self) -> None:
        """End it at once: nothing is finished, nothing written that was not acknowledged."""
        self._command, self._account = self.command()
        proc = Path(f"/proc/{self._pid()}")
        os.kill(self._pid(), signal.SIGQUIT)
        if self._process is not None:
            self._process.wait(timeout=60)
        # It stays a zombie where its supervisor does not wait for it, and else is gone at once.
        with suppress(FileNotFoundError, ProcessLookupError):
            while ") Z " not in proc.joinpath("stat").read_text():
                time.sleep(0.02)

    def start(self) -> None:
        """Start it again with what it has on disk; it answers once it has recovered."""
        self._process = _run(self._command, self._account, self.folder)

    def revive(self) -> None:
        """Wait until it answers, and start it again should it have ended by itself."""
        while not _answers(self.url):
            assert self._process is not None
            if self._process.poll() is not None:
                self.start()
            time.sleep(0.05)

    def end(self) -> None:
        """Stop the last one that was started here."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=60)

    def command(self) -> tuple[list[str], int]:
        """How it was started, and as whom."""
        proc = Path(f"/proc/{self._pid()}")
        words = proc.joinpath("cmdline").read_text().rstrip("\0").split("\0")
        return words, proc.stat().st_uid

    def _pid(self) -> int:
        return int(self.folder.joinpath("data/postmaster.pid").read_text().split("\n")[0])


@contextmanager
def restartable_server() -> Iterator[Restartable]:
    """Run a server of our own while the context is open."""
    with temporary_server(find_binaries()) as url:
        server = Restartable(url)
        try:
            yield server
        finally:
            server.end()


@dataclass
class Standby:
    """A copy that follows a server asynchronously until it is promoted."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> URL:
        return make_url(f"postgresql://postgres@/postgres?host={self.folder}")

    def catch_up(self, primary: Restartable) -> None:
        """Wait until it has all that the primary had at this moment."""
        end = execute(primary.url, "SELECT pg_current_wal_lsn()::text")
        while not execute(self.url, f"SELECT pg_last_wal_replay_lsn() >= '{end}'"):
            time.sleep(0.02)

    def cut_off(self) -> None:
        """Have it hear nothing more, as when the line to its primary breaks."""
        execute(self.url, "ALTER SYSTEM SET primary_conninfo = ''")
        execute(self.url, "SELECT pg_reload_conf()")
        while execute(self.url, "SELECT count(*) FROM pg_stat_wal_receiver"):
            time.sleep(0.02)

    def promote(self) -> None:
        assert execute(self.url, "SELECT pg_promote()")


@contextmanager
def following(primary: Restartable) -> Iterator[Standby]:
    """Run a standby of a server while the context is open."""
    with tempfile.TemporaryDirectory(prefix="ocpi-pg-", ignore_cleanup_errors=True) as folder:
        command, account = primary.command()
        if os.geteuid() == 0:
            os.chown(folder, account, -1)
        copy = [str(find_binaries() / "pg_basebackup"), "-h", str(primary.folder), "-U", "postgres"]
        copy += ["-D", f"{folder}/data", "--write-recovery-conf", "--checkpoint=fast"]
        subprocess.run(copy, check=True, user=_as(account), cwd=folder)
        own = [word.replace(str(primary.folder), folder) for word in command]
        standby = Standby(Path(folder), _run(own, account, folder))
        try:
            while not _answers(standby.url):
                assert standby.process.poll() is None, "the standby ended"
                time.sleep(0.05)
            yield standby
        finally:
            standby.process.send_signal(signal.SIGINT)
            standby.process.wait(timeout=60)


def _answers(url: URL) -> bool:
    try:
        return bool(execute(url, "SELECT 1"))
    except (OSError, asyncpg.PostgresError):
        return False


def _as(account: int) -> int | None:
    """Whom root runs a server as."""
    return account if os.geteuid() == 0 else None


def _run(command: list[str], account: int, folder: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=_as(account),
        start_new_session=True,
    )
