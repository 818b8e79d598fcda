"""What is for one party alone, found when a hub tells that it is there."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    meant = sa.text("audience IS NOT NULL")
    op.create_index(
        "ix_sync_object_audience",
        "sync_object",
        ["audience"],
        sqlite_where=meant,
        postgresql_where=meant,
    )


def downgrade() -> None:
    op.drop_index("ix_sync_object_audience", "sync_object")
