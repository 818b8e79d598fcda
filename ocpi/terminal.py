"""What commands print: tables for people, JSON for machines, failures in one sentence."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO, TypeVar

import typer
import uvicorn
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from ocpi.database import DATABASE_ERRORS
from ocpi.defects import is_defect
from ocpi.errors import OCPIError
from ocpi.messages import plain, set_up_logging
from ocpi.sealing import WrongKey
from ocpi.settings import MissingSecret
from ocpi.spec.document import encode
from ocpi.spec.reading import problems
from ocpi.tracing import MissingTracing

T = TypeVar("T")

AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

# What commands stop at with a sentence; anything else is a defect and shows its trace.
_EXPECTED = (OCPIError, MissingSecret, MissingTracing, WrongKey, OSError, ValueError)
_UNBOUNDED = 1_000_000


def run(action: Coroutine[Any, Any, T]) -> T:
    """Run a command to its end; a failure that was foreseen ends it with a sentence and code 1."""
    # Warnings go to stderr, so that what is printed can be piped.
    set_up_logging("WARNING")
    try:
        with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
            return runner.run(action)
    except ValidationError as error:
        # What concerns several settings together is named by none of them.
        sentence = problems(error).removeprefix("the document: ")
        if error.title == "Settings":
            sentence = _of_settings(error)
    except (ConnectionRefusedError, TimeoutError) as error:
        sentence = _of_database(error)
    except BrokenPipeError:
        raise  # Who reads what is printed has gone, see `ocpi.cli`.
    except _EXPECTED as error:
        sentence = str(error)
    except DATABASE_ERRORS as error:
        if is_defect(error):
            raise
        sentence = _of_database(error)
    except SystemExit as ended:
        # uvicorn's way to end, when it has said why.
        raise typer.Exit(1 if ended.code else 0) from None
    except KeyboardInterrupt:
        sentence = "Stopped."
    typer.echo(f"error: {plain(sentence)}", err=True)
    raise typer.Exit(1)


def _of_settings(error: ValidationError) -> str:
    """What is wrong with settings, by the names that they have in the environment."""
    return "\n".join(
        f"OCPI_{str(each['loc'][0]).upper()}: {_rule(each)}"
        if each["loc"]
        else each["msg"].removeprefix("Value error, ")
        for each in error.errors()
    )


def _rule(detail: Any) -> str:
    if detail["type"] == "too_short":
        return f"needs at least {detail['ctx']['min_length']} characters"
    return str(detail["msg"]).removeprefix("Value error, ")


def _of_database(error: Exception) -> str:
    """Why the database cannot be used, and what to do."""
    said = (str(getattr(error, "orig", None) or error).strip() or "no answer").splitlines()[0]
    place = "the database that OCPI_DATABASE_URL names"
    if "locked" in said or "busy" in said:
        return f"Another program holds {place} ({said}). Try again, or see what it is doing."
    return f"It is not possible to use {place}: {said}. Does it exist, and is it the right one?"


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """The loop that uvicorn prefers, which asyncio.run would not take."""
    factory = uvicorn.Config(None, log_config=None).get_loop_factory()  # type: ignore[arg-type]
    return factory or asyncio.new_event_loop


@contextmanager
def opened(option: str, path: Path) -> Iterator[TextIO]:
    """The file that an option names, which is whole or not there: it gets its name at the end.

    A link stays, and what is no regular file, such as a pipe, is written to. Raises ``ValueError``.
    """
    if path.is_dir():
        raise ValueError(f"{option} {path} is a folder: name a file in it.")
    if not path.parent.is_dir():
        raise ValueError(f"{option} {path}: there is no folder {path.parent}")
    if path.exists() and not path.is_file():
        with _open(option, path, path) as file:
            yield file
        return
    whole = path.resolve()
    part = whole.with_name(f"{whole.name}.part")
    begun = _open(option, path, part)
    try:
        with begun as file:
            yield file
        part.replace(whole)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _open(option: str, named: Path, path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise ValueError(f"{option} {named} cannot be written: {error.strerror}.") from None


def print_json(value: Any) -> None:
    """Print one JSON value."""
    typer.echo(encode(value))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their columns; text that came from partners cannot steer the terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # An id that is cut off cannot be copied into the next command.
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else plain(str(cell)) for cell in row))
    console = Console(markup=False, highlight=False)
    bounded = console.is_terminal or os.environ.get("COLUMNS")
    if not bounded:
        # Into a pipe or a file, where lines may be as long as they are, and ids are searched for.
        console.width = _UNBOUNDED
    # Rich would end the program by itself where nobody reads any more.
    with console.capture() as told:
        console.print(table)
    text = told.get()
    lines = text if bounded else "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    typer.echo(lines, nl=False)
