"""Tokens that were told to the hub have a table of their own, beside what our CPO alone was told.

A Token that was told both ways was one row, with whatever came last: it goes to the hub's, which
our CPO goes by too.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_COLUMNS = "position, key, owner, last_updated, body, absent_since, token_key"
_TARGET = "INSERT INTO object_count (kind, owner, audience, n)"
_ADD = "ON CONFLICT (kind, owner, audience) DO UPDATE SET n = object_count.n + excluded.n"
_CHOICES = sa.text(
    "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
)


def upgrade() -> None:
    op.create_table(
        "hub_token",
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("absent_since", sa.BigInteger(), nullable=True),
        sa.Column("token_key", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_hub_token_owner", "hub_token", ["owner", "position"])
    op.create_index("ix_hub_token_dated", "hub_token", ["owner", "last_updated", "position"])
    op.create_index("ix_hub_token_token_key", "hub_token", ["token_key"])
    if op.get_bind().dialect.name == "sqlite":
        _count_on_sqlite()
    else:
        _count_on_postgresql()
        if op.get_bind().scalar(_CHOICES):
            op.execute("ALTER TABLE hub_token ALTER COLUMN body SET COMPRESSION lz4")
    # The triggers of both tables count what is moved.
    op.execute(f"INSERT INTO hub_token ({_COLUMNS}) SELECT {_COLUMNS} FROM token WHERE shared")  # noqa: S608
    op.execute("DELETE FROM token WHERE shared")
    op.drop_column("token", "shared")


def _count_on_sqlite() -> None:
    """As migration 0014 has it for the other tables."""
    for name, event, row, n in (("made", "INSERT", "NEW", 1), ("gone", "DELETE", "OLD", -1)):
        op.execute(
            f"CREATE TRIGGER hub_token_{name} AFTER {event} ON hub_token BEGIN "
            f"{_TARGET} VALUES ('hub_token', {row}.owner, '', {n}) {_ADD}; END"
        )


def _count_on_postgresql() -> None:
    sign = "CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END"
    rows = f"SELECT 'hub_token', owner, '', count(*) * {sign} FROM rows GROUP BY 2, 3"  # noqa: S608
    op.execute(
        "CREATE FUNCTION hub_token_counted() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {_TARGET} {rows} {_ADD}; RETURN NULL; END $$"
    )
    for event, table in (("INSERT", "NEW"), ("DELETE", "OLD")):
        op.execute(
            f"CREATE TRIGGER hub_token_counted_{event.lower()} AFTER {event} ON hub_token "
            f"REFERENCING {table} TABLE AS rows FOR EACH STATEMENT "
            "EXECUTE FUNCTION hub_token_counted()"
        )


def downgrade() -> None:
    """Of a Token in both tables that of our CPO goes: all parties would be shown it."""
    op.add_column(
        "token", sa.Column("shared", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.execute("DELETE FROM token WHERE key IN (SELECT key FROM hub_token)")
    op.execute(
        f"INSERT INTO token ({_COLUMNS}, shared) SELECT {_COLUMNS}, true FROM hub_token"  # noqa: S608
    )
    op.drop_table("hub_token")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION hub_token_counted()")
    op.execute("DELETE FROM object_count WHERE kind = 'hub_token'")
