"""Whether a station is asked what a partner wants of a charging profile: pure rules."""

from collections.abc import Collection, Iterator

from modules.commands.judging import ACCEPTED, Verdict, charging_evse, refuse_session
from ocpi.editing import Document
from ocpi.spec.locations import Capability

# A station behind a slow connection is not asked about one session more often than this.
MOST_REQUESTS = 6
WINDOW = 60
"""Seconds."""


def judge(
    session: Document | None, location: Document | None, parties: Collection[str], recent: int
) -> Verdict:
    """The answer to a request about a Session, after `recent` others in the window (CP-06).

    `parties` are the keys of the partner's parties, `location` is that of the Session.
    """
    return next(_refusals(session, location, parties, recent), ACCEPTED)


def _refusals(
    session: Document | None, location: Document | None, parties: Collection[str], recent: int
) -> Iterator[Verdict]:
    yield from refuse_session(session, parties)
    evse = charging_evse(session, location) or {}
    if Capability.CHARGING_PROFILE_CAPABLE not in evse.get("capabilities", []):
        yield Verdict("NOT_SUPPORTED", "The EVSE is not CHARGING_PROFILE_CAPABLE.")
    if recent >= MOST_REQUESTS:
        yield Verdict("TOO_OFTEN", f"At most {MOST_REQUESTS} requests in {WINDOW} s are taken.")
