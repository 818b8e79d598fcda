"""The prices of CDRs that we received: checked when they come, shown and counted afterwards."""

import asyncio
from collections.abc import Collection

from sqlalchemy import func
from sqlmodel import col, select

from modules.cdrs.store import CDRRow
from modules.locations.store import locations
from modules.tariffs.pricing import PricingError, open_zone
from modules.tariffs.store import tariffs
from modules.tariffs.verdicts import VERDICTS, account_for, judge_received
from ocpi.database import Database
from ocpi.editing import Document, object_key
from ocpi.errors import InvalidParameters
from ocpi.headers import Party
from ocpi.spec.document import decode

# A CDR may name any number of Tariffs, and each is looked up.
_MOST = 50


async def check_price(database: Database, owner: Party, cdr: Document) -> Document:
    """The verdict on a CDR, also held against the Tariffs as its owner told them to us."""
    stored = await _stored_tariffs(database, owner, cdr)
    zone = await _stored_zone(database, owner, cdr)
    return await asyncio.to_thread(judge_received, cdr, stored, zone)


async def explain_price(database: Database, owner: Party, cdr: Document) -> Document:
    """The price of a CDR line by line, see `modules.tariffs.verdicts.account_for`."""
    stored = await _stored_tariffs(database, owner, cdr)
    zone = await _stored_zone(database, owner, cdr)
    return await asyncio.to_thread(account_for, cdr, stored, zone)


async def _stored_tariffs(database: Database, owner: Party, cdr: Document) -> list[Document]:
    """The Tariffs that a CDR names, as its owner has told them last."""
    named = [period.get("tariff_id") for period in cdr["charging_periods"]]
    wanted = {*named, *(tariff["id"] for tariff in cdr.get("tariffs", []))} - {None}
    texts = [
        await tariffs.text_of(database, object_key(owner, tariff_id))
        for tariff_id in sorted(wanted)[:_MOST]
    ]
    return [decode(text) for text in texts if text is not None]


async def _stored_zone(database: Database, owner: Party, cdr: Document) -> str | None:
    """The time zone of its Location, as its owner has told it last: a CDR has none of its own."""
    text = await locations.text_of(database, object_key(owner, cdr["cdr_location"]["id"]))
    name: str | None = None if text is None else decode(text).get("time_zone")
    try:
        return name and open_zone(name).key
    except PricingError:
        return None  # The country may tell as well, and most prices depend on no clock.


async def count_checks(database: Database, owners: Collection[str] | None = None) -> list[Document]:
    """How many CDRs of each party, or of those with these keys, came to which verdict."""
    query = (
        select(col(CDRRow.owner), col(CDRRow.verdict), func.count())
        .where(col(CDRRow.verdict).is_not(None))
        .group_by(col(CDRRow.owner), col(CDRRow.verdict))
        .order_by(col(CDRRow.owner), col(CDRRow.verdict))
    )
    if owners is not None:
        query = query.where(col(CDRRow.owner).in_(owners))
    async with database.read() as db:
        return [
            {"party": party, "verdict": verdict, "count": count}
            for party, verdict, count in await db.exec(query)
        ]


async def list_checks(
    database: Database, verdict: str | None, *, limit: int, offset: int = 0
) -> list[Document]:
    """The CDRs that were checked, the newest first, each with what was found.

    Raises ``InvalidParameters`` for a verdict that there is not.
    """
    if verdict not in (None, *VERDICTS):
        raise InvalidParameters(f"verdict: {verdict!r} is none of {', '.join(VERDICTS)}.")
    which = col(CDRRow.verdict).is_not(None) if verdict is None else CDRRow.verdict == verdict
    query = (
        select(col(CDRRow.body), col(CDRRow.finding))
        .where(which)
        .order_by(col(CDRRow.position).desc())
        .limit(limit)
        .offset(offset)
    )
    async with database.read() as db:
        return [
            {"cdr": decode(body), "finding": decode(finding or "{}")}
            for body, finding in await db.exec(query)
        ]
