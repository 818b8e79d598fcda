"""How a changed Location or EVSE is told to a partner (mod_locations, Receiver interface)."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from modules.locations.parts import Place, find_part, with_mapped_tariffs
from modules.locations.store import locations
from ocpi.database import Database
from ocpi.errors import UnknownLocation
from ocpi.mappings import Mappings
from ocpi.push.feed import FeedRow, read_key
from ocpi.push.source import Send
from ocpi.sight import Facts
from ocpi.spec.document import decode, encode


class LocationSource:
    """Renders Locations and EVSEs as they are when they are sent."""

    module = "locations"

    async def sends(self, database: Database, row: FeedRow, *, patch: bool) -> Sequence[Send]:
        """PATCH what changed; where the partner lacks the object PUT it, then its Location."""
        object_key, part = read_key(row.key)
        text = await locations.text_of(database, object_key)
        if text is None:
            return ()
        path = _path(text)
        changes = row.patch if patch else None
        whole = Send("PUT", path, text)
        if part is None:
            return [*([Send("PATCH", path, changes)] if changes else []), whole]
        location = _read(text)
        try:
            evse = find_part(location, Place(location["id"], part))
        except UnknownLocation:
            return (whole,)
        path_of_evse = f"{path}/{quote(evse['uid'], safe='')}"
        first = [Send("PATCH", path_of_evse, changes)] if changes else []
        return [*first, Send("PUT", path_of_evse, encode(evse)), whole]

    async def facts(self, database: Database, object_key: str) -> Facts | None:
        """What rules look at."""
        return await locations.facts(database, object_key)

    def told(self, send: Send, row: FeedRow, mappings: Mappings) -> Send:
        """With the Tariffs that the partner gets at its Connectors."""
        assert send.body is not None
        told = with_mapped_tariffs(decode(send.body), row.owner, mappings)
        return replace(send, body=encode(told))

    async def withdraws(self, database: Database, row: FeedRow) -> Sequence[Send]:
        """PUT the Location with each EVSE REMOVED, which is how OCPI ends one (LO-12 to LO-14).

        There is no DELETE; and `publish` false would leave it to be shown to some, and charged at.
        Its `last_updated` stays, so that the true state is not older when the partner may see it
        again.
        """
        text = await locations.text_of(database, read_key(row.key)[0])
        if text is None:
            return ()
        location = decode(text)
        if "evses" in location:
            location["evses"] = [{**evse, "status": "REMOVED"} for evse in location["evses"]]
        return (Send("PUT", _path(text), encode(location)),)


class _Named(msgspec.Struct):
    """As much of a Location as tells where it is put."""

    country_code: str
    party_id: str
    id: str


_named = msgspec.json.Decoder(_Named)


def _path(text: str) -> str:
    return "/".join(quote(field, safe="") for field in msgspec.structs.astuple(_named.decode(text)))


def _read(text: str) -> Any:
    return (_read_small if len(text) <= _SMALL else _read_large)(text)


_SMALL = 64 * 1024
# Each partner is told the same, most often at the same time. Nobody changes what is read here.
# One of 4 MiB takes ten times as much memory once it is read.
_read_small = lru_cache(64)(decode)
_read_large = lru_cache(2)(decode)
