"""Documents are compressed by LZ4 where PostgreSQL has it: half of what a page costs was unpacking.

What is stored already stays as it is until it changes; both forms are read.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

LARGE = (
    *("location.body", "tariff.body", "session.body", "token.body", "cdr.body"),
    *("cdr_conflict.body", "charge.record", "message.request", "message.response"),
)
_CHOICES = sa.text(
    "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
)


def upgrade() -> None:
    _compress_by("lz4")


def downgrade() -> None:
    _compress_by("default")


def _compress_by(method: str) -> None:
    connection = op.get_bind()
    # It is a matter of how PostgreSQL was built; before 14 there is no such setting at all.
    if connection.dialect.name == "postgresql" and connection.scalar(_CHOICES):
        for table, column in (each.split(".") for each in LARGE):
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET COMPRESSION {method}")
