"""Runs tests whose PostgreSQL databases are behind a PgBouncer in transaction mode.

`python -m tests.pgbouncer WORDS` runs `pytest WORDS`; databases are made and dropped without it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL

from tests.flows.process import free_port
from tests.postgres import POOLER, other_account, running_server

CONFIG = """
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
unix_socket_dir =
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = 20
max_client_conn = 2000
server_login_retry = 1
server_reset_query =
logfile = {folder}/log
"""


def server_of(url: URL) -> str:
    """Give the server as PgBouncer names it."""
    host = url.query.get("host") or url.host
    words = {"host": host, "port": url.port or 5432, "user": url.username, "password": url.password}
    return " ".join(f"{name}={value}" for name, value in words.items() if value)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def pooled(server: URL, program: str) -> Iterator[str]:
    """Give the URL of a PgBouncer in front of a server; the database's name is to be set."""
    account, port = other_account(), free_port()
    with tempfile.TemporaryDirectory(prefix="ocpi-pgb-") as folder:
        config = Path(folder, "pgbouncer.ini")
        config.write_text(CONFIG.format(server=server_of(server), folder=folder, port=port))
        if account:
            for path in (folder, config):
                os.chown(path, account.pw_uid, account.pw_gid)
        process = subprocess.Popen(
            [program, "--quiet", config], user=account.pw_uid if account else None
        )
        try:
            while not listens(port):
                assert process.poll() is None, f"{program} ended"
                time.sleep(0.05)
            user = server.username or "postgres"
            # As DEPLOYMENT.md has it for a pooler that works by transaction.
            yield f"postgresql://{user}@127.0.0.1:{port}/?prepared_statement_cache_size=0"
        finally:
            process.terminate()
            process.wait()


def main() -> int:
    """Run pytest behind a pooler; without PgBouncer say how to get it."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        sys.stderr.write("There is no pgbouncer. Debian: apt-get install pgbouncer\n")
        return 1
    with running_server() as server, pooled(server, program) as url:
        named = server.render_as_string(hide_password=False)
        environment = {**os.environ, "OCPI_TEST_POSTGRES_URL": named, POOLER: url}
        command = [sys.executable, "-m", "pytest", *sys.argv[1:]]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
