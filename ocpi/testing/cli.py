"""The commands `ocpi mock ...`: partners to try the service against."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import dataclass
from typing import Annotated

import typer

from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party, PeerFailed, running

mock_app = typer.Typer(name="mock", help="Partners to try the service against.")


@dataclass(frozen=True)
class Registration:
    versions_url: str
    token: str


@mock_app.callback()
def mock() -> None:
    """Partners to try the service against."""


@mock_app.command()
def emsp(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at; 0 is any free one.")] = 0,
    country_code: Annotated[str, typer.Option(help="Country code of its party.")] = "DE",
    party_id: Annotated[str, typer.Option(help="Id of its party.")] = "MSP",
    name: Annotated[str, typer.Option(help="Name of its party.")] = "Mock eMSP",
    versions_url: Annotated[str, typer.Option(help="Register with this platform.")] = "",
    token: Annotated[str, typer.Option(help="Token A from that platform.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,  # noqa: FBT002
) -> None:
    """Run a mock eMSP until it is interrupted."""
    if bool(versions_url) != bool(token):
        raise typer.BadParameter("--versions-url and --token belong together")
    registration = Registration(versions_url, token) if token else None
    party = Party(country_code, party_id, name)
    try:
        asyncio.run(run_emsp(party, host, port, registration, as_json=as_json))
    except (PeerFailed, OSError) as failure:
        typer.echo(str(failure), err=True)
        raise typer.Exit(1) from failure


async def run_emsp(
    party: Party, host: str, port: int, registration: Registration | None, *, as_json: bool
) -> None:
    """Serve a mock eMSP with one token of its own until SIGINT or SIGTERM."""
    mock = MockEMSP((party,))
    owner = {"country_code": party.country_code, "party_id": party.party_id}
    mock.issue_token(samples.token(issuer=party.name, **owner))
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    async with running(mock, host, port) as base_url:
        if registration is not None:
            await mock.register(registration.versions_url, registration.token)
        told = {"versions_url": mock.versions_url, "page": f"{base_url}/"}
        if registration is None:
            told["token"] = mock.token_a
        lines = [f"{title}: {value}" for title, value in told.items()]
        typer.echo(json.dumps(told) if as_json else "\n".join(lines))
        await interrupted.wait()
