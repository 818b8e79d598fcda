"""Which process a worker runs in, so that a restart need not wait for a dead one's lease."""

import os
from pathlib import Path

_PROC = Path("/proc")


def own_process() -> str | None:
    """The name of this process."""
    return process_of(os.getpid())


def process_of(pid: int) -> str | None:
    """The name of a process among all that ever ran: boot, pid namespace, pid and start.

    None where the system does not tell; then only the lease does.
    """
    start, place = _start(pid), _place()
    return None if start is None or place is None else f"{place} {pid} {start}"


def is_dead(process: str | None) -> bool:
    """Whether a process is known to have ended: it ran here, and does not any more."""
    place = _place()
    if process is None or place is None or not process.startswith(f"{place} "):
        return False
    pid, start = process.removeprefix(f"{place} ").split(" ")
    return _start(int(pid)) != start


def _place() -> str | None:
    """Where a process id means something: one boot of one machine, one pid namespace."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return None


def _start(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None when it has ended."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The fields after the name, which may itself hold blanks and brackets: state is the first.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
