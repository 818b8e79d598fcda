"""The statements of lists and single objects: whose objects, which moments, what rules admit.

What a page costs must not grow with the table (PG-02). How many objects there are is kept, see
`ObjectCount`; a page that goes on from another one begins at its last object; and whoever asks for
what is newer than a moment is answered from an index of moments, as long as that is little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Executable,
    Select,
    Subquery,
    Table,
    bindparam,
    case,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlmodel import Field, SQLModel, col

from ocpi.database import Database, Rows, numbered
from ocpi.headers import Party
from ocpi.ownwords import AsBytes
from ocpi.pagination import DEEPEST, Paging
from ocpi.sight import ModuleSight, conditions, naming

FEW = 5_000
"""So many objects are sorted as fast as they are found."""
FAR = 1_000
"""So many objects are passed over as fast as a bookmark is found."""


class ObjectCount(SQLModel, table=True):
    """How many objects of a kind an owner has, kept by triggers of the tables.

    To count a million entries of an index takes longer than all the rest of a page.
    """

    __tablename__ = "object_count"

    kind: str = Field(primary_key=True)
    """The name of the table."""
    owner: str = Field(primary_key=True)
    audience: str = Field(primary_key=True)
    """Of a kind that has none it is empty."""
    n: int = Field(sa_type=BigInteger)


@dataclass(frozen=True)
class ListQueries:
    """What a list is answered by; the page's rows are text and position.

    Which objects make the page is found in an index: only their texts are read, since each that is
    passed over would be unpacked to be thrown away.
    """

    counts: Sequence[Executable]
    """How many match, by the first of these that can tell: another one gives NULL."""
    walked: Executable
    """The page in any order, by going along the positions until it is full."""
    gathered: Executable
    """The page, by sorting all that match."""
    counted: Executable | None
    """`walked`, with how many match in each row; None where that is not kept."""


def list_parameters(
    paging: Paging,
    owners: Sequence[Party],
    audience: Sequence[Party],
    *,
    sight: ModuleSight,
) -> dict[str, Any]:
    """What a list is asked for, by the names that `list_queries` knows."""
    given = numbered("owner", [owner.key for owner in owners])
    given |= numbered("audience", [party.key for party in audience])
    given |= sight.given
    if paging.date_from is not None:
        given["date_from"] = paging.date_from
        given |= sight.redated("redated_from", paging.date_from)
    if paging.date_to is not None:
        given["date_to"] = paging.date_to
        given |= sight.redated("redated_to", paging.date_to)
    return given


# The statements are built once for each shape: building costs more than running them does.


@cache
def list_queries(table: Table, *given: str) -> ListQueries:
    """The statements for a list with these parameters; the page's are also `limit` and `offset`."""
    after = [table.c.position > bindparam("after")] if "after" in given else []
    several = "owner_1" in given
    where = _where(table, given, table.c.last_updated)
    # An index of moments or of owners is no help to who goes along the positions, and would be
    # taken for it: what is calculated has no index.
    owner = table.c.owner + literal("") if several else table.c.owner
    along = _where(table, given, table.c.last_updated + 0, owner)
    in_order = select(table.c.position).where(*along, *after).order_by(table.c.position)
    sorted_out = select(table.c.position).where(*where, *after).order_by(table.c.position + 0)
    return ListQueries(
        _counts(table, given),
        _page(table, in_order),
        _page(table, sorted_out),
        None if _narrowing(given) else _page(table, in_order, _kept(table, given)),
    )


async def read_page(
    database: Database, table: Table, paging: Paging, given: Mapping[str, Any]
) -> tuple[Rows, int]:
    """The page's rows, text and position first, and how many match what is `given` in all.

    One row more than the page may have tells that the list goes on.
    """
    if paging.offset + paging.limit < FAR:
        return await _read(database, table, paging, given)
    which = hash((table, *given.items()))
    if paging.after is None and paging.offset >= FAR:
        paging = replace(paging, after=database.bookmarks.find(which, paging.offset))
    rows, total = await _read(database, table, paging, given)
    if len(rows) > paging.limit:
        last = rows[paging.limit - 1][1]
        database.bookmarks.leave(which, paging.offset + paging.limit, last)
    return rows, total


async def _read(
    database: Database, table: Table, paging: Paging, given: Mapping[str, Any]
) -> tuple[Rows, int]:
    offset, placed = paging.offset, dict(given)
    if paging.after is not None:
        offset, placed["after"] = 0, paging.after
    if offset >= DEEPEST:
        return (), await _count(database, table, given)
    window = {**placed, "limit": paging.limit + 1, "offset": offset}
    shape = (table, *placed)
    queries = list_queries(*shape)
    # Of one owner's objects there is an index in the order of the page, see `list_queries`.
    ordered = "owner_1" not in given and not paging.is_dated
    if ordered and queries.counted is not None:
        # To ask PostgreSQL once more costs as much as a third of the page.
        rows = _in_order(await database.fetch(("counted", shape), queries.counted, window))
        return rows, int(rows[0][2]) if rows else await _count(database, table, given)
    total = await _count(database, table, given)
    if not total:
        return (), 0
    walks = ordered or total > FEW
    page = queries.walked if walks else queries.gathered
    return _in_order(await database.fetch(("page", walks, shape), page, window)), total


def _in_order(rows: Rows) -> Rows:
    """The rows by position: SQLite would carry the texts along, which takes half of the query."""
    return sorted(rows, key=itemgetter(1))


async def _count(database: Database, table: Table, given: Mapping[str, Any]) -> int:
    shape = (table, *given)
    for number, count in enumerate(list_queries(*shape).counts):
        ((total,),) = await database.fetch(("count", number, shape), count, given)
        if total is not None:
            break
    return int(total)


def _narrowing(given: tuple[str, ...]) -> list[str]:
    """What of the parameters leaves out objects that are counted with the others."""
    return [name for name in given if not name.startswith(("owner_", "audience_", "after"))]


def _counts(table: Table, given: tuple[str, ...]) -> Sequence[Executable]:
    names = _narrowing(given)
    if not names:
        return (_kept(table, given),)
    where = _where(table, given, table.c.last_updated)
    counted = select(func.count()).select_from(table).where(*where)
    return (*_counts_newer(table, given, where), counted) if names == ["date_from"] else (counted,)


def _counts_newer(
    table: Table, given: tuple[str, ...], newer: list[ColumnElement[bool]]
) -> Sequence[Executable]:
    """Who asks for what is newer wants a few of the newest, or, the first time, all but a few.

    Each is a statement of its own: to plan one with the owners of a hub, of which there may be a
    thousand, takes PostgreSQL longer than to run it.
    """
    whose = _where(table, tuple(name for name in given if name != "date_from"), table.c.position)
    few = _up_to_few(table, newer)
    older = _up_to_few(table, [*whose, table.c.last_updated < bindparam("date_from")])
    kept = _kept(table, given).scalar_subquery()
    return (
        select(case((few.c.n <= FEW, few.c.n))),
        select(case((older.c.n <= FEW, kept - older.c.n))),
    )


def _up_to_few(table: Table, where: list[ColumnElement[bool]]) -> Subquery:
    some = select(table.c.position).where(*where).limit(literal(FEW + 1)).subquery()
    return select(func.count().label("n")).select_from(some).subquery()


def _kept(table: Table, given: tuple[str, ...]) -> Select[int]:
    kept = select(func.coalesce(func.sum(col(ObjectCount.n)), 0)).where(
        col(ObjectCount.kind) == table.name, col(ObjectCount.owner).in_(_named("owner_", given))
    )
    audience = _named("audience_", given)
    return kept.where(col(ObjectCount.audience).in_(audience)) if audience else kept


def _page(table: Table, found: Select[int], total: Select[int] | None = None) -> Executable:
    shown = found.limit(bindparam("limit")).offset(bindparam("offset")).subquery()
    beside = [] if total is None else [total.scalar_subquery()]
    page = select(AsBytes(table.c.body), table.c.position, *beside)
    return page.join(shown, shown.c.position == table.c.position)


def _where(
    table: Table,
    given: tuple[str, ...],
    moment: ColumnElement[int],
    owner: ColumnElement[str] | None = None,
) -> list[ColumnElement[bool]]:
    whose = table.c.owner if owner is None else owner
    where: list[ColumnElement[bool]] = []
    audience = _named("audience_", given)
    if audience:
        where.append(table.c.audience.in_(audience))
    if but := _named("but_", given):
        where.append(table.c.key.not_in(but))
    where += conditions(table, given)
    if "date_from" in given:
        redated = naming(table, given, "redated_from")
        where.append(or_(moment >= bindparam("date_from"), *redated))
    if "date_to" in given:
        where.append(moment < bindparam("date_to"))
        where += [not_(each) for each in naming(table, given, "redated_to")]
    # Last, since what passes over rows asks in this order, and there may be a thousand owners.
    return [*where, whose.in_(_named("owner_", given))]


def _named(prefix: str, given: tuple[str, ...]) -> list[BindParameter[str]]:
    return [bindparam(name) for name in given if name.startswith(prefix)]


@cache
def text_query(table: Table, *given: str) -> Executable:
    """The JSON texts of objects by their keys."""
    keys = _named("key_", given)
    return select(AsBytes(table.c.body)).where(table.c.key.in_(keys), *conditions(table, given))
