"""A folder in memory, for files that need not outlive anything: a disk makes them far slower."""

import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - whatever is made there has a name of its own.
_ROOM = 4 * 2**30


def quick_folder() -> str | None:
    """The folder, where there is one with room for several databases; None: the usual one."""
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM
    return str(_MEMORY) if roomy else None
