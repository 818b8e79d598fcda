"""The edition of the directory's tables, which changes whenever one of them does: see ocpi.kept."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TABLES = (
    *("our_party", "partner", "partner_role", "partner_endpoint", "issued_token"),
    *("announced_party", "agreement"),
)
# Of lanes, which change with every push, only why nothing is sent matters to others.
REASON = {
    "sqlite": "json_extract({}.breaker, '$.reason')",
    "postgresql": "({}.breaker ->> 'reason')",
}
_WORD = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "gen_random_uuid()::text"}


def upgrade() -> None:
    op.create_table(
        "edition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("word", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    dialect = op.get_bind().dialect.name
    op.execute(f"INSERT INTO edition (id, word) VALUES (1, {_WORD[dialect]})")  # noqa: S608
    if dialect == "postgresql":
        _prepare_postgresql()
    for table in TABLES:
        _watch(table, "INSERT", "UPDATE", "DELETE")
    _watch("partner_lane", "INSERT", "DELETE")
    differs = {"sqlite": "IS NOT", "postgresql": "IS DISTINCT FROM"}[dialect]
    old, new = (REASON[dialect].format(row) for row in ("OLD", "NEW"))
    _watch("partner_lane", "UPDATE OF breaker", when=f"{old} {differs} {new}")


def _prepare_postgresql() -> None:
    """The row is locked from the change to the commit, so it is changed once, and last of all.

    Otherwise two transactions that change the same tables in another order would deadlock.
    """
    op.execute(
        "CREATE FUNCTION next_edition() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "UPDATE edition SET word = gen_random_uuid()::text "
        "WHERE NOT xmin = pg_current_xact_id()::xid; RETURN NULL; END $$"
    )


def _watch(table: str, *events: str, when: str = "true") -> None:
    for event in events:
        name = f"{table}_edition_{event.split()[0].lower()}"
        if op.get_bind().dialect.name == "sqlite":
            op.execute(
                f"CREATE TRIGGER {name} AFTER {event} ON {table} WHEN {when} "  # noqa: S608
                f"BEGIN UPDATE edition SET word = {_WORD['sqlite']}; END"
            )
        else:
            op.execute(
                f"CREATE CONSTRAINT TRIGGER {name} AFTER {event} ON {table} "
                f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ({when}) "
                "EXECUTE FUNCTION next_edition()"
            )


def downgrade() -> None:
    for table in (*TABLES, "partner_lane"):
        for event in ("insert", "update", "delete"):
            on = f" ON {table}" if op.get_bind().dialect.name == "postgresql" else ""
            op.execute(f"DROP TRIGGER {table}_edition_{event}{on}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION next_edition()")
    op.drop_table("edition")
