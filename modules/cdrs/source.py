"""How a CDR is told to the eMSP of its token (mod_cdrs, Receiver interface)."""

from collections.abc import Sequence

from modules.cdrs.store import cdrs
from ocpi.database import Database
from ocpi.push.feed import FeedRow, read_key
from ocpi.push.source import Send


class CDRSource:
    """Renders CDRs; what one says never changes."""

    module = "cdrs"

    async def sends(self, database: Database, row: FeedRow, *, patch: bool) -> Sequence[Send]:
        """POST the CDR; the partner's receipt ends that."""
        del patch
        text = await cdrs.text_of(database, read_key(row.key)[0])
        return () if text is None else (Send("POST", "", text),)
