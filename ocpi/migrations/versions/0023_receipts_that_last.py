"""A receipt outlives its partner, which it names: what one has accepted is told to nobody again.

And a lane has the end of the pause that its partner has asked for.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_REST = "accepted_at, http_status, url, request_id"


def upgrade() -> None:
    partner = sa.Column("partner", sa.String(), nullable=False)
    _replace(partner, "partner.name", "partner.id = receipt.partner_id")
    op.create_index("ix_receipt_partner", "receipt", ["partner"])
    op.add_column("partner_lane", sa.Column("paused_until", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Those of partners that were removed go."""
    op.drop_column("partner_lane", "paused_until")
    partner_id = sa.Column("partner_id", sa.Integer(), nullable=False)
    cascade = sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE")
    _replace(partner_id, "partner.id", "partner.name = receipt.partner", cascade)
    op.create_index("ix_receipt_object_key", "receipt", ["object_key"])


def _replace(
    who: sa.Column[str] | sa.Column[int], known_as: str, joined: str, *further: sa.Constraint
) -> None:
    """Have receipts name partners otherwise, and only by that."""
    first, second = ("object_key", who.name) if who.name == "partner" else (who.name, "object_key")
    op.create_table(
        "new_receipt",
        who,
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=False),
        *further,
        sa.PrimaryKeyConstraint(first, second),
    )
    op.execute(
        f"INSERT INTO new_receipt ({who.name}, object_key, {_REST}) "  # noqa: S608
        f"SELECT {known_as}, object_key, {_REST} FROM receipt JOIN partner ON {joined}"
    )
    op.drop_table("receipt")
    op.rename_table("new_receipt", "receipt")
