"""Receipts are found by what they are for: what one way has told is not told by another."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_receipt_object_key", "receipt", ["object_key"])


def downgrade() -> None:
    op.drop_index("ix_receipt_object_key", "receipt")
