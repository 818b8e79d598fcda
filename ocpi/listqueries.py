"""The statements of lists and single objects: whose objects, which moments, what rules admit."""

from functools import cache

from sqlalchemy import BindParameter, ColumnElement, Executable, Table, bindparam, func, select

from ocpi.database import AsBytes
from ocpi.sight import conditions

# The statements are built once for each shape: building costs more than running them does.


@cache
def list_queries(table: Table, *given: str) -> tuple[Executable, Executable]:
    """How many objects match the parameters given, and a page of them."""
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
        where.append(table.c.last_updated >= bindparam("date_from"))
    if "date_to" in given:
        where.append(table.c.last_updated < bindparam("date_to"))
    page = select(AsBytes(table.c.body)).where(*where).order_by(table.c.position)
    window = page.limit(bindparam("limit")).offset(bindparam("offset"))
    return select(func.count()).select_from(table).where(*where), window


@cache
def text_query(table: Table, *given: str) -> Executable:
    """The JSON texts of objects by their keys."""
    keys: list[BindParameter[str]] = [bindparam(name) for name in given if name.startswith("key_")]
    return select(AsBytes(table.c.body)).where(table.c.key.in_(keys), *conditions(table, given))
