"""How a changed Tariff is told to a partner (mod_tariffs, Receiver interface)."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

from modules.tariffs.store import tariffs
from ocpi.database import Database
from ocpi.editing import Document
from ocpi.mappings import Mappings
from ocpi.push.feed import Change, FeedRow, read_key
from ocpi.push.source import Send
from ocpi.sight import Facts
from ocpi.spec.document import decode, encode

_NAME = ("country_code", "party_id", "id")


def withdrawal(object_key: str, stored: Document) -> Change:
    """What partners hear of a Tariff that is forgotten: its name, for nothing else is left."""
    name = {field: stored[field] for field in _NAME}
    return Change("tariffs", object_key, patch=name, deleted=True)


class TariffSource:
    """Renders Tariffs as they are when they are sent; Tariffs know no PATCH (TA-02)."""

    module = "tariffs"

    async def sends(self, database: Database, row: FeedRow, *, patch: bool) -> Sequence[Send]:
        """PUT the Tariff, or DELETE it once it is gone."""
        del patch
        text = await tariffs.text_of(database, read_key(row.key)[0])
        if text is not None:
            return (Send("PUT", _path(decode(text)), text),)
        if row.deleted and row.patch is not None:
            return (Send("DELETE", _path(decode(row.patch)), None),)
        return ()

    async def facts(self, database: Database, object_key: str) -> Facts | None:
        """What rules look at."""
        return await tariffs.facts(database, object_key)

    def told(self, send: Send, row: FeedRow, mappings: Mappings) -> Send:
        """Dated as the partner's mappings have it."""
        del row
        if send.body is None:
            return send
        return replace(send, body=encode(tariffs.told(decode(send.body), mappings)))

    async def withdraws(self, database: Database, row: FeedRow) -> Sequence[Send]:
        """DELETE the Tariff."""
        text = await tariffs.text_of(database, read_key(row.key)[0])
        return () if text is None else (Send("DELETE", _path(decode(text)), None),)


def _path(name: Document) -> str:
    return "/".join(quote(name[field], safe="") for field in _NAME)
