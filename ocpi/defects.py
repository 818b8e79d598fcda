"""What the database raises that does not pass."""

import sqlite3

import asyncpg
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

_DEFECTS = (
    *(IntegrityError, ProgrammingError, DataError),
    *(sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError),
    *(asyncpg.IntegrityConstraintViolationError, asyncpg.SyntaxOrAccessError, asyncpg.DataError),
    # What asyncpg raises of a value that no parameter takes is one, too.
    ValueError,
)


def is_defect(error: BaseException) -> bool:
    """Whether a statement is wrong, or a value that it was given: to try again would not help."""
    # Where SQLAlchemy has no error of its own for asyncpg's, that stands behind a common one.
    behind = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig else None
    return isinstance(error, _DEFECTS) or isinstance(behind, _DEFECTS)
