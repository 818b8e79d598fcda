"""A hub is asked for its lists in the name of each of our parties; until now, of the oldest one."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_OLDEST = (
    "(SELECT min(our_party.id) FROM our_party JOIN partner ON partner.platform = our_party.platform"
    " WHERE partner.id = partner_sync.partner_id)"
)
_COPIED = (
    "party_sync WHERE party_sync.partner_id = partner_sync.partner_id"
    f" AND party_sync.module = partner_sync.module AND party_sync.our_party_id = {_OLDEST}"
)


def upgrade() -> None:
    op.create_table(
        "party_sync",
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("our_party_id", sa.Integer(), nullable=False),
        sa.Column("full_at", sa.BigInteger(), nullable=True),
        sa.Column("synced_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["our_party_id"], ["our_party.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("partner_id", "module", "our_party_id"),
    )
    # The list of a hub's parties is read once for all of ours.
    op.execute(
        "INSERT INTO party_sync (partner_id, module, our_party_id, full_at, synced_at) "  # noqa: S608
        f"SELECT partner_id, module, {_OLDEST}, full_at, synced_at FROM partner_sync "
        f"WHERE module <> 'hubclientinfo' AND {_OLDEST} IS NOT NULL AND partner_id IN "
        "(SELECT partner_id FROM partner_role WHERE role = 'HUB')"
    )


def downgrade() -> None:
    op.execute(
        f"UPDATE partner_sync SET full_at = (SELECT full_at FROM {_COPIED}), "  # noqa: S608
        f"synced_at = (SELECT synced_at FROM {_COPIED}) WHERE EXISTS (SELECT 1 FROM {_COPIED})"
    )
    op.drop_table("party_sync")
