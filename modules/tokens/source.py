"""How a Token that was broadcast is told to the CPOs of the hub (mod_tokens, Receiver)."""

from collections.abc import Sequence
from urllib.parse import quote

from modules.tokens.store import hub_tokens
from ocpi.database import Database
from ocpi.push.feed import FeedRow, read_key
from ocpi.push.source import Send
from ocpi.spec.document import decode


class TokenSource:
    """Renders Tokens as they are when they are sent."""

    module = "tokens"

    async def sends(self, database: Database, row: FeedRow, *, patch: bool) -> Sequence[Send]:
        """PATCH what changed, PUT the whole Token where that is not enough; with its type."""
        text = await hub_tokens.text_of(database, read_key(row.key)[0])
        if text is None:
            return ()
        token = decode(text)
        names = (token[field] for field in ("country_code", "party_id", "uid"))
        path = "/".join(quote(name, safe="") for name in names)
        path = f"{path}?type={quote(token['type'], safe='')}"
        whole = Send("PUT", path, text)
        return (Send("PATCH", path, row.patch), whole) if patch and row.patch else (whole,)
