"""The message log's random ids are indexed sheet by sheet: see `ocpi.journal.table`."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_SHEET = "(id / 65536)"


def upgrade() -> None:
    _have_subjects("message_id", "mark")
    _have_indexes(sa.text(_SHEET))
    op.create_index(
        "ix_message_subject_mark", "message_subject", [sa.text("(message_id / 65536)"), "mark"]
    )


def downgrade() -> None:
    _have_subjects("mark", "message_id")
    _have_indexes()
    op.create_index("ix_message_subject_message_id", "message_subject", ["message_id"])


def _have_indexes(*sheet: sa.TextClause) -> None:
    for name, columns in (
        ("ix_message_object", ("object_id", "at")),
        ("ix_message_correlation", ("correlation_id",)),
    ):
        op.drop_index(name, "message")
        op.create_index(name, "message", [*sheet, *columns])


def _have_subjects(*key: str) -> None:
    """Make the table anew with its key in another order."""
    columns: Sequence[sa.Column[int] | sa.Column[str]] = (
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("mark", sa.String(), nullable=False),
    )
    op.create_table(
        "new_message_subject",
        *columns,
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(*key),
    )
    op.execute(
        "INSERT INTO new_message_subject (message_id, mark) "
        "SELECT message_id, mark FROM message_subject ORDER BY message_id"
    )
    op.drop_table("message_subject")
    op.rename_table("new_message_subject", "message_subject")
