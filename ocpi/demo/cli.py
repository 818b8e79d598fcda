"""The command `ocpi demo`."""

from typing import Annotated

import typer

from ocpi.demo.hub import run_hub_demo
from ocpi.demo.live import run_demo
from ocpi.terminal import run
from ocpi.testing.replay import run_replay


def demo(
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the service, if free.")
    ] = 8000,
    emsp_port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="Port of the mock eMSP, or of the first party, if free."
        ),
    ] = 8001,
    hub: Annotated[
        bool, typer.Option("--hub", help="Show the hub: two CPOs and two eMSPs that roam.")
    ] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Play 110,366 real sessions through, and compare.")
    ] = False,
    sessions: Annotated[
        int | None, typer.Option(min=1, help="With --replay: only the first so many.")
    ] = None,
    database_url: Annotated[
        str | None, typer.Option(help="With --replay: an empty database, instead of a SQLite file.")
    ] = None,
) -> None:
    """Show the product: real stations, a mock eMSP that registers, drivers who charge."""
    if hub and replay:
        raise typer.BadParameter("--hub and --replay are two demos: choose one of them.")
    if not replay and not (sessions is None and database_url is None):
        raise typer.BadParameter("--sessions and --database-url are for --replay alone.")
    if hub:
        run(run_hub_demo(typer.echo, port, emsp_port))
    elif not replay:
        run(run_demo(typer.echo, port, emsp_port))
    elif not run(run_replay(typer.echo, database_url, sessions)):
        raise typer.Exit(1)
