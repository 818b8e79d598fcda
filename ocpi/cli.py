"""The command `ocpi`."""

import asyncio
import gc
import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
import uvicorn

from credentials.agreementcli import agreement_app
from credentials.cli import partner_app, party_app
from credentials.keys import check_key
from credentials.keyscli import keys_app
from modules.cdrs.cli import cdr_app
from modules.hubclientinfo.cli import hub_app
from modules.sessions.cli import session_app
from modules.stations.cli import station_app
from modules.tariffs.cli import tariff_app
from modules.tokens.cli import token_app
from ocpi.alarms.cli import alarm_app
from ocpi.app import create_app, duties_of, keepers_of
from ocpi.backupcli import backup_command, restore_command
from ocpi.catalogue import PREVIEWED, PULLABLES, SOURCES, mounted
from ocpi.console.staffcli import user_app
from ocpi.crew import on_duty
from ocpi.demo.hub import run_hub_demo
from ocpi.demo.live import run_demo
from ocpi.documents import export_documents
from ocpi.erasure.cli import gdpr_app
from ocpi.golive.cli import check, preview_command, rule_commands
from ocpi.golive.mappingcli import mapping_commands
from ocpi.journal.cli import messages_app
from ocpi.messages import set_up_logging
from ocpi.migrate import upgrade
from ocpi.observing.cli import observe_app
from ocpi.observing.serving import MetricsServer
from ocpi.openfiles import raise_open_files
from ocpi.opening import open_context
from ocpi.oversight import scraping_of
from ocpi.pull.cli import sync_command
from ocpi.push.cli import push_app, verify_command
from ocpi.push.pace import Pace
from ocpi.settings import Settings
from ocpi.terminal import run
from ocpi.testing.cli import mock_app
from ocpi.testing.replay import run_replay
from ocpi.usage import show_examples

app = typer.Typer(
    help="An OCPI 2.2.1 service for charge point operators and roaming hubs.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
for name, part in (
    ("party", party_app),
    ("partner", partner_app),
    ("agreement", agreement_app),
    ("hub", hub_app),
    ("keys", keys_app),
    ("station", station_app),
    ("tariff", tariff_app),
    ("session", session_app),
    ("cdr", cdr_app),
    ("token", token_app),
    ("push", push_app),
    ("user", user_app),
    ("messages", messages_app),
    ("gdpr", gdpr_app),
    ("alarm", alarm_app),
    ("observe", observe_app),
    ("mock", mock_app),
):
    app.add_typer(part, name=name)
partner_app.command("sync")(sync_command(PULLABLES))
partner_app.command("check")(check)
partner_app.command("preview")(preview_command(PREVIEWED))
partner_app.add_typer(rule_commands(PREVIEWED), name="rule")
partner_app.add_typer(mapping_commands(PREVIEWED), name="tariff")
push_app.command("verify")(verify_command(SOURCES))
app.command("backup")(backup_command)
app.command("restore")(restore_command)


class _Server(uvicorn.Server):
    """Tells at once when it was told to end, not when the last answer has gone out."""

    def __init__(self, config: uvicorn.Config, ending: asyncio.Event) -> None:
        super().__init__(config)
        self._ending = ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._ending.set()
        super().handle_exit(sig, frame)


@app.command()
def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8000,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Tell partners what changes, too.")
    ] = True,
) -> None:
    """Serve partners and the admin API; migrates the database first."""

    async def act() -> None:
        settings = Settings()
        set_up_logging(settings.log_level)
        raise_open_files(Pace().open_files)
        async with open_context(settings) as context:
            await check_key(context)
            server = _Server(
                uvicorn.Config(
                    create_app(context, worker=worker),
                    host=host,
                    port=port,
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    # It refuses what h11 lets pass, such as a bare line feed in a header (TA-22).
                    http="httptools",
                    # Nobody asks for the caller's address.
                    proxy_headers=False,
                    timeout_graceful_shutdown=20,
                ),
                context.ending,
            )
            # What is there now stays, so that no search for garbage needs to look at it again.
            gc.collect()
            gc.freeze()
            await server.serve()

    run(act())


@app.command()
def worker(
    *,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Serve /metrics at this port.")
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(help="The address at which /metrics is served.")
    ] = "127.0.0.1",
) -> None:
    """Tell partners what changes, ask stations, pull lists: all without serving requests."""

    async def act() -> None:
        settings = Settings()
        set_up_logging(settings.log_level)
        raise_open_files(Pace().open_files)
        async with open_context(settings) as context:
            await check_key(context)
            ended = asyncio.Event()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, ended.set)
            duties = [*keepers_of(context), *duties_of(mounted(context))]
            if metrics_port is not None:
                duties.append(MetricsServer(scraping_of(context), metrics_host, metrics_port))
            async with on_duty(duties):
                await ended.wait()

    run(act())


@app.command()
def migrate() -> None:
    """Bring the database schema to this version."""

    async def act() -> None:
        async with open_context() as context:
            await upgrade(context.database)
            typer.echo(f"{context.database.url.render_as_string()} is up to date.")

    run(act())


@app.command()
def demo(
    *,
    port: Annotated[int, typer.Option(help="Port of the service, if free.")] = 8000,
    emsp_port: Annotated[
        int, typer.Option(help="Port of the mock eMSP, or of the first party, if free.")
    ] = 8001,
    hub: Annotated[
        bool, typer.Option("--hub", help="Show the hub: two CPOs and two eMSPs that roam.")
    ] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Play 110,366 real sessions through, and compare.")
    ] = False,
    sessions: Annotated[int | None, typer.Option(help="With --replay: only the first so many.")] = (
        None
    ),
    database_url: Annotated[
        str | None, typer.Option(help="With --replay: an empty database, instead of a SQLite file.")
    ] = None,
) -> None:
    """Show the product: real stations, a mock eMSP that registers, drivers who charge."""
    if hub:
        run(run_hub_demo(typer.echo, port, emsp_port))
    elif not replay:
        run(run_demo(typer.echo, port, emsp_port))
    elif not run(run_replay(typer.echo, database_url, sessions)):
        raise typer.Exit(1)


@app.command()
def openapi(
    folder: Annotated[Path, typer.Argument(help="Where to write the documents.")] = Path("openapi"),
) -> None:
    """Export the OpenAPI documents of the OCPI endpoints and of the admin API."""
    for path in export_documents(folder):
        typer.echo(path)


show_examples(app)


def main() -> None:
    """Run the command line."""
    app()
