"""What the overview counts and sums up, in columns: it could not read a million documents."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# A number may be too large for a column; such a one counts as far as `document.whole` counts it.
# Each statement reads a table row by row in the database itself, whatever its size.
_FILL = {
    "sqlite": (
        """UPDATE location SET statuses = (
            SELECT json_group_object(status, count) FROM (
                SELECT json_extract(evse.value, '$.status') AS status, count(*) AS count
                FROM json_each(location.body, '$.evses') AS evse
                WHERE json_extract(evse.value, '$.status') <> 'REMOVED'
                GROUP BY 1 ORDER BY 1))""",
        """UPDATE session SET
            wh = CAST(max(-1e12, min(1e12, round(
                json_extract(body, '$.kwh') * 1000))) AS INTEGER)""",
        """UPDATE cdr SET
            currency = json_extract(body, '$.currency'),
            wh = CAST(max(-1e12, min(1e12, round(
                json_extract(body, '$.total_energy') * 1000))) AS INTEGER)
                * iif(json_extract(body, '$.credit'), -1, 1),
            cost = CAST(max(-1e12, min(1e12, round(
                json_extract(body, '$.total_cost.excl_vat') * 10000))) AS INTEGER)""",
    ),
    "postgresql": (
        """UPDATE location SET statuses = coalesce((
            SELECT json_object_agg(status, count)::text FROM (
                SELECT evse ->> 'status' AS status, count(*) AS count
                FROM jsonb_array_elements(body::jsonb -> 'evses') AS evse
                WHERE evse ->> 'status' <> 'REMOVED'
                GROUP BY 1 ORDER BY 1) AS counted), '{}')""",
        """UPDATE session SET wh = greatest(-1e12, least(1e12, round(
            (body::jsonb ->> 'kwh')::numeric * 1000)))::bigint""",
        """UPDATE cdr SET
            currency = body::jsonb ->> 'currency',
            wh = greatest(-1e12, least(1e12, round(
                (body::jsonb ->> 'total_energy')::numeric * 1000)))::bigint
                * CASE WHEN (body::jsonb ->> 'credit')::boolean THEN -1 ELSE 1 END,
            cost = greatest(-1e12, least(1e12, round(
                (body::jsonb -> 'total_cost' ->> 'excl_vat')::numeric * 10000)))::bigint""",
    ),
}


def upgrade() -> None:
    op.add_column(
        "location", sa.Column("statuses", sa.String(), nullable=False, server_default="{}")
    )
    op.add_column("session", _count("wh"))
    op.add_column("cdr", _text("currency", ""))
    op.add_column("cdr", _count("wh"))
    op.add_column("cdr", _count("cost"))
    for statement in _FILL[op.get_bind().dialect.name]:
        op.execute(statement)
    op.create_index("ix_location_statuses", "location", ["owner", "statuses"])
    sums = ["owner", "last_updated", "currency", "wh", "cost"]
    op.create_index("ix_cdr_sums", "cdr", sums)


def downgrade() -> None:
    op.drop_index("ix_cdr_sums", "cdr")
    op.drop_index("ix_location_statuses", "location")
    for table, names in {"cdr": ("cost", "wh", "currency"), "session": ("wh",)}.items():
        for name in names:
            op.drop_column(table, name)
    op.drop_column("location", "statuses")


def _count(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")


def _text(name: str, default: str) -> "sa.Column[object]":
    return sa.Column(name, sa.String(), nullable=False, server_default=default)
