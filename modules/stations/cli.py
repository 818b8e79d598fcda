"""Commands for the registry: import stations and tariffs, look at them, set a status."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from modules.locations.own import patch_own
from modules.locations.parts import Place
from modules.locations.store import locations
from modules.locations.tagging import tag_location
from modules.stations.chargecli import bill_charge, dismiss_charge, list_charges, post_reports
from modules.stations.imports.reading import count_records, read_stations, read_tariffs
from modules.stations.publishing import (
    LOCATIONS,
    TARIFFS,
    Kind,
    Outcome,
    Report,
    publish_records,
    with_tariff,
)
from modules.tariffs.cli import known_zone
from modules.tariffs.store import tariffs
from ocpi.context import Context
from ocpi.errors import InvalidParameters, UnknownObject
from ocpi.headers import Party
from ocpi.opening import open_context
from ocpi.pagination import Paging
from ocpi.parties import named_party
from ocpi.spec.document import decode
from ocpi.spec.locations import Status
from ocpi.terminal import AsJSON, print_json, print_table, run

station_app = typer.Typer(help="Our stations, published as Locations.", no_args_is_help=True)
station_app.command("charges")(list_charges)
station_app.command("bill")(bill_charge)
station_app.command("dismiss")(dismiss_charge)
station_app.command("report")(post_reports)


class RefusedError(ValueError):
    """Of a file not everything could be used."""


File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The file to read.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and keep nothing.")]
PartyOption = Annotated[
    str | None,
    typer.Option("--party", help="The party of ours to publish as, such as DE*ABC."),
]


OwnerOption = Annotated[
    str | None,
    typer.Option("--party", help="The party of ours whose stations are meant, such as DE*ABC."),
]


@station_app.command("import")
def import_stations(
    file: File,
    *,
    party: PartyOption = None,
    time_zone: Annotated[
        str | None,
        typer.Option(
            callback=known_zone, help="IANA name, where neither file nor coordinates tell it."
        ),
    ] = None,
    tariff: Annotated[
        str | None, typer.Option(help="Id of the Tariff of Connectors for which the file has none.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJSON = False,
) -> None:
    """Import stations: OCPI 2.2.1 or 2.1.1 Locations, IRVE (JSON lines or CSV), or our own CSV.

    Importing again updates what has changed and leaves the rest untouched. Files may be gzipped.
    """

    async def act() -> None:
        async with open_context() as context:
            owner = await named_party(context.database, party)
            records = read_stations(
                file,
                country_code=owner.country_code,
                party_id=owner.party_id,
                default_time_zone=time_zone,
            )
            if tariff is not None:
                records = with_tariff(records, await _known_tariff(context, owner, tariff))
            await _publish(
                context, file, records, LOCATIONS, owner, dry_run=dry_run, as_json=as_json
            )

    run(act())


async def _known_tariff(context: Context, owner: Party, tariff_id: str) -> str:
    """A Tariff's id as it is stored; raises ``UnknownObject`` with what to do."""
    async with context.database.read() as db:
        found = await tariffs.get(db, owner, tariff_id)
    if found is None:
        raise UnknownObject(
            f"{owner} has no Tariff {tariff_id}: bring it in first, by `ocpi tariff import FILE`."
        )
    known: str = found["id"]
    return known


def import_tariffs(
    file: File, *, party: PartyOption = None, dry_run: DryRun = False, as_json: AsJSON = False
) -> None:
    """Import Tariffs in OCPI's JSON; what 2.2.1 does not know is kept and reported."""

    async def act() -> None:
        async with open_context() as context:
            owner = await named_party(context.database, party)
            records = read_tariffs(file, country_code=owner.country_code, party_id=owner.party_id)
            await _publish(context, file, records, TARIFFS, owner, dry_run=dry_run, as_json=as_json)

    run(act())


async def _publish(
    context: Context,
    file: Path,
    records: Iterator[Any],
    kind: Kind,
    owner: Party,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    with _progress(file, as_json=as_json) as seen:
        report = await publish_records(
            context.database, records, kind, owner, dry_run=dry_run, seen=seen
        )
    if as_json:
        print_json(_as_document(report, dry_run=dry_run))
    else:
        _print_report(report, dry_run=dry_run)
    if report.refusals:
        count = len(report.refusals)
        told = "1 record was" if count == 1 else f"{count} records were"
        raise RefusedError(f"{told} refused; the others are not concerned.")


@contextmanager
def _progress(file: Path, *, as_json: bool) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=as_json) as progress:
        task = progress.add_task(file.name, total=count_records(file))
        yield lambda count: progress.advance(task, count)


def _as_document(report: Report, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        **{outcome.value: report.counts[outcome] for outcome in Outcome},
        "refused": [
            {"record": each.record, "field": each.field, "reason": each.reason}
            for each in report.refusals
        ],
        "remarks": [
            {"record": each.record, "field": each.field, "reason": each.reason}
            for each in report.remarks
        ],
    }


def _print_report(report: Report, *, dry_run: bool) -> None:
    counts = ", ".join(f"{report.counts[outcome]} {outcome.value}" for outcome in Outcome)
    typer.echo(f"{'Would be: ' if dry_run else ''}{counts}, {len(report.refusals)} refused.")
    kinds = Counter((re.sub(r"\d+", "*", each.field), each.reason) for each in report.remarks)
    if kinds:
        typer.echo("\nKept or repaired:")
        columns = ("times", "field", "what")
        print_table(columns, [(count, *kind) for kind, count in kinds.most_common(20)])
    if report.refusals:
        typer.echo("\nRefused:")
        columns = ("record", "field", "reason")
        print_table(columns, [(each.record, each.field, each.reason) for each in report.refusals])


@station_app.command("list")
def list_stations(
    *,
    party: OwnerOption = None,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10000)] = 50,
    as_json: AsJSON = False,
) -> None:
    """List our stations."""

    async def act() -> None:
        async with open_context() as context:
            owner = await named_party(context.database, party)
            page = await locations.page(context.database, Paging(offset, limit), (owner,))
            found = [decode(body) for body in page.bodies]
            if as_json:
                print_json({"total": page.total, "stations": found})
                return
            print_table(
                ("id", "name", "city", "EVSEs", "statuses", "last updated"),
                [_summary(location) for location in found],
            )
            typer.echo(f"{len(found)} of {page.total}")

    run(act())


def _summary(location: dict[str, Any]) -> tuple[object, ...]:
    evses = location.get("evses", [])
    statuses = Counter(evse["status"] for evse in evses)
    told = " ".join(f"{count} {status}" for status, count in statuses.most_common())
    name = location.get("name", location["address"])
    return (location["id"], name, location["city"], len(evses), told, location["last_updated"])


@station_app.command("show")
def show_station(location_id: str, *, party: OwnerOption = None, as_json: AsJSON = False) -> None:
    """Show one station with its EVSEs and Connectors."""

    async def act() -> None:
        async with open_context() as context:
            owner = await named_party(context.database, party)
            location = decode(await locations.text(context.database, (owner,), location_id))
            if as_json:
                print_json(location)
                return
            print_table(
                ("id", "name", "city", "EVSEs", "statuses", "last updated"), [_summary(location)]
            )
            print_table(
                ("EVSE", "evse_id", "status", "connectors"),
                [
                    (evse["uid"], evse.get("evse_id"), evse["status"], _plugs(evse))
                    for evse in location.get("evses", [])
                ],
            )

    run(act())


def _plugs(evse: dict[str, Any]) -> str:
    return ", ".join(
        f"{each['id']} {each['standard']} {each.get('max_electric_power', '?')} W"
        for each in evse["connectors"]
    )


@station_app.command("tag")
def tag_station(
    location_id: str,
    tags: Annotated[list[str] | None, typer.Argument(help="Tags to add, such as fleet.")] = None,
    *,
    remove: Annotated[list[str] | None, typer.Option(help="A tag to remove.")] = None,
    party: OwnerOption = None,
    as_json: AsJSON = False,
) -> None:
    """Add and remove our own tags of a station, by which rules choose what a partner sees.

    Partners never see tags. Without any it shows those that there are.
    """

    async def act() -> list[str]:
        async with open_context() as context:
            owner = await named_party(context.database, party)
            async with context.database.write() as db:
                return await tag_location(
                    db, owner, location_id, add=tuple(tags or ()), remove=tuple(remove or ())
                )

    found = run(act())
    if as_json:
        print_json(found)
    else:
        typer.echo(f"{location_id}: {', '.join(found) or 'no tags'}")


@station_app.command("set-status")
def set_status(
    location_id: str,
    evse_uid: str,
    status: Annotated[str, typer.Argument(help=", ".join(Status))],
    *,
    party: OwnerOption = None,
    as_json: AsJSON = False,
) -> None:
    """Set the status of an EVSE; partners hear of it within seconds."""

    async def act() -> None:
        if status not in set(Status):
            raise InvalidParameters(f"status: one of {', '.join(Status)} is due, not {status!r}")
        async with open_context() as context:
            owner = await named_party(context.database, party)
            place = Place(location_id, evse_uid)
            async with context.database.write() as db:
                written = await patch_own(db, owner, place, {"status": status})
            evse = written.document
            if as_json:
                print_json(evse)
            else:
                typer.echo(f"{evse['uid']} is {evse['status']} since {evse['last_updated']}")

    run(act())
