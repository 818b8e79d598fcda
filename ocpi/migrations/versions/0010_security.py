"""What partners are forgiven; requests that come again; and CDRs that nobody can change."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

REFUSED = "a stored CDR is neither changed nor removed"
# But to erase a driver from it: the row is there only within the transaction that does so.
CLOSED = "NOT EXISTS (SELECT 1 FROM cdr_erasing)"


def upgrade() -> None:
    op.create_table(
        "tolerance",
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("sample", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("partner_id", "rule"),
    )
    op.create_table(
        "cdr_erasing", sa.Column("id", sa.Integer(), nullable=False), sa.PrimaryKeyConstraint("id")
    )
    op.add_column("errand", sa.Column("request_id", sa.String(), nullable=True))
    op.create_index("ix_errand_request", "errand", ["partner_id", "request_id"])
    if op.get_bind().dialect.name == "sqlite":
        for event, when in (
            ("UPDATE OF position, key, owner, last_updated, body", f"WHEN {CLOSED}"),
            ("DELETE", ""),
        ):
            op.execute(
                f"CREATE TRIGGER cdr_stays_{event.split()[0].lower()} BEFORE {event} ON cdr {when} "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION cdr_stays() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF TG_OP = 'DELETE' OR {CLOSED} THEN RAISE EXCEPTION '{REFUSED}'; END IF; "
        "RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER cdr_stays BEFORE UPDATE OF position, key, owner, last_updated, body "
        "OR DELETE ON cdr FOR EACH ROW EXECUTE FUNCTION cdr_stays()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER cdr_stays_update")
        op.execute("DROP TRIGGER cdr_stays_delete")
    else:
        op.execute("DROP TRIGGER cdr_stays ON cdr")
        op.execute("DROP FUNCTION cdr_stays()")
    op.drop_index("ix_errand_request", table_name="errand")
    op.drop_column("errand", "request_id")
    op.drop_table("cdr_erasing")
    op.drop_table("tolerance")
