"""What the demos play on: the service, real stations and Tariffs, and partners that register."""

import asyncio
import secrets
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from credentials.partners import add_partner
from modules.stations.gateways.simulator import Simulator
from modules.stations.imports.reading import read_stations, read_tariffs
from modules.stations.publishing import LOCATIONS, TARIFFS, publish_records
from ocpi.app import create_app
from ocpi.console.staff import Role, add_staff
from ocpi.context import Context
from ocpi.headers import Party
from ocpi.opening import open_context
from ocpi.parties import PlatformID
from ocpi.settings import Settings
from ocpi.testing.mock.platform import MockPlatform
from ocpi.testing.serving import serving

OWNER = Party("NL", "TSL")
STAFF = "demo"
DATA = files("ocpi.testing") / "data"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """The running service and its simulated stations."""

    context: Context
    simulator: Simulator
    password: str
    """With which `STAFF` signs in to the console."""

    @property
    def console(self) -> str:
        """Where to look, as a line of what to try."""
        url = f"{self.context.settings.base_url}/console"
        return f"  open {url} in a browser: the console, for {STAFF} with {self.password}\n"


@asynccontextmanager
async def a_stage(say: Say, port: int, **settings: Any) -> AsyncIterator[Stage]:
    """Serve at the port, if it is free, with the real stations in a database of its own."""
    with tempfile.TemporaryDirectory(prefix="ocpi-demo-") as folder:
        chosen = demo_settings(Path(folder), free_port(port), **settings)
        async with open_context(chosen) as opened:
            simulator = Simulator(stays=5.0)
            context = replace(opened, gateway=simulator)
            simulator.connect(context)
            await import_stations(context, say)
            app, at = create_app(context), int(chosen.base_url.rpartition(":")[2])
            async with serving(app, port=at):
                password = await add_staff(context.database, STAFF, Role.ADMIN)
                say(f"The service answers at {chosen.base_url}, its database is in {folder}.")
                try:
                    yield Stage(context, simulator, password)
                finally:
                    # Pages that are still open would be waited for.
                    context.ending.set()


def until_signalled() -> asyncio.Event:
    """What is set at SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def demo_settings(folder: Path, port: int, **over: Any) -> Settings:
    """Settings for a lab on this machine, with secrets and a party of its own."""
    return Settings(
        country_code=OWNER.country_code,
        party_id=OWNER.party_id,
        name="Tesla France (published data)",
        base_url=f"http://127.0.0.1:{port}",
        database_url=f"sqlite+aiosqlite:///{folder / 'ocpi.sqlite'}",
        secret_key=SecretStr(secrets.token_urlsafe(32)),
        admin_token=SecretStr(secrets.token_urlsafe(24)),
        allow_private_networks=True,
        session_update_seconds=5,
        log_level="WARNING",
        **over,
    )


def free_port(port: int) -> int:
    """The port if it is free, else one that is."""
    for wish in (port, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", wish))
            except OSError:
                continue
            free: int = probe.getsockname()[1]
            return free
    raise OSError("No port is free on 127.0.0.1.")


async def import_stations(context: Context, say: Say) -> None:
    for what, kind in (("tariffs", TARIFFS), ("locations", LOCATIONS)):
        read = read_tariffs if kind is TARIFFS else read_stations
        with as_file(DATA / f"{what}-tesla-fr.json.gz") as path:
            records = read(path, country_code=OWNER.country_code, party_id=OWNER.party_id)
            report = await publish_records(
                context.database, records, kind, OWNER, dry_run=False, seen=lambda _: None
            )
        imported = report.counts.total()
        say(f"Imported {imported} real {what.title()}; {len(report.refusals)} were refused.")


async def register(
    context: Context, mock: MockPlatform, name: str, platform: PlatformID, say: Say
) -> None:
    """Add the partner, and have it register as the one that was added."""
    party = mock.parties[0]
    roles = [(party.role, Party(party.country_code, party.party_id))]
    offered = await add_partner(context, name, platform, roles)
    peer = await mock.register(offered.versions_url, offered.token)
    say(
        f"{party.name} ({party.role} {party.country_code}*{party.party_id}) registered as "
        f"{name} at {offered.versions_url}; it was told {len(peer.endpoints)} endpoints."
    )
