"""Before a partner goes live: what it may see, what it holds of that, and what its checks came to.

The columns that rules look at are filled from the Locations that are there.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_BATCH = 500


def upgrade() -> None:
    op.add_column("partner", sa.Column("rules", sa.JSON(), nullable=True))
    op.add_column("partner", sa.Column("passed_at", sa.BigInteger(), nullable=True))
    for column in (
        sa.Column("country", sa.String(), nullable=False, server_default=""),
        sa.Column("publish", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("allowed_groups", sa.String(), nullable=False, server_default="|"),
        sa.Column("tags", sa.String(), nullable=False, server_default="|"),
    ):
        op.add_column("location", column)
    _fill_in()
    op.create_index("ix_location_country", "location", ["owner", "country", "position"])
    op.create_table(
        "held",
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("partner_id", "object_key"),
    )
    op.create_table(
        "partner_check",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_partner_check_partner_id", "partner_check", ["partner_id"])


def _fill_in() -> None:
    db = op.get_bind()
    location = sa.table(
        "location",
        *(sa.column(name) for name in ("position", "body", "country", "publish", "allowed_groups")),
    )
    after = -1
    while True:
        page = db.execute(
            sa.select(location.c.position, location.c.body)
            .where(location.c.position > after)
            .order_by(location.c.position)
            .limit(_BATCH)
        ).all()
        if not page:
            return
        for position, body in page:
            db.execute(
                sa.update(location)
                .where(location.c.position == position)
                .values(**_facts(json.loads(body)))
            )
        after = page[-1][0]


def _facts(document: dict[str, object]) -> dict[str, object]:
    tokens = document.get("publish_allowed_to") or []
    assert isinstance(tokens, list)
    groups = sorted({token["group_id"].lower() for token in tokens if token.get("group_id")})
    return {
        "country": str(document["country"]).lower(),
        "publish": document["publish"],
        "allowed_groups": "".join(["|", *(f"{group}|" for group in groups)]),
    }


def downgrade() -> None:
    op.drop_table("partner_check")
    op.drop_table("held")
    op.drop_index("ix_location_country", "location")
    for name in ("tags", "allowed_groups", "publish", "country"):
        op.drop_column("location", name)
    op.drop_column("partner", "passed_at")
    op.drop_column("partner", "rules")
