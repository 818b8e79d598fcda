"""The commands `ocpi cdr ...` about CDRs as they are stored, beside those about prices."""

from dataclasses import asdict
from typing import Annotated

import typer

from modules.cdrs.audit import audit
from modules.cdrs.checks import count_checks, list_checks
from modules.cdrs.conflicts import list_conflicts
from modules.cdrs.exporting import CDRS
from modules.cdrs.own import credit_own
from modules.cdrs.receipts import with_receipts
from modules.cdrs.sealcli import seal_command, verify_command
from modules.cdrs.store import CDRRow, cdrs
from modules.tariffs.cli import cdr_app
from ocpi.context import Context
from ocpi.editing import Document
from ocpi.errors import UnknownObject, missing
from ocpi.exportways import command
from ocpi.headers import Party
from ocpi.opening import open_context
from ocpi.parties import PlatformID, our_parties
from ocpi.recent import newest
from ocpi.spec.document import decode
from ocpi.terminal import AsJSON, print_json, print_table, run

__all__ = ["cdr_app"]

COLUMNS = ("id", "ended", "kWh", "cost", "", "driver of", "accepted", "at the partner")

Limit = Annotated[int, typer.Option(min=1, max=10000)]

cdr_app.command("export")(command(CDRS, "CDRs"))
cdr_app.command("seal")(seal_command)
cdr_app.command("verify")(verify_command)


@cdr_app.command("list")
def list_cdrs(*, limit: Limit = 50, as_json: AsJSON = False) -> None:
    """List our CDRs, the newest first, with who has accepted them."""

    async def act() -> None:
        async with open_context() as context:
            ours = await our_parties(context.database, PlatformID.CPO)
            total, texts = await newest(context.database, CDRRow, ours, limit=limit)
            found = await with_receipts(context.database, [decode(text) for text in texts])
        if as_json:
            print_json({"total": total, "cdrs": found})
            return
        print_table(COLUMNS, [_summary(**entry) for entry in found])
        typer.echo(f"{len(found)} of {total}")

    run(act())


@cdr_app.command("show")
def show_cdr(cdr_id: str, *, as_json: AsJSON = False) -> None:
    """Show one of our CDRs, and who has accepted it."""

    async def act() -> None:
        async with open_context() as context:
            cdr = await _find(context, cdr_id)
            (entry,) = await with_receipts(context.database, [cdr])
        if as_json:
            print_json(entry)
        else:
            print_table(COLUMNS, [_summary(**entry)])

    run(act())


@cdr_app.command("credit")
def credit_cdr(
    cdr_id: str,
    *,
    credit_id: Annotated[
        str | None, typer.Option("--id", help='Of the credit CDR; else the CDR\'s and "-C".')
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Take one of our CDRs back: its eMSP is sent a credit CDR."""

    async def act() -> None:
        async with open_context() as context:
            cdr = await _find(context, cdr_id)
            owner = Party(cdr["country_code"], cdr["party_id"])
            async with context.database.write() as db:
                written = await credit_own(db, owner, cdr_id, credit_id)
        credit = written.document
        if as_json:
            print_json(credit)
        else:
            typer.echo(f"{credit['id']} takes {cdr['id']} back: {_cost(credit)}")

    run(act())


@cdr_app.command("conflicts")
def show_conflicts(*, limit: Limit = 50, as_json: AsJSON = False) -> None:
    """List CDRs that partners posted under the id of another one."""

    async def act() -> None:
        async with open_context() as context:
            found = await list_conflicts(context.database, limit=limit)
        if as_json:
            print_json(found)
            return
        print_table(
            ("at", "partner", "id", "counts", "refused"),
            [
                (
                    each["at"],
                    each["partner"],
                    each["stored"]["id"],
                    _cost(each["stored"]),
                    _cost(each["refused"]),
                )
                for each in found
            ],
        )

    run(act())


@cdr_app.command("checks")
def show_checks(
    *,
    verdict: Annotated[
        str | None, typer.Option(help="Only those: agrees, disputed or unpriceable.")
    ] = None,
    limit: Limit = 50,
    as_json: AsJSON = False,
) -> None:
    """List the CDRs that partners posted, with what came of checking their prices."""

    async def act() -> None:
        async with open_context() as context:
            counts = await count_checks(context.database)
            found = await list_checks(context.database, verdict, limit=limit)
        if as_json:
            print_json({"counts": counts, "cdrs": found})
            return
        print_table(
            ("id", "of", "claimed", "verdict", "why"),
            [
                (
                    each["cdr"]["id"],
                    f"{each['cdr']['country_code']}*{each['cdr']['party_id']}",
                    _cost(each["cdr"]),
                    each["finding"]["verdict"],
                    each["finding"]["sentence"],
                )
                for each in found
            ],
        )
        for each in counts:
            typer.echo(f"{each['party']}: {each['count']} {each['verdict']}")

    run(act())


def show_audit(*, limit: Limit = 50, as_json: AsJSON = False) -> None:
    """List our CDRs that nobody has accepted, and why as far as is known."""

    async def act() -> None:
        async with open_context() as context:
            found = await audit(context, limit=limit)
        if as_json:
            print_json(asdict(found))
            return
        columns = ("partner", "owner", "id", "last_updated", "why")
        print_table(columns, [[each[column] for column in columns] for each in found.cdrs])
        typer.echo(
            f"{found.overdue} should have a receipt, {found.waiting} wait for their partner."
        )

    run(act())


async def _find(context: Context, cdr_id: str) -> Document:
    ours = await our_parties(context.database, PlatformID.CPO)
    try:
        cdr: Document = decode(await cdrs.text(context.database, ours, cdr_id))
    except UnknownObject:
        raise missing("CDR", cdr_id, ours) from None
    return cdr


def _cost(cdr: Document) -> str:
    return f"{cdr['total_cost']['excl_vat']} {cdr['currency']}"


def _summary(cdr: Document, receipts: list[Document]) -> tuple[object, ...]:
    token = cdr["cdr_token"]
    return (
        cdr["id"],
        cdr["end_date_time"],
        cdr["total_energy"],
        _cost(cdr),
        f"takes back {cdr['credit_reference_id']}" if cdr.get("credit") else "",
        f"{token['country_code']}*{token['party_id']}",
        "\n".join(each["accepted_at"] for each in receipts) or "not yet",
        "\n".join(each["url"] or "it did not say where" for each in receipts),
    )
