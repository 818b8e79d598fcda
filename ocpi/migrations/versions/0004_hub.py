"""The hub: agreements, who is connected, links between parties, and whose what it carries is."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agreement",
        sa.Column("from_party", sa.String(), nullable=False),
        sa.Column("to_party", sa.String(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("from_party", "to_party", "module"),
    )

    op.create_table(
        "announced_party",
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("party", sa.String(), nullable=False),
        sa.Column("country_code", sa.String(), nullable=False),
        sa.Column("party_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("partner_id", "role", "party"),
    )
    op.create_index("ix_announced_party_party", "announced_party", ["party"])

    op.create_table(
        "partner_pulse",
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("partner_id"),
    )

    op.create_table(
        "client_info",
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("key"),
    )

    op.create_table(
        "hub_link",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("interface", sa.String(), nullable=False),
        sa.Column("follower_id", sa.Integer(), nullable=False),
        sa.Column("from_country_code", sa.String(), nullable=False),
        sa.Column("from_party_id", sa.String(), nullable=False),
        sa.Column("to_country_code", sa.String(), nullable=False),
        sa.Column("to_party_id", sa.String(), nullable=False),
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["follower_id"], ["partner.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_hub_link_expires_at", "hub_link", ["expires_at"])

    op.create_table(
        "carried_object",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "identifier", "owner", "audience"),
    )
    op.create_index("ix_carried_object_seen_at", "carried_object", ["seen_at"])
    op.create_index("ix_partner_role_party", "partner_role", ["party"])


def downgrade() -> None:
    op.drop_index("ix_partner_role_party", "partner_role")
    for table in (
        "carried_object",
        "hub_link",
        "client_info",
        "partner_pulse",
        "announced_party",
        "agreement",
    ):
        op.drop_table(table)
