"""The statements of lists and single objects: whose objects, which moments, what rules admit."""

from functools import cache

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Executable,
    Table,
    bindparam,
    func,
    not_,
    or_,
    select,
)

from ocpi.database import AsBytes
from ocpi.sight import conditions, naming

# The statements are built once for each shape: building costs more than running them does.


@cache
def list_queries(table: Table, *given: str) -> tuple[Executable, Executable]:
    """How many objects match the parameters given, and a page of them with that number in each row.

    Which objects make the page is found in an index: only their texts are read, since each that is
    passed over would be unpacked to be thrown away.
    """
    owners: list[BindParameter[str]] = [
        bindparam(name) for name in given if name.startswith("owner_")
    ]
    where: list[ColumnElement[bool]] = [table.c.owner.in_(owners)]
    audience: list[BindParameter[str]] = [
        bindparam(name) for name in given if name.startswith("audience_")
    ]
    if audience:
        where.append(table.c.audience.in_(audience))
    if "shared" in given:
        where.append(table.c.shared.is_(True))
    where += conditions(table, given)
    if "date_from" in given:
        redated = naming(table, given, "redated_from")
        where.append(or_(table.c.last_updated >= bindparam("date_from"), *redated))
    if "date_to" in given:
        where.append(table.c.last_updated < bindparam("date_to"))
        where += [not_(each) for each in naming(table, given, "redated_to")]
    count = select(func.count()).select_from(table).where(*where)
    found = select(table.c.position).where(*where).order_by(table.c.position)
    shown = found.limit(bindparam("limit")).offset(bindparam("offset")).subquery()
    page = (
        select(AsBytes(table.c.body), count.scalar_subquery())
        .join(shown, shown.c.position == table.c.position)
        .order_by(shown.c.position)
    )
    return count, page


@cache
def text_query(table: Table, *given: str) -> Executable:
    """The JSON texts of objects by their keys."""
    keys: list[BindParameter[str]] = [bindparam(name) for name in given if name.startswith("key_")]
    return select(AsBytes(table.c.body)).where(table.c.key.in_(keys), *conditions(table, given))
