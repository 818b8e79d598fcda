"""The message log: what was exchanged with partners, and which drivers' ids it speaks of."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=True),
        sa.Column("from_party", sa.String(), nullable=True),
        sa.Column("to_party", sa.String(), nullable=True),
        sa.Column("module", sa.String(), nullable=True),
        sa.Column("interface", sa.String(), nullable=True),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=True),
        sa.Column("object_id", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("correlation_id", sa.String(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("failed", sa.Boolean(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("ms", sa.Float(), nullable=False),
        sa.Column("request_bytes", sa.Integer(), nullable=False),
        sa.Column("response_bytes", sa.Integer(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("request_cut", sa.Boolean(), nullable=False),
        sa.Column("response_cut", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_message_at", "message", ["at"])
    op.create_index("ix_message_correlation", "message", ["correlation_id"])
    op.create_index(
        "ix_message_failed",
        "message",
        ["at"],
        postgresql_where=sa.text("failed IS true"),
        sqlite_where=sa.text("failed IS 1"),
    )
    op.create_index("ix_message_object", "message", ["object_id", "at"])
    op.create_index("ix_message_partner", "message", ["partner", "at"])
    op.create_table(
        "message_subject",
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("mark", "message_id"),
    )
    op.create_index("ix_message_subject_message_id", "message_subject", ["message_id"])


def downgrade() -> None:
    op.drop_table("message_subject")
    op.drop_table("message")
