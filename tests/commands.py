"""All commands as they are once they are imported."""

from typing import Any

from typer.main import get_command

from ocpi.cli import app
from ocpi.later import Later


def all_commands() -> Any:
    """The command `ocpi` with everything below it, none of which waits to be imported."""
    return _loaded(get_command(app))


def _loaded(command: Any) -> Any:
    found = command.load() if isinstance(command, Later) else command
    parts = getattr(found, "commands", {})
    for name, part in parts.items():
        parts[name] = _loaded(part)
    return found
