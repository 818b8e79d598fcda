"""What partners exchange about charging: Sessions, CDRs, Tokens, and errands to stations."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "authorization",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_key", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("location_id", sa.String(), nullable=True),
        sa.Column("evse_uids", sa.Text(), nullable=True),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_authorization_token", "authorization", ["token_key", "at"])

    op.create_table(
        "cdr",
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("session_key", sa.String(), nullable=True),
        sa.Column("credited_key", sa.String(), nullable=True),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("finding", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_cdr_audience", "cdr", ["audience", "position"])
    op.create_index("ix_cdr_credited", "cdr", ["owner", "credited_key"])
    op.create_index("ix_cdr_owner", "cdr", ["owner", "position"])
    op.create_index("ix_cdr_verdict", "cdr", ["verdict", "position"])
    op.create_index("ix_cdr_session", "cdr", ["owner", "session_key"])

    op.create_table(
        "cdr_conflict",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_cdr_conflict_key", "cdr_conflict", ["key"])

    op.create_table(
        "charge",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("transaction_key", sa.String(), nullable=False),
        sa.Column("evse_key", sa.String(), nullable=True),
        sa.Column("session_key", sa.String(), nullable=True),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("closing_at", sa.BigInteger(), nullable=True),
        sa.Column("trouble", sa.String(), nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_charge_closing", "charge", ["closing_at"])
    op.create_index("ix_charge_evse", "charge", ["owner", "evse_key", "open"])
    op.create_index("ix_charge_session", "charge", ["owner", "session_key"])
    op.create_index("ix_charge_transaction", "charge", ["owner", "transaction_key"], unique=True)

    op.create_table(
        "session",
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_session_audience", "session", ["audience", "position"])
    op.create_index("ix_session_owner", "session", ["owner", "position"])
    op.create_index("ix_session_status", "session", ["status", "position"])

    op.create_table(
        "token",
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("token_key", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_token_owner", "token", ["owner", "position"])
    op.create_index("ix_token_token_key", "token", ["token_key"])

    op.create_table(
        "errand",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("wish", sa.String(), nullable=False),
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("owner_country_code", sa.String(), nullable=False),
        sa.Column("owner_party_id", sa.String(), nullable=False),
        sa.Column("asker_country_code", sa.String(), nullable=False),
        sa.Column("asker_party_id", sa.String(), nullable=False),
        sa.Column("location_id", sa.String(), nullable=False),
        sa.Column("evse_uid", sa.String(), nullable=True),
        sa.Column("connector_id", sa.String(), nullable=True),
        sa.Column("session_id", sa.String(), nullable=True),
        sa.Column("reservation", sa.Integer(), nullable=True),
        sa.Column("token_key", sa.String(), nullable=True),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("response_url", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("correlation_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_errand_open", "errand", ["answered_at", "deadline"])
    op.create_index("ix_errand_partner", "errand", ["partner_id", "answered_at"])
    op.create_index("ix_errand_session_id", "errand", ["session_id"])
    op.create_index("ix_errand_token", "errand", ["token_key", "created_at"])
    op.create_index("ix_errand_untold", "errand", ["told_at", "answered_at"])

    op.create_table(
        "reservation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("asker", sa.String(), nullable=False),
        sa.Column("reservation_id", sa.String(), nullable=False),
        sa.Column("errand_id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("location_id", sa.String(), nullable=False),
        sa.Column("evse_uid", sa.String(), nullable=True),
        sa.Column("connector_id", sa.String(), nullable=True),
        sa.Column("token_key", sa.String(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("authorization_reference", sa.String(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("held_at", sa.BigInteger(), nullable=True),
        sa.Column("session_id", sa.String(), nullable=True),
        sa.Column("record", sa.Text(), nullable=True),
        sa.Column("fate", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_reservation_errand_id", "reservation", ["errand_id"])
    op.create_index("ix_reservation_expiry", "reservation", ["fate", "expires_at"])
    op.create_index("ix_reservation_session_id", "reservation", ["session_id"])
    op.create_index("ix_reservation_theirs", "reservation", ["partner_id", "reservation_id"])
    op.create_index("ix_reservation_token", "reservation", ["token_key"])

    op.create_table(
        "sent_command",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("command", sa.String(), nullable=False),
        sa.Column("session_key", sa.String(), nullable=True),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("result_at", sa.BigInteger(), nullable=True),
        sa.Column("news", sa.Text(), nullable=True),
        sa.Column("news_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_sent_command_session", "sent_command", ["partner_id", "session_key", "sent_at"]
    )

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
    # An audience was a partner, and is a party; there was none yet.
    with op.batch_alter_table("sync_object", schema=None) as batch_op:
        batch_op.alter_column(
            "audience", existing_type=sa.Integer(), type_=sa.String(), existing_nullable=True
        )


def downgrade() -> None:
    with op.batch_alter_table("sync_object") as batch_op:
        batch_op.drop_column("audience")
        batch_op.add_column(sa.Column("audience", sa.Integer(), nullable=True))
    for table in (
        "token_sync",
        "sent_command",
        "reservation",
        "errand",
        "token",
        "session",
        "charge",
        "cdr_conflict",
        "cdr",
        "authorization",
    ):
        op.drop_table(table)
