"""Every command shows an example that would run, and fails with a sentence."""

from __future__ import annotations

import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import grimp
import pytest
from typer.testing import CliRunner

from ocpi.cli import PLACES, app
from ocpi.usage import EXAMPLES
from tests.commands import all_commands
from tests.plainlog import log_plainly

ROOT = all_commands()


def commands(command: Any = ROOT, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Give every command with the words that name it."""
    for name, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from commands(child, (*words, name))
        else:
            yield " ".join((*words, name)), child


def test_every_command_has_an_example_and_each_example_a_command() -> None:
    assert {name for name, _ in commands()} == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_help_shows_an_example_that_can_be_run(name: str, tmp_path: Path) -> None:
    command = dict(commands())[name]
    assert command.help
    shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "300"})
    assert shown.exit_code == 0
    assert EXAMPLES[name] in " ".join(shown.output.split())
    words = shlex.split(EXAMPLES[name].partition(" > ")[0])
    assert words[0] == "ocpi"
    # Files that it names have to exist for it to be taken.
    file = tmp_path / "file.json"
    file.write_text("{}")
    given = [str(file) if word.endswith(".json") else word for word in words[1:]]
    command.make_context(name, given[len(name.split()) :])


def test_a_list_of_commands_says_of_each_what_it_says_of_itself() -> None:
    def named(words: str) -> Any:
        command = ROOT
        for word in words.split():
            command = command.commands[word]
        return command

    said = {words: named(words).help.split("\n\n")[0].replace("\n", " ") for words in PLACES}
    assert said == {words: place.help for words, place in PLACES.items()}


def test_a_group_has_its_commands_whatever_else_is_imported() -> None:
    graph = grimp.build_graph("ocpi", "credentials", "modules")
    for words, place in PLACES.items():
        module, name = place.where.split(":")
        known = {module, *graph.find_upstream_modules(module)}
        group = getattr(import_module(module), name)
        for command in getattr(group, "registered_commands", ()):
            assert command.callback.__module__ in known, f"{words} {command.name}"


def test_a_command_imports_no_other() -> None:
    code = "import sys; from ocpi.cli import app; app(standalone_mode=False); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "observe", "rules"], capture_output=True, text=True, check=True
    )
    assert {"sqlalchemy", "fastapi", "ocpi.catalogue"} & set(done.stdout.split()) == set()


def test_a_shell_can_be_taught_to_complete() -> None:
    assert {"install_completion", "show_completion"} <= {param.name for param in ROOT.params}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite+aiosqlite:////nowhere/x.sqlite", "unable to open database file"),
        ("postgresql+asyncpg://me:secret@127.0.0.1:1/x", "OCPI_DATABASE_URL"),
        ("mysql://x", "OCPI_DATABASE_URL: must begin with"),
        ("garbage", "file is not a database"),
        ("locked", "Another program holds the database"),
    ],
)
def test_a_database_that_cannot_be_used_is_a_sentence(
    url: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ocpi.database.SQLITE_PRAGMAS", ("PRAGMA journal_mode=WAL", "PRAGMA busy_timeout=50")
    )
    file = tmp_path / "x.sqlite"
    if url == "garbage":
        file.write_text("x" * 4096)
    holder = sqlite3.connect(tmp_path / "locked.sqlite", isolation_level=None)
    if url == "locked":
        file = tmp_path / "locked.sqlite"
        holder.execute("BEGIN EXCLUSIVE")
    given = url if ":" in url else f"sqlite+aiosqlite:///{file}"
    environment = {"OCPI_DATABASE_URL": given, "OCPI_SECRET_KEY": "k" * 32, "COLUMNS": "300"}
    done = CliRunner().invoke(app, ["party", "list"], env=environment)
    holder.close()
    log_plainly()
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert "secret" not in done.stderr


def test_a_setting_that_is_wrong_is_named_as_it_is_set() -> None:
    done = CliRunner().invoke(app, ["party", "list"], env={"OCPI_SECRET_KEY": "short"})
    log_plainly()
    assert (done.exit_code, done.stderr) == (
        1,
        "error: OCPI_SECRET_KEY: needs at least 16 characters\n",
    )
