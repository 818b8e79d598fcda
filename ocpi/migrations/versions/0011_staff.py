"""Who may use the console, and their browsers' sign-ins."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "staff",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.Integer(), nullable=False),
        sa.Column("password", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("blocked_until", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "staff_sign_in",
        sa.Column("cookie_hash", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["name"], ["staff.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("cookie_hash"),
    )
    op.create_index("ix_staff_sign_in_name", "staff_sign_in", ["name"])


def downgrade() -> None:
    op.drop_table("staff_sign_in")
    op.drop_table("staff")
