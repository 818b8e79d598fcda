"""Which Tariffs a partner gets instead of others, and which Tariffs a Location names."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# As `listed` writes them, but in whatever order: nobody asks for that.
_FILL = {
    "sqlite": """UPDATE location SET tariffs = coalesce((
        SELECT '|' || group_concat(key, '|') || '|' FROM (
            SELECT DISTINCT lower(location.owner || '*' || named.value) AS key
            FROM json_each(location.body, '$.evses') AS evse,
                json_each(evse.value, '$.connectors') AS connector,
                json_each(connector.value, '$.tariff_ids') AS named
            WHERE named.value IS NOT NULL)), '|')""",
    "postgresql": """UPDATE location SET tariffs = coalesce((
        SELECT '|' || string_agg(DISTINCT lower(owner || '*' || (named #>> '{}')), '|') || '|'
        FROM jsonb_path_query(body::jsonb, '$.evses[*].connectors[*].tariff_ids[*]') AS named
        WHERE named <> 'null'), '|')""",
}


def upgrade() -> None:
    op.add_column("partner", sa.Column("mappings", sa.JSON(), nullable=True))
    op.add_column("location", sa.Column("tariffs", sa.String(), nullable=False, server_default="|"))
    op.execute(_FILL[op.get_bind().dialect.name])


def downgrade() -> None:
    op.drop_column("location", "tariffs")
    op.drop_column("partner", "mappings")
