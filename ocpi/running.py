"""The commands `ocpi serve` and `ocpi worker`."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType
from typing import Annotated

import typer
import uvicorn

from credentials.agreements import keep_default
from credentials.keys import check_key
from ocpi.app import create_app, duties_of, keepers_of
from ocpi.catalogue import mounted
from ocpi.context import Context
from ocpi.crew import on_duty
from ocpi.messages import set_up_logging
from ocpi.observing.serving import MetricsServer
from ocpi.openfiles import raise_open_files
from ocpi.opening import open_context
from ocpi.oversight import scraping_of
from ocpi.push.pace import Pace
from ocpi.settings import Settings
from ocpi.terminal import run


def settle() -> None:
    """Spare a process that stays the search for garbage among what stays.

    That is all there is now, and requests under way: with hundreds of them it took a tenth of the
    processor, and a quarter of what a push costs, to look at them after every 700 new objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


_LISTENERS = 32


def listening(host: str, port: int) -> list[socket.socket]:
    """One address, listened at several times over. Ends the process where that cannot be.

    libuv takes one connection from each socket in a turn of its loop. A busy turn takes 50 ms, so
    that from a single one new callers, and whoever asks for its health, would wait for seconds.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        first = socket.create_server((host, port), family=family)
    except OSError as error:
        typer.echo(f"{error.strerror}. Choose another with --host and --port.", err=True)
        raise SystemExit(1) from None
    return [first, *(first.dup() for _ in range(_LISTENERS - 1))]


class _Server(uvicorn.Server):
    """Tells at once when it was told to end, not when the last answer has gone out."""

    def __init__(self, config: uvicorn.Config, ending: asyncio.Event) -> None:
        super().__init__(config)
        self._ending = ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._ending.set()
        super().handle_exit(sig, frame)


@asynccontextmanager
async def _at_work() -> AsyncIterator[Context]:
    """What a process that stays needs: its log, its files, and a key that opens what is stored."""
    settings = Settings()
    set_up_logging(settings.log_level)
    raise_open_files(Pace().open_files)
    async with open_context(settings) as context:
        await check_key(context)
        await keep_default(context)
        yield context


def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at.")] = 8000,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Tell partners what changes, too.")
    ] = True,
) -> None:
    """Serve partners and the admin API; migrates the database first."""

    async def act() -> None:
        async with _at_work() as context:
            config = uvicorn.Config(
                create_app(context, worker=worker),
                log_config=None,
                access_log=False,
                server_header=False,
                # It refuses what h11 lets pass, such as a bare line feed in a header (TA-22).
                http="httptools",
                # Nobody asks for the caller's address.
                proxy_headers=False,
                timeout_graceful_shutdown=20,
                # Load balancers close theirs after 60 s of rest. Who closes first must not be
                # this side, or a POST that meets the closing breaks off.
                timeout_keep_alive=75,
            )
            settle()
            await _Server(config, context.ending).serve(listening(host, port))

    run(act())


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
        async with _at_work() as context:
            ended = asyncio.Event()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, ended.set)
            duties = [*keepers_of(context), *duties_of(mounted(context))]
            if metrics_port is not None:
                duties.append(MetricsServer(scraping_of(context), metrics_host, metrics_port))
            settle()
            async with on_duty(duties):
                await ended.wait()

    run(act())
