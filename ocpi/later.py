"""Commands that are imported when they are run: of a short one, imports are most of its time."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from ocpi.usage import show_examples


class Place(NamedTuple):
    """Where a command or group is defined, as `module:name`, and what a list says of it."""

    where: str
    help: str


Places = Mapping[str, Place]
"""By the words that name the command, such as `partner rule`."""


class Later(TyperGroup):
    """Stands in a list of commands for one that is not imported yet."""

    def __init__(self, words: str, places: Places) -> None:
        place = places[words]
        super().__init__(name=words.rpartition(" ")[2], help=place.help)
        self._words, self._places = words, places

    def load(self) -> Any:
        """The command itself; a group has its own parts and those that are placed in it."""
        module, _, name = self._places[self._words].where.partition(":")
        found = getattr(import_module(module), name)
        if isinstance(found, typer.Typer):
            command: Any = get_group(found)
            add_later(command, self._places, self._words)
        else:
            alone = typer.Typer(add_completion=False)
            alone.command(self.name)(found)
            command = get_command(alone)
        command.name = self.name
        show_examples(command, tuple(self._words.split()))
        return command

    def make_context(self, *args: Any, **named: Any) -> Any:
        """Begin to run the command: from here on it is the real one."""
        return self.load().make_context(*args, **named)


def add_later(group: TyperGroup, places: Places, words: str = "") -> None:
    """Put into a group what is placed right below it."""
    for place in places:
        above, _, _ = place.rpartition(" ")
        if above == words:
            group.add_command(Later(place, places))
