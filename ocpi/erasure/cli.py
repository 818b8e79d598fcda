"""The commands `ocpi gdpr ...`."""

from typing import Annotated

import typer

from ocpi.erasure.erasing import Erasure, erase
from ocpi.erasure.person import Person
from ocpi.messages import plain
from ocpi.opening import open_context
from ocpi.terminal import AsJSON, print_json, print_table, run

gdpr_app = typer.Typer(help="Personal data of drivers.", no_args_is_help=True)


@gdpr_app.callback()
def gdpr() -> None:
    """Keep the commands below their name, though there is but one."""


@gdpr_app.command("erase")
def erase_driver(
    *,
    token: Annotated[str | None, typer.Option(help="The whole uid of a token.")] = None,
    contract: Annotated[str | None, typer.Option(help="A contract id.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is held.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Erase a driver: ids become tombstones; amounts, times and places stay."""
    person = Person.named(token, contract)

    async def act(*, dry: bool) -> Erasure:
        async with open_context() as context:
            return await erase(context, person, dry_run=dry)

    if not (dry_run or yes):
        found = run(act(dry=True))
        if not (found.held or found.hindrances):
            _print(found, as_json=as_json)
            return
        _print(found, as_json=False)
        typer.confirm("Erase the driver from these? It cannot be undone.", abort=True, err=True)
    done = run(act(dry=dry_run))
    _print(done, as_json=as_json)
    if done.hindrances:
        typer.echo("error: nothing was erased: try again when that has ended.", err=True)
        raise typer.Exit(1)


def _print(done: Erasure, *, as_json: bool) -> None:
    if as_json:
        print_json(vars(done))
        return
    if done.held:
        print_table(("table", "rows"), [*done.held.items()])
    else:
        typer.echo("Nothing is held of this driver.")
    for sentence in (*done.hindrances, *done.remarks):
        typer.echo(plain(sentence))
    if done.erased and done.held:
        typer.echo("Erased.")
