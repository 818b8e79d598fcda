"""For the push: from where a lane is told again once nothing of a dead worker can arrive."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("partner_lane", sa.Column("again_at", sa.BigInteger(), nullable=True))
    op.add_column("partner_lane", sa.Column("again_from", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("partner_lane", "again_from")
    op.drop_column("partner_lane", "again_at")
