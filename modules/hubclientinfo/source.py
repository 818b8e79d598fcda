"""How a changed ClientInfo is told to the other parties (mod_hub_client_info, Push model)."""

from collections.abc import Sequence
from urllib.parse import quote

from modules.hubclientinfo.store import MODULE, client_infos
from ocpi.database import Database, clock
from ocpi.dating import later
from ocpi.editing import Document
from ocpi.headers import Party
from ocpi.push.feed import FeedRow, read_key
from ocpi.push.source import Send
from ocpi.spec.document import decode, encode
from ocpi.spec.hubclientinfo import ConnectionStatus


class ClientInfoSource:
    """Renders ClientInfos as they are when they are sent."""

    module = MODULE

    async def sends(self, database: Database, row: FeedRow, *, patch: bool) -> Sequence[Send]:
        """PUT it at the address of the party that it tells of (HC-06); there is nothing else."""
        del patch
        text = await client_infos.text_of(database, read_key(row.key)[0])
        return () if text is None else (_put(decode(text), text),)

    async def withdraws(self, database: Database, row: FeedRow) -> Sequence[Send]:
        """PUT that it is SUSPENDED (HC-05), to a partner whose parties may not know it any more.

        It is dated later than whatever was told, and what is stored is dated later than that: so
        receivers believe both this and, should they know it again, how it stands then.
        """
        text = await client_infos.text_of(database, read_key(row.key)[0])
        if text is None:
            return ()
        told = decode(text)
        party, role = Party(told["country_code"], told["party_id"]), told["role"]
        async with database.write() as db:
            stored = await client_infos.lock(db, party, role)
            assert stored is not None  # A ClientInfo is never deleted.
            date = later(stored["last_updated"], await clock(db))
            dated = {**stored, "last_updated": later(date, 0)}
            await client_infos.put(db, party, role, dated)
        gone = {**stored, "status": ConnectionStatus.SUSPENDED.value, "last_updated": date}
        return (_put(gone, encode(gone)),)


def _put(info: Document, text: str) -> Send:
    path = "/".join(quote(info[field], safe="") for field in ("country_code", "party_id"))
    return Send("PUT", path, text)
