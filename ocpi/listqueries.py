"""The statements of lists and single objects: whose objects, which moments, what rules admit.

What a page costs must not grow with the table (PG-02). How many objects there are is kept, see
`ObjectCount`; a page that goes on from another one begins at its last object; and whoever asks for
what is newer than a moment is answered from an index of moments, as long as that is little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
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

from ocpi.database import numbered
from ocpi.headers import Party
from ocpi.ownwords import AsBytes
from ocpi.pagination import Paging
from ocpi.sight import ModuleSight, conditions, naming

FEW = 5_000
"""So many objects are sorted as fast as they are found."""


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
    """The page, by going along the positions until it is full."""
    gathered: Executable
    """The page, by sorting all that match."""


def list_parameters(
    paging: Paging,
    owners: Sequence[Party],
    audience: Sequence[Party],
    *,
    shared: bool,
    sight: ModuleSight,
) -> dict[str, Any]:
    """What a list is asked for, by the names that `list_queries` knows."""
    given = numbered("owner", [owner.key for owner in owners])
    given |= numbered("audience", [party.key for party in audience])
    if shared:
        given["shared"] = True
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
    return ListQueries(_counts(table, given), _page(table, in_order), _page(table, sorted_out))


def _counts(table: Table, given: tuple[str, ...]) -> Sequence[Executable]:
    names = [name for name in given if not name.startswith(("owner_", "audience_", "after"))]
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


def _page(table: Table, found: Select[int]) -> Executable:
    shown = found.limit(bindparam("limit")).offset(bindparam("offset")).subquery()
    return (
        select(AsBytes(table.c.body), table.c.position)
        .join(shown, shown.c.position == table.c.position)
        .order_by(shown.c.position)
    )


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
    if "shared" in given:
        where.append(table.c.shared.is_(True))
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
