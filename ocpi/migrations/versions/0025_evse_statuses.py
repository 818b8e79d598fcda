"""Since when EVSEs of our Locations have their status, where their date does not tell."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evse_status",
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("evse", sa.String(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("dated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("location", "evse"),
    )


def downgrade() -> None:
    op.drop_table("evse_status")
