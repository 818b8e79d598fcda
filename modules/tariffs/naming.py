"""Which of our Locations name a Tariff at a Connector."""

from sqlalchemy import bindparam
from sqlmodel import SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.editing import Document
from ocpi.errors import Conflict
from ocpi.sight import named, naming
from ocpi.spec.document import decode

_MOST = 3
# Rows at a time: where EVSEs are gone, many Locations may name a Tariff and few have it in use.
_PAGE = 50


async def refuse_named(db: AsyncSession, key: str, tariff_id: str) -> None:
    """Raises ``Conflict`` where a Connector names this Tariff; those of EVSEs REMOVED do not count.

    Partners would be left with an id of nothing (TA-04), and sessions there without a price.
    """
    # By the table's name: Locations are another module's.
    table, given = SQLModel.metadata.tables["location"], named("tariff", [key])
    query = (
        select(table.c.position, table.c.body)
        .where(table.c.position > bindparam("after"), *naming(table, [*given], "tariff"))
        .order_by(table.c.position)
        .limit(_PAGE)
    )
    found: list[str] = []
    after: int | None = 0
    while after is not None and len(found) <= _MOST:
        rows = (await db.exec(query, params={**given, "after": after})).all()
        locations = [decode(body) for _, body in rows]
        found += [each["id"] for each in locations if _names(each, tariff_id)]
        after = rows[-1][0] if len(rows) == _PAGE else None
    if found:
        more = " and others" if len(found) > _MOST else ""
        raise Conflict(
            f"Connectors of {', '.join(found[:_MOST])}{more} name {tariff_id}: "
            "take it out of their tariff_ids first (TA-04)"
        )


def _names(location: Document, tariff_id: str) -> bool:
    return any(
        tariff_id.lower() == each.lower()
        for evse in location.get("evses") or ()
        if evse["status"] != "REMOVED"
        for connector in evse["connectors"]
        for each in connector.get("tariff_ids") or ()
    )
