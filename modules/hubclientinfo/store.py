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

_OWNERS = select(col(ClientInfoRow.owner)).distinct()


async def known_owners(database: Database) -> list[str]:
    """The keys of all parties that the hub has ever told of."""
    return [row[0] for row in await database.fetch("clientinfo.owners", _OWNERS, {})]
