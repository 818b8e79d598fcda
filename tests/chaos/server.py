"""A PostgreSQL server of the test's own, which can be stopped at any moment and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import URL

from tests.postgres import find_binaries, temporary_server


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

    def stop(self) -> None:
        """End it at once: nothing is finished, nothing written that was not acknowledged."""
        pid = self._pid()
        proc = Path(f"/proc/{pid}")
        self._command = proc.joinpath("cmdline").read_text().rstrip("\0").split("\0")
        self._account = proc.stat().st_uid
        os.kill(pid, signal.SIGQUIT)
        if self._process is not None:
            self._process.wait(timeout=60)
        # Its supervisor does not wait for it, so it stays a zombie.
        while proc.exists() and ") Z " not in proc.joinpath("stat").read_text():
            time.sleep(0.02)

    def start(self) -> None:
        """Start it again with what it has on disk; it answers once it has recovered."""
        root = os.geteuid() == 0
        self._process = subprocess.Popen(
            self._command,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._account if root else None,
            start_new_session=True,
        )

    def end(self) -> None:
        """Stop the last one that was started here."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=60)

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
