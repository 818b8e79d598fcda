"""Our Tariffs, and those of our Connectors, as they were before they were changed."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "former_tariff",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_former_tariff_key", "former_tariff", ["key", "until"])
    op.create_table(
        "former_tariff_ids",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("evse", sa.String(), nullable=False),
        sa.Column("connector", sa.String(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("tariff_ids", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_former_tariff_ids_of",
        "former_tariff_ids",
        ["location", "evse", "connector", "until"],
    )


def downgrade() -> None:
    op.drop_table("former_tariff_ids")
    op.drop_table("former_tariff")
