"""Who has accepted a CDR, when, and where its copy lies."""

from collections.abc import Collection
from typing import Any

from sqlmodel import col, select

from ocpi.database import Database
from ocpi.editing import Document, object_key
from ocpi.headers import Party
from ocpi.push.feed import feed_key
from ocpi.push.lanes import Receipt
from ocpi.spec.moments import format_moment, moment_of


async def with_receipts(database: Database, cdrs: Collection[Document]) -> list[Document]:
    """Each CDR with its receipts; none: nobody has accepted it yet."""
    keys = [_key(cdr) for cdr in cdrs]
    query = (
        select(Receipt).where(col(Receipt.object_key).in_(keys)).order_by(col(Receipt.accepted_at))
    )
    found: dict[str, list[dict[str, Any]]] = {key: [] for key in keys}
    async with database.read() as db:
        for receipt in await db.exec(query):
            found[receipt.object_key].append(
                {
                    "partner": receipt.partner,
                    "accepted_at": format_moment(moment_of(receipt.accepted_at)),
                    "url": receipt.url,
                    "request_id": receipt.request_id,
                }
            )
    return [{"cdr": cdr, "receipts": found[key]} for cdr, key in zip(cdrs, keys, strict=True)]


def _key(cdr: Document) -> str:
    owner = Party(cdr["country_code"], cdr["party_id"])
    return feed_key("cdrs", object_key(owner, cdr["id"]))
