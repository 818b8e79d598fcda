"""How a changed ClientInfo is told to the other parties (mod_hub_client_info, Push model)."""

from collections.abc import Sequence
from urllib.parse import quote

from modules.hubclientinfo.store import MODULE, client_infos
from ocpi.database import Database
from ocpi.push.feed import FeedRow, read_key
from ocpi.push.source import Send
from ocpi.spec.document import decode


class ClientInfoSource:
    """Renders ClientInfos as they are when they are sent."""

    module = MODULE

    async def sends(self, database: Database, row: FeedRow, *, patch: bool) -> Sequence[Send]:
        """PUT it at the address of the party that it tells of (HC-06); there is nothing else."""
        del patch
        text = await client_infos.text_of(database, read_key(row.key)[0])
        if text is None:
            return ()
        info = decode(text)
        path = "/".join(quote(info[field], safe="") for field in ("country_code", "party_id"))
        return (Send("PUT", path, text),)
