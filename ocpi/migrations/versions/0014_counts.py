"""How many objects there are is kept, and lists find what they show in an index."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

NONE = "''"
# By the table, what names an object's audience.
_COUNTED = {
    "location": NONE,
    "tariff": NONE,
    "token": NONE,
    "client_info": NONE,
    "session": "audience",
    "cdr": "audience",
}
_LISTED = ("session", "cdr")
_DATED = {
    "location": ["owner", "last_updated", "position"],
    "tariff": ["owner", "last_updated", "position"],
    "token": ["owner", "last_updated", "position"],
    "session": ["owner", "audience", "last_updated", "position"],
    "cdr": ["owner", "audience", "last_updated", "position"],
}
_TARGET = "INSERT INTO object_count (kind, owner, audience, n)"
_ADD = "ON CONFLICT (kind, owner, audience) DO UPDATE SET n = object_count.n + excluded.n"


def upgrade() -> None:
    op.create_table(
        "object_count",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "owner", "audience"),
    )
    for table, columns in _DATED.items():
        op.create_index(f"ix_{table}_dated", table, columns)
    for table in _LISTED:
        op.create_index(f"ix_{table}_listed", table, ["owner", "audience", "position"])
    triggers = _on_sqlite if op.get_bind().dialect.name == "sqlite" else _on_postgresql
    for table, audience in _COUNTED.items():
        # First the triggers, which hold up whoever writes until all is counted.
        for statement in triggers(table, audience):
            op.execute(statement)
        counted = f"SELECT '{table}', owner, {audience}, count(*) FROM {table} GROUP BY 2, 3"  # noqa: S608
        op.execute(f"{_TARGET} {counted}")


def _on_sqlite(table: str, audience: str) -> list[str]:
    made, gone = _changes(table, audience)
    statements = [
        f"CREATE TRIGGER {table}_made AFTER INSERT ON {table} BEGIN {made} END",
        f"CREATE TRIGGER {table}_gone AFTER DELETE ON {table} BEGIN {gone} END",
    ]
    if audience != NONE:
        event, moves = "AFTER UPDATE OF audience", "NEW.audience <> OLD.audience"
        statements.append(
            f"CREATE TRIGGER {table}_moved {event} ON {table} WHEN {moves} BEGIN {gone} {made} END"
        )
    return statements


def _on_postgresql(table: str, audience: str) -> list[str]:
    """By statements, since to count row by row takes the longer the more there are."""
    name = f"{table}_counted"
    sign = "CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END"
    all_rows = f"SELECT '{table}', owner, {audience}, count(*) * {sign} FROM rows GROUP BY 2, 3"  # noqa: S608
    statements = [_function(name, f"{_TARGET} {all_rows} {_ADD};")]
    for event, rows in (("INSERT", "NEW"), ("DELETE", "OLD")):
        statements.append(
            f"CREATE TRIGGER {name}_{event.lower()} AFTER {event} ON {table} REFERENCING {rows} "
            f"TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
    if audience != NONE:
        made, gone = _changes(table, audience)
        statements.append(_function(f"{table}_moved", f"{gone} {made}"))
        statements.append(
            f"CREATE TRIGGER {table}_moved AFTER UPDATE OF audience ON {table} FOR EACH ROW "
            f"WHEN (NEW.audience <> OLD.audience) EXECUTE FUNCTION {table}_moved()"
        )
    return statements


def _function(name: str, steps: str) -> str:
    body = f"BEGIN {steps} RETURN NULL; END"
    return f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"


def _changes(table: str, audience: str) -> tuple[str, str]:
    """What counts a row that is there now, and what one that was there."""
    made, gone = (
        f"{_TARGET} VALUES ('{table}', {row}.owner, "
        f"{audience if audience == NONE else f'{row}.{audience}'}, {n}) {_ADD};"
        for row, n in (("NEW", 1), ("OLD", -1))
    )
    return made, gone


def downgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for table, audience in _COUNTED.items():
        moved = ["moved"] if audience != NONE else []
        if on_sqlite:
            for name in ("made", "gone", *moved):
                op.execute(f"DROP TRIGGER {table}_{name}")
        else:
            for name in ("counted", *moved):
                op.execute(f"DROP FUNCTION {table}_{name}() CASCADE")
    for table in _LISTED:
        op.drop_index(f"ix_{table}_listed", table)
    for table in _DATED:
        op.drop_index(f"ix_{table}_dated", table)
    op.drop_table("object_count")
