"""Changes of single objects, stored with what partners must hear of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database
from ocpi.editing import Edit, Written
from ocpi.push.feed import Change, changed
from ocpi.store import Store

Tell = Callable[[Written], Change]
"""What partners must hear of a change, given what it came to."""


@dataclass(frozen=True)
class _Told:
    edit: Edit
    tell: Tell | None


async def write(
    database: Database, store: Store[Any], edit: Edit, tell: Tell | None = None
) -> Written:
    """Make a change, and have partners told where it has changed something.

    Those that come at the same moment share a transaction. Raises what the edit was refused for.
    """
    told = _Told(edit, tell)
    return await database.batches.do(store, partial(_write_all, store), told)


async def write_in(db: AsyncSession, store: Store[Any], edit: Edit, tell: Tell) -> Written:
    """The same in a transaction that is under way."""
    (outcome,) = await _write_all(store, db, (_Told(edit, tell),))
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def write_many(
    db: AsyncSession, store: Store[Any], edits: Sequence[Edit], tell: Tell
) -> list[Written | Exception]:
    """The same for several; what one was refused for stands in its place."""
    return await _write_all(store, db, [_Told(edit, tell) for edit in edits])


async def _write_all(
    store: Store[Any], db: AsyncSession, all_told: Sequence[_Told]
) -> list[Written | Exception]:
    outcomes = await store.write(db, [told.edit for told in all_told])
    changes = [
        told.tell(outcome)
        for told, outcome in zip(all_told, outcomes, strict=True)
        if told.tell is not None and isinstance(outcome, Written) and outcome.changed
    ]
    if changes:
        await changed(db, *changes)
    return outcomes
