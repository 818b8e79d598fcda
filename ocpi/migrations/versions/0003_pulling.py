"""Lists of any module are pulled from partners, and what is not in them any more is marked."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_PULLED = ("location", "tariff", "token")


def upgrade() -> None:
    op.create_table(
        "partner_sync",
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("full_at", sa.BigInteger(), nullable=True),
        sa.Column("synced_at", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("partner_id", "module"),
    )
    op.execute(
        "INSERT INTO partner_sync (partner_id, module, next_at, full_at, synced_at, note) "
        "SELECT partner_id, 'tokens', next_at, full_at, synced_at, note FROM token_sync"
    )
    op.drop_table("token_sync")
    for table in _PULLED:
        op.add_column(table, sa.Column("absent_since", sa.BigInteger(), nullable=True))
    # Until now every Token came to our CPO.
    op.add_column(
        "token", sa.Column("shared", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def downgrade() -> None:
    op.drop_column("token", "shared")
    for table in _PULLED:
        op.drop_column(table, "absent_since")
    op.create_table(
        "token_sync",
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("full_at", sa.BigInteger(), nullable=True),
        sa.Column("synced_at", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("partner_id"),
    )
    op.execute(
        "INSERT INTO token_sync (partner_id, next_at, full_at, synced_at, note) "
        "SELECT partner_id, next_at, full_at, synced_at, note FROM partner_sync "
        "WHERE module = 'tokens'"
    )
    op.drop_table("partner_sync")
