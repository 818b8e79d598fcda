"""Seals over stored CDRs."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

REFUSED = "a stored CDR is neither changed nor removed"
CLOSED = "NOT EXISTS (SELECT 1 FROM cdr_erasing)"
BEFORE = "position, key, owner, last_updated, body"
# A salt that were changed would have a CDR look like one that was tampered with.
NOW = f"{BEFORE}, salt"

SEALED = "a seal over CDRs is neither changed nor removed"
# All but the voucher, which is made anew when the secret key changes.
KEPT = {
    "cdr_seal": '"number", at, "first", "last", cdrs, erasures, leaves, previous, hash',
    "cdr_erasure": "position, cdr, at, before, after",
}
_SALT = {
    "sqlite": "lower(hex(randomblob(16)))",
    "postgresql": "replace(gen_random_uuid()::text, '-', '')",
}


def upgrade() -> None:
    op.create_table(
        "cdr_seal",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("cdrs", sa.Integer(), nullable=False),
        sa.Column("erasures", sa.Integer(), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("voucher", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "cdr_erasure",
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("cdr", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("voucher", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index("ix_cdr_erasure_cdr", "cdr_erasure", ["cdr"])
    op.add_column("cdr", sa.Column("salt", sa.String(), nullable=False, server_default=""))
    op.execute(f"UPDATE cdr SET salt = {_SALT[op.get_bind().dialect.name]}")  # noqa: S608
    _guard_cdrs(NOW)
    _guard_seals()


def downgrade() -> None:
    _guard_cdrs(BEFORE)
    op.drop_column("cdr", "salt")
    op.drop_table("cdr_erasure")
    op.drop_table("cdr_seal")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION cdr_seal_stays()")


def _guard_cdrs(columns: str) -> None:
    """Have the trigger of CDRs guard these columns."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER cdr_stays_update")
        op.execute(
            f"CREATE TRIGGER cdr_stays_update BEFORE UPDATE OF {columns} ON cdr WHEN {CLOSED} "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
        )
        return
    op.execute("DROP TRIGGER cdr_stays ON cdr")
    op.execute(
        f"CREATE TRIGGER cdr_stays BEFORE UPDATE OF {columns} "
        "OR DELETE ON cdr FOR EACH ROW EXECUTE FUNCTION cdr_stays()"
    )


def _guard_seals() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table, columns in KEPT.items():
            for event in (f"UPDATE OF {columns}", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_stays_{event.split()[0].lower()} BEFORE {event} "
                    f"ON {table} BEGIN SELECT RAISE(ABORT, '{SEALED}'); END"
                )
        return
    op.execute(
        "CREATE FUNCTION cdr_seal_stays() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{SEALED}'; END $$"
    )
    for table, columns in KEPT.items():
        op.execute(
            f"CREATE TRIGGER {table}_stays BEFORE UPDATE OF {columns} "
            f"OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION cdr_seal_stays()"
        )
