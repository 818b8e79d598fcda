"""Opens what a process needs, from its settings, and closes it again."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from ocpi.client import Client
from ocpi.context import Context, Interface
from ocpi.database import Database
from ocpi.migrate import upgrade
from ocpi.sealing import Seal
from ocpi.settings import Settings


@asynccontextmanager
async def open_context(
    settings: Settings | None = None, interfaces: Mapping[str, Sequence[Interface]] | None = None
) -> AsyncIterator[Context]:
    """A context for as long as the block lasts; without `settings` they come from the environment.

    The database is brought to the newest schema first.

    Raises ``MissingSecret`` when there is no secret key.
    """
    settings = settings or Settings()
    seal = Seal(settings.secret())
    context = Context(
        settings=settings,
        database=Database(settings.database_url),
        seal=seal,
        client=Client(allow_private=settings.allow_private_networks),
        interfaces=interfaces or {},
    )
    try:
        await upgrade(context.database)
        yield context
    finally:
        await context.close()
