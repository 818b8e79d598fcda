"""Seals over stored CDRs; endpoints of partners that nobody has approved."""

from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
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
    op.create_table(
        "withheld_endpoint",
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("partner_id", "identifier", "role"),
    )
    _approve_all()


def _approve_all() -> None:
    """What is called today goes on being called, also when the endpoints are read anew."""
    connection = op.get_bind()
    partner = sa.table(
        "partner",
        sa.column("id", sa.Integer),
        sa.column("versions_url", sa.String),
        sa.column("options", sa.JSON),
    )
    endpoint = sa.table("partner_endpoint", sa.column("partner_id"), sa.column("url"))
    urls: dict[int, list[str]] = {}
    for partner_id, url in connection.execute(sa.select(endpoint.c.partner_id, endpoint.c.url)):
        urls.setdefault(partner_id, []).append(url)
    for row in connection.execute(sa.select(partner)).all():
        places = {_place(url, row.versions_url or "") for url in urls.get(row.id, [])} - {None}
        if places:
            options: dict[str, Any] = {**row.options, "hosts": sorted(map(str, places))}
            change = partner.update().where(partner.c.id == row.id).values(options=options)
            connection.execute(change)


def _place(url: str, home: str) -> str | None:
    """The place of an endpoint that is not at home, see ocpi.homes."""
    there, here = urlsplit(url), urlsplit(home)
    host, own = there.hostname or "", here.hostname or ""
    if here.scheme == "https" != there.scheme:
        return f"http://{host}"
    return None if host == own or host.endswith(f".{own}") else host


def downgrade() -> None:
    op.drop_table("withheld_endpoint")
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
