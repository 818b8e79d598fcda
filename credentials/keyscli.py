"""The command `ocpi keys ...`."""

import typer

from credentials.keys import reseal
from ocpi.opening import open_context
from ocpi.terminal import AsJSON, print_json, run

keys_app = typer.Typer(help="The key that seals partners' tokens.", no_args_is_help=True)


@keys_app.callback()
def keys() -> None:
    """Keep the name of the one command."""


@keys_app.command("rotate")
def rotate(*, as_json: AsJSON = False) -> None:
    """Seal partners' tokens with OCPI_SECRET_KEY that OCPI_SECRET_KEY_PREVIOUS sealed."""

    async def work() -> None:
        async with open_context() as context:
            done = await reseal(context)
            previous = context.settings.previous_secret() is not None
        if as_json:
            print_json(done.model_dump())
            return
        typer.echo(f"Sealed {done.resealed} tokens anew; {done.current} were so already.")
        for name in done.lost:
            typer.echo(f"No key given opens the token of {name}: it must register anew.")
        if not previous:
            typer.echo("No OCPI_SECRET_KEY_PREVIOUS is given, so there is no key to leave.")
        elif not done.lost:
            typer.echo("Start every process without OCPI_SECRET_KEY_PREVIOUS now.")

    run(work())
