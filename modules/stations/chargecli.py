"""Commands for what stations report: the sessions that came of it, and reports from a file."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from modules.stations.reported import bill_reported, dismiss_reported, list_reported
from modules.stations.reports.applying import find_station, take_reports
from modules.stations.reports.desk import Outcome
from modules.stations.reports.forms import read_documents
from modules.stations.reports.record import Taken
from ocpi.context import Context
from ocpi.editing import Document
from ocpi.opening import open_context
from ocpi.terminal import AsJSON, print_json, print_table, run

_COLUMNS = ("id", "station_id", "evse_uid", "transaction_id", "started_at", "ended_at", "trouble")
_FIELDS = ("result", "note", "session_id", "cdr_id")


def list_charges(
    *,
    trouble: Annotated[
        bool, typer.Option("--trouble", help="Only those that need somebody.")
    ] = False,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    as_json: AsJSON = False,
) -> None:
    """List sessions as stations reported them, the newest first."""

    async def act() -> tuple[int, Sequence[Document]]:
        async with open_context() as context:
            return await list_reported(
                context.database, trouble=trouble, limit=limit, offset=offset
            )

    total, found = run(act())
    if as_json:
        print_json({"total": total, "charges": found})
        return
    _print_charges(found)
    typer.echo(f"{len(found)} of {total}")


def _print_charges(charges: Sequence[Document]) -> None:
    print_table(_COLUMNS, [[each[name] for name in _COLUMNS] for each in charges])


ChargeID = Annotated[
    int,
    typer.Argument(metavar="ID", min=1, max=2**31 - 1, help="As `ocpi station charges` has it"),
]


def dismiss_charge(charge_id: ChargeID, *, as_json: AsJSON = False) -> None:
    """Have a session in trouble no more, once you have dealt with it."""

    async def act() -> Document:
        async with open_context() as context:
            return await dismiss_reported(context, charge_id)

    charge = run(act())
    if as_json:
        print_json(charge)
    else:
        _print_charges([charge])


def bill_charge(charge_id: ChargeID, *, as_json: AsJSON = False) -> None:
    """Bill a session again, once its token or Tariff is known."""

    async def act() -> Outcome:
        async with open_context() as context:
            return await bill_reported(context, charge_id)

    _show([run(act())], as_json=as_json)


def post_reports(
    station_id: Annotated[str, typer.Argument(help="Location.id of the station.")],
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A report in JSON, or a list.")
    ],
    *,
    party: Annotated[
        str, typer.Option(help="The party of ours whose station it is, such as DE*ABC.")
    ] = "",
    as_json: AsJSON = False,
) -> None:
    """Report from a file what a station did, as its backend would."""

    async def act() -> Sequence[Outcome]:
        documents = read_documents(await asyncio.to_thread(file.read_bytes))
        async with open_context() as context:
            return await _take(context, station_id, party, documents)

    _show(run(act()), as_json=as_json)


async def _take(
    context: Context, station_id: str, party: str, documents: Sequence[Document]
) -> Sequence[Outcome]:
    country_code, _, party_id = party.replace("-", "*").partition("*")
    station = await find_station(
        context.database, station_id, country_code or None, party_id or None
    )
    return await take_reports(context, station, documents)


def _show(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Print what came of it; what was refused ends the command with code 1."""
    told = [each.document() for each in outcomes]
    if as_json:
        print_json({"results": told})
    else:
        print_table(_FIELDS, [[each.get(name) for name in _FIELDS] for each in told])
    if any(each.result is Taken.REFUSED for each in outcomes):
        raise typer.Exit(1)
