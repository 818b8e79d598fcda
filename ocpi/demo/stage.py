"""What the demo plays on: its settings, real stations and Tariffs, and a registered mock eMSP."""

import secrets
import socket
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

from pydantic import SecretStr

from credentials.partners import add_partner
from modules.stations.imports.reading import read_stations, read_tariffs
from modules.stations.publishing import LOCATIONS, TARIFFS, Report, publish_records
from ocpi.context import Context
from ocpi.headers import Party
from ocpi.parties import PlatformID
from ocpi.settings import Settings
from ocpi.testing.emsp import MockEMSP

OWNER = Party("NL", "TSL")
DATA = files("ocpi.testing") / "data"

Say = Callable[[str], None]


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
        session_update_seconds=5,
        log_level="WARNING",
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
    with as_file(DATA / "tariffs-tesla-fr.json.gz") as path:
        report = await publish_records(
            context.database,
            read_tariffs(path, country_code=OWNER.country_code, party_id=OWNER.party_id),
            TARIFFS,
            OWNER,
            dry_run=False,
            seen=lambda _: None,
        )
        _tell(report, "Tariffs", say)
    with as_file(DATA / "locations-tesla-fr.json.gz") as path:
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


async def register(context: Context, emsp: MockEMSP, say: Say) -> None:
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
