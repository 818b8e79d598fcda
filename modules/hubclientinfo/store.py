"""What the hub tells of its parties, one ClientInfo for each role that a party plays (AT-48)."""

from sqlmodel import col, select

from ocpi.database import Database
from ocpi.spec.hubclientinfo import ClientInfo
from ocpi.store import Store, StoredObject

MODULE = "hubclientinfo"


class ClientInfoRow(StoredObject, table=True):
    """A party in a role; its identifier is the role."""

    __tablename__ = "client_info"


client_infos = Store(ClientInfoRow, ClientInfo, identifier="role")

_KEYS = select(col(ClientInfoRow.key), col(ClientInfoRow.owner))


async def known_roles(database: Database) -> dict[str, str]:
    """The keys of all ClientInfos that the hub has ever told, each with that of its party."""
    return dict(tuple(row) for row in await database.fetch("clientinfo.keys", _KEYS, {}))
