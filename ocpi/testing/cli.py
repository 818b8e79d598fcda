"""The commands `ocpi mock ...`: partners to try the service against."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import dataclass
from typing import Annotated

import typer

from ocpi.testing import samples
from ocpi.testing.cpo import MockCPO
from ocpi.testing.emsp import MockEMSP
from ocpi.testing.mock.app import running
from ocpi.testing.mock.outgoing import PeerFailed
from ocpi.testing.mock.platform import MockPlatform
from ocpi.testing.mock.state import Party, key_of

mock_app = typer.Typer(name="mock", help="Partners to try the service against.")

Host = Annotated[str, typer.Option(help="Address to listen at.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 is any free one.")]
CountryCode = Annotated[str, typer.Option(help="Country code of its party.")]
PartyID = Annotated[str, typer.Option(help="Id of its party.")]
Name = Annotated[str, typer.Option(help="Name of its party.")]
VersionsURL = Annotated[str, typer.Option(help="Register with this platform.")]
Token = Annotated[str, typer.Option(help="Token A from that platform.")]
AsJSON = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


@dataclass(frozen=True)
class Start:
    """Where a mock listens, and whom it registers with if it has a token."""

    host: str
    port: int
    versions_url: str
    token: str
    as_json: bool


@mock_app.callback()
def mock() -> None:
    """Partners to try the service against."""


@mock_app.command()
def emsp(
    host: Host = "127.0.0.1",
    port: Port = 0,
    country_code: CountryCode = "DE",
    party_id: PartyID = "MSP",
    name: Name = "Mock eMSP",
    versions_url: VersionsURL = "",
    token: Token = "",
    as_json: AsJSON = False,  # noqa: FBT002
) -> None:
    """Run a mock eMSP, with one token of its own, until it is interrupted."""
    mock = MockEMSP([Party(country_code, party_id, name)])
    owner = {"country_code": country_code, "party_id": party_id}
    mock.issue_token(samples.token(issuer=name, **owner))
    run(mock, Start(host, port, versions_url, token, as_json))


@mock_app.command()
def cpo(
    host: Host = "127.0.0.1",
    port: Port = 0,
    country_code: CountryCode = "DE",
    party_id: PartyID = "CPO",
    name: Name = "Mock CPO",
    versions_url: VersionsURL = "",
    token: Token = "",
    as_json: AsJSON = False,  # noqa: FBT002
) -> None:
    """Run a mock CPO, with one Location and its Tariff, until it is interrupted."""
    mock = MockCPO([Party(country_code, party_id, name, "CPO")])
    owner = {"country_code": country_code, "party_id": party_id}
    for module, document in (
        ("locations", samples.location(operator={"name": name}, **owner)),
        ("tariffs", samples.tariff(**owner)),
    ):
        mock.objects[module][key_of(module, document)] = document
    run(mock, Start(host, port, versions_url, token, as_json))


def run(mock: MockPlatform, start: Start) -> None:
    if bool(start.versions_url) != bool(start.token):
        raise typer.BadParameter("--versions-url and --token belong together")
    try:
        asyncio.run(serve(mock, start))
    except BrokenPipeError:
        raise
    except (PeerFailed, OSError) as failure:
        typer.echo(str(failure), err=True)
        raise typer.Exit(1) from failure


async def serve(mock: MockPlatform, start: Start) -> None:
    """Serve the mock until SIGINT or SIGTERM."""
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    async with running(mock, start.host, start.port) as base_url:
        told = {"versions_url": mock.versions_url, "page": f"{base_url}/"}
        if start.token:
            await mock.register(start.versions_url, start.token)
        else:
            told["token"] = mock.token_a
        lines = [f"{title}: {value}" for title, value in told.items()]
        typer.echo(json.dumps(told) if start.as_json else "\n".join(lines))
        await interrupted.wait()
