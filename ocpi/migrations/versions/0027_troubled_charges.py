"""The sessions in trouble, which the list of them and a gauge looked for among all."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    troubled = sa.text("trouble IS NOT NULL")
    op.create_index(
        "ix_charge_trouble", "charge", ["id"], postgresql_where=troubled, sqlite_where=troubled
    )


def downgrade() -> None:
    op.drop_index("ix_charge_trouble", "charge")
