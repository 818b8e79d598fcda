"""Objects of ours, put where the pages find them."""

from __future__ import annotations

from typing import Any

from modules.cdrs.own import post_own
from modules.locations.own import put_own as put_location
from modules.locations.parts import Place
from modules.sessions.own import put_own as put_session
from modules.tariffs.own import put_own as put_tariff
from ocpi.database import Database
from ocpi.testing import samples
from tests.house import OURS, OWNER

Document = dict[str, Any]
MARKUP = "<script>alert(1)</script>"


async def store_location(database: Database, **over: Any) -> Document:
    document = samples.location(**{**OWNER, **over})
    async with database.write() as db:
        return (await put_location(db, OURS, Place(document["id"]), document)).document


async def store_tariff(database: Database, **over: Any) -> Document:
    document = samples.tariff(**{**OWNER, **over})
    async with database.write() as db:
        return (await put_tariff(db, OURS, document["id"], document)).document


async def store_session(database: Database, **over: Any) -> Document:
    document = samples.session(**{**OWNER, **over})
    return (await put_session(database, OURS, document["id"], document)).document


async def store_cdr(database: Database, **over: Any) -> Document:
    tariffs = [samples.tariff(**OWNER)]
    document = samples.cdr(**{**OWNER, "tariffs": tariffs, **over})
    return (await post_own(database, OURS, document)).document
