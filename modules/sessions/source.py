"""How a changed Session is told to the eMSP of its token (mod_sessions, Receiver interface)."""

from collections.abc import Sequence
from urllib.parse import quote

from modules.sessions.store import sessions
from ocpi.database import Database
from ocpi.push.feed import FeedRow, read_key
from ocpi.push.source import Send
from ocpi.spec.document import decode


class SessionSource:
    """Renders Sessions as they are when they are sent."""

    module = "sessions"

    async def sends(self, database: Database, row: FeedRow, *, patch: bool) -> Sequence[Send]:
        """PATCH what changed, PUT the whole Session where that may not be enough.

        A PATCH appends its charging periods, so it is sent only where it was not sent before: after
        an answer that got lost the Session is PUT (AT-54).
        """
        text = await sessions.text_of(database, read_key(row.key)[0])
        if text is None:
            return ()
        session = decode(text)
        path = "/".join(
            quote(session[field], safe="") for field in ("country_code", "party_id", "id")
        )
        whole = Send("PUT", path, text)
        return (Send("PATCH", path, row.patch), whole) if patch and row.patch else (whole,)
