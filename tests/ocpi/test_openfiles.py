"""How many files a process may have open, in processes that may have few."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = "from ocpi.openfiles import raise_open_files; print(raise_open_files(500))"


def allowed(soft: int, hard: int) -> tuple[int, str]:
    """Run a process with these limits; gives how many it allows itself, and what it says."""
    limit = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$0" -c "$1"'
    done = subprocess.run(
        ["/bin/sh", "-c", limit, sys.executable, PROGRAM],
        capture_output=True,
        text=True,
        check=True,
    )
    *said, count = done.stdout.splitlines()
    return int(count), "\n".join(said)


def test_a_process_takes_all_that_it_is_allowed() -> None:
    assert allowed(100, 600) == (600, "")


@pytest.mark.parametrize("soft", [100, 400])
def test_and_says_what_to_do_where_that_is_too_few(soft: int) -> None:
    count, said = allowed(soft, 400)
    assert count == 400
    for word in ("too few open files are allowed", "allowed=400", "needed=500", "LimitNOFILE="):
        assert word in said
