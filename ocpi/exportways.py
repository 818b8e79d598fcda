"""The two ways to an export: a streamed answer of the admin API, and a command."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from fastapi import Query
from rich.console import Console
from rich.progress import Progress
from starlette.responses import Response, StreamingResponse

from ocpi.context import Context
from ocpi.exporting import MEDIA, Format, Kind, Wanted, count, export, parties_of, read_wanted
from ocpi.opening import open_context
from ocpi.request import Here
from ocpi.terminal import opened, run

ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A header line and a line for each object, or its document a line.",
        "content": {
            media.partition(";")[0]: {"schema": {"type": "string"}} for media in MEDIA.values()
        },
    }
}
"""For the OpenAPI document."""

_Since = Annotated[str | None, Query(description="A date or a moment; from then on.")]
_Until = Annotated[str | None, Query(description="A date or a moment; up to it, without it.")]
_Partner = Annotated[str | None, Query(description="Only those of this partner's drivers.")]
_Form = Annotated[Format, Query(alias="format", description="csv, or jsonl: whole documents.")]


def endpoint(kind: Kind, name: str) -> Callable[..., Any]:
    """The endpoint that streams an export called `name`."""

    async def act(
        here: Here,
        since: _Since = None,
        until: _Until = None,
        partner: _Partner = None,
        form: _Form = "csv",
    ) -> Response:
        wanted = read_wanted(form, since, until, partner)
        parties = await parties_of(here.database, wanted)
        return StreamingResponse(
            export(here, kind, wanted, parties),
            headers={
                "Content-Type": MEDIA[form],
                "Content-Disposition": f'attachment; filename="{name}.{form}"',
            },
        )

    act.__doc__ = f"In UTC, by `{kind.dated_by}`. Streamed: any number of them, in little memory."
    act.__name__ = f"export_{name}"
    return act


def command(kind: Kind, name: str) -> Callable[..., None]:
    """The command that writes an export of what is called `name`."""

    def act(
        *,
        since: Annotated[
            str | None, typer.Option(help="From this date or moment on, such as 2026-01-31.")
        ] = None,
        until: Annotated[
            str | None, typer.Option(help="Up to this date or moment, without it.")
        ] = None,
        partner: Annotated[
            str | None, typer.Option(help="Only those of this partner's drivers.")
        ] = None,
        form: Annotated[
            Format, typer.Option("--format", help="csv, or jsonl: whole documents.")
        ] = "csv",
        output: Annotated[
            Path | None, typer.Option(help="The file to write; without it, standard output.")
        ] = None,
    ) -> None:
        async def work() -> None:
            wanted = read_wanted(form, since, until, partner)
            async with open_context() as context:
                parties = await parties_of(context.database, wanted)
                with _standard() if output is None else opened("--output", output) as file:
                    await _write(context, kind, wanted, parties, file, output)

        run(work())

    act.__doc__ = f"Export our {name} of a period (UTC, by `{kind.dated_by}`), oldest first."
    return act


async def _write(
    context: Context,
    kind: Kind,
    wanted: Wanted,
    parties: list[str] | None,
    file: TextIO,
    output: Path | None,
) -> None:
    # Of a table on the terminal itself a bar would be in the way.
    console = Console(stderr=True)
    quiet = output is None or not console.is_terminal
    with Progress(console=console, disable=quiet, transient=True) as progress:
        bar = progress.add_task("Exporting", total=await count(context, kind))

        def seen(rows: int) -> None:
            progress.advance(bar, rows)

        async for piece in export(context, kind, wanted, parties, seen):
            file.write(piece)


@contextmanager
def _standard() -> Iterator[TextIO]:
    yield sys.stdout
    sys.stdout.flush()
