"""How many files, connections among them, this process may have open."""

import resource
from contextlib import suppress

from ocpi.messages import log


def raise_open_files(needed: int) -> int:
    """Allow as many as the system lets us, and say so where that is too few; gives how many.

    The usual limit of 1,024 is for programs that use `select`, which this one does not.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems name no limit, and refuse that as one.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        log.warning(
            "too few open files are allowed",
            allowed=allowed,
            needed=needed,
            meaning="With many partners connections to them, and from them, will fail. Raise the "
            "limit: `ulimit -Hn`, LimitNOFILE= of systemd, or --ulimit nofile= of Docker.",
        )
    return allowed
