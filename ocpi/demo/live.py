"""The whole product in a minute: service, mock eMSP, real stations, and a real handshake."""

import asyncio
import random
import secrets
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib.resources import as_file, files
from pathlib import Path

from pydantic import SecretStr

from credentials.partners import add_partner
from modules.locations.own import patch_own
from modules.locations.parts import Place
from modules.locations.store import locations
from modules.stations.imports.reading import read_stations, read_tariffs
from modules.stations.publishing import LOCATIONS, TARIFFS, Report, publish_records
from ocpi.app import create_app
from ocpi.context import Context
from ocpi.headers import Party
from ocpi.opening import open_context
from ocpi.pagination import Paging
from ocpi.parties import PlatformID
from ocpi.settings import Settings
from ocpi.spec.document import decode
from ocpi.store import Document
from ocpi.testing.emsp import MockEMSP, running
from ocpi.testing.emsp import Party as MockParty
from ocpi.testing.serving import serving

OWNER = Party("NL", "TSL")
CHANGES_PER_SECOND = 2.0
STATUSES = ("AVAILABLE", "CHARGING", "CHARGING", "BLOCKED", "OUTOFORDER")

Say = Callable[[str], None]


async def run_demo(say: Say, port: int, emsp_port: int) -> None:
    """Run until SIGINT or SIGTERM, telling what happens."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ocpi-demo-")))
        settings = demo_settings(folder, _free(port))
        context = await stack.enter_async_context(open_context(settings))
        await _import_stations(context, say)
        await stack.enter_async_context(
            serving(create_app(context), port=int(settings.base_url.rpartition(":")[2]))
        )
        say(f"The service answers at {settings.base_url}, its database is in {folder}.")
        emsp = MockEMSP((MockParty("DE", "MSP", "Demo eMSP"),))
        page = await stack.enter_async_context(running(emsp, port=_free(emsp_port)))
        await _register(context, emsp, say)
        _tell_what_to_try(settings, emsp, page, say)
        say(f"Ready after {time.monotonic() - started:.1f} s. Ctrl-C stops it.\n")
        await _live(context, emsp, stopped, say)
    say("Stopped.")


def demo_settings(folder: Path, port: int) -> Settings:
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
        log_level="WARNING",
    )


def _free(port: int) -> int:
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


async def _import_stations(context: Context, say: Say) -> None:
    data = files("ocpi.testing") / "data"
    with as_file(data / "tariffs-tesla-fr.json.gz") as path:
        report = await publish_records(
            context.database,
            read_tariffs(path, country_code=OWNER.country_code, party_id=OWNER.party_id),
            TARIFFS,
            OWNER,
            dry_run=False,
            seen=lambda _: None,
        )
        _tell(report, "Tariffs", say)
    with as_file(data / "locations-tesla-fr.json.gz") as path:
        report = await publish_records(
            context.database,
            read_stations(path, country_code=OWNER.country_code, party_id=OWNER.party_id),
            LOCATIONS,
            OWNER,
            dry_run=False,
            seen=lambda _: None,
        )
        _tell(report, "Locations", say)


def _tell(report: Report, what: str, say: Say) -> None:
    imported = report.counts.total()
    say(f"Imported {imported} real {what}; {len(report.refusals)} were refused.")


async def _register(context: Context, emsp: MockEMSP, say: Say) -> None:
    party = emsp.parties[0]
    offered = await add_partner(
        context,
        "demo-emsp",
        PlatformID.CPO,
        [("EMSP", Party(party.country_code, party.party_id))],
    )
    say(f"Partner demo-emsp: registration token issued, versions URL {offered.versions_url}")
    peer = await emsp.register(offered.versions_url, offered.token)
    say(f"The eMSP registered by the credentials handshake; {len(peer.endpoints)} endpoints.")


def _tell_what_to_try(settings: Settings, emsp: MockEMSP, page: str, say: Say) -> None:
    assert emsp.peer is not None
    base = f"{settings.base_url}/ocpi/cpo/2.2.1/sender/locations"
    assert settings.admin_token is not None
    say(
        "\nTry:\n"
        f"  open {page}/ in a browser: what the eMSP knows\n"
        f"  curl -H 'Authorization: Token {emsp.peer.token_out}' '{base}?limit=1'\n"
        f"  curl -H 'Authorization: Bearer {settings.admin_token.get_secret_value()}' "
        f"{settings.base_url}/admin/partners\n"
    )


async def _live(context: Context, emsp: MockEMSP, stopped: asyncio.Event, say: Say) -> None:
    """Statuses change by themselves, and the eMSP's view follows."""
    places = await _places(context)
    chance = random.Random(7)  # noqa: S311 - a show, the same each time.
    changes = 0
    told = time.monotonic()
    while not stopped.is_set():
        if time.monotonic() - told >= 5:
            told = time.monotonic()
            say(await _view(context, emsp, changes))
        place, status = chance.choice(places), chance.choice(STATUSES)
        async with context.database.write() as db:
            written = await patch_own(db, OWNER, place, {"status": status})
        changes += written.changed
        try:
            await asyncio.wait_for(stopped.wait(), 1 / CHANGES_PER_SECOND)
        except TimeoutError:
            continue


async def _places(context: Context) -> list[Place]:
    return [
        Place(location["id"], evse["uid"])
        for location in await _locations(context)
        for evse in location["evses"]
    ]


async def _locations(context: Context) -> list[Document]:
    page = await locations.page(context.database, Paging(0, 10_000), (OWNER,))
    return [decode(body) for body in page.bodies]


async def _view(context: Context, emsp: MockEMSP, changes: int) -> str:
    ours = {location["id"]: location for location in await _locations(context)}
    theirs = {key[2].lower(): value for key, value in emsp.objects["locations"].items()}
    same = sum(1 for each, location in ours.items() if theirs.get(each.lower()) == location)
    return (
        f"{changes} status changes so far; the eMSP holds {len(theirs)} Locations and "
        f"{len(emsp.objects['tariffs'])} Tariffs, {same} of {len(ours)} Locations equal to ours; "
        f"{len(emsp.violations)} complaints."
    )
