"""The command `ocpi partner sync`."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from ocpi.messages import plain
from ocpi.opening import open_context
from ocpi.pull.admin import pulled_view
from ocpi.pull.asking import Pulled
from ocpi.pull.pullable import Pullables
from ocpi.pull.pulling import sync_partner
from ocpi.terminal import AsJSON, print_json, print_table, run

_COLUMNS = ("module", "full", "new", "changed", "unchanged", "refused", "gone")


def sync_command(pullables: Pullables) -> Callable[..., None]:
    """The command that pulls what is pullable."""

    def sync(
        *,
        name: Annotated[str, typer.Argument(help="Your name for the partner.")],
        full: Annotated[
            bool, typer.Option("--full", help="Everything, not only what changed lately.")
        ] = False,
        as_json: AsJSON = False,
    ) -> None:
        """Pull what a partner lists now: Locations, Tariffs or Tokens, whichever it issues."""

        async def act() -> list[Pulled]:
            async with open_context() as context:
                return await sync_partner(context, pullables, name, full=full)

        views = [pulled_view(each).model_dump() for each in run(act())]
        if as_json:
            print_json(views)
            return
        print_table(_COLUMNS, [row for view in views for row in _rows(view)])
        for view in views:
            for each in view["parties"]:
                if each["problem"]:
                    typer.echo(plain(f"{view['module']} for {each['party']}: {each['problem']}"))
            for reason in view["reasons"]:
                typer.echo(plain(reason))

    return sync


def _rows(view: dict[str, Any]) -> list[list[Any]]:
    """A list as it was pulled, and what each of several parties of ours was shown of it."""
    told = [view]
    if len(view["parties"]) > 1:
        told += [{**each, "module": f"for {each['party']}", "gone": ""} for each in view["parties"]]
    return [[each[column] for column in _COLUMNS] for each in told]
