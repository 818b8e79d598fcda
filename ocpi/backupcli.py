"""The commands `ocpi migrate`, `ocpi backup` and `ocpi restore`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from sqlalchemy.engine import URL, make_url

from ocpi.backup import back_up, restore
from ocpi.migrate import upgrade
from ocpi.opening import open_context
from ocpi.settings import Settings
from ocpi.terminal import run


def migrate_command() -> None:
    """Bring the database schema to this version."""

    async def act() -> None:
        async with open_context() as context:
            await upgrade(context.database)
            typer.echo(f"{context.database.url.render_as_string()} is up to date.")

    run(act())


def backup_command(
    file: Annotated[Path, typer.Argument(help="The new file to copy into.")],
) -> None:
    """Copy a SQLite database while it is in use, and check the copy."""

    async def act() -> None:
        with _shown() as progress:
            task = progress.add_task("copying")
            back_up(_url(), file, partial(_show, progress, task))
        typer.echo(f"{file} is whole. Keep OCPI_SECRET_KEY elsewhere: it opens the tokens in it.")

    run(act())


def restore_command(
    file: Annotated[Path, typer.Argument(help="A file that `ocpi backup` made.")],
) -> None:
    """Put a backup in the place of the SQLite database, which is kept under another name."""

    async def act() -> None:
        with _shown() as progress:
            task = progress.add_task("copying")
            aside = restore(_url(), file, partial(_show, progress, task))
        typer.echo(f"The database is that of {file} now.")
        if aside is not None:
            typer.echo(f"The one of before is {aside}.")
        typer.echo(
            "Next: have your backend report again what its stations did since then, and see with "
            "`ocpi push verify NAME --repair` what partners hold otherwise."
        )

    run(act())


def _show(progress: Progress, task: TaskID, done: int, of: int) -> None:
    progress.update(task, completed=done, total=of)


def _shown() -> Progress:
    return Progress(console=Console(stderr=True), transient=True)


def _url() -> URL:
    return make_url(Settings().database_url)
