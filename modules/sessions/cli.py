"""The commands `ocpi session ...`."""

from typing import Annotated

import typer

from modules.sessions.exporting import SESSIONS
from modules.sessions.store import SessionRow, sessions, with_status
from ocpi.editing import Document
from ocpi.errors import UnknownObject, missing
from ocpi.exportways import command
from ocpi.opening import open_context
from ocpi.parties import PlatformID, our_parties
from ocpi.recent import newest
from ocpi.spec.document import decode
from ocpi.spec.sessions import SessionStatus
from ocpi.terminal import AsJSON, print_json, print_table, run

session_app = typer.Typer(help="Our charging Sessions.", no_args_is_help=True)

COLUMNS = ("id", "status", "kwh", "since", "where", "driver of", "last updated")


session_app.command("export")(command(SESSIONS, "Sessions"))


@session_app.command("list")
def list_sessions(
    *,
    status: Annotated[
        SessionStatus | None, typer.Option(help="Only Sessions with this status.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10000)] = 50,
    as_json: AsJSON = False,
) -> None:
    """List our Sessions, the newest first."""

    async def act() -> None:
        async with open_context() as context:
            ours = await our_parties(context.database, PlatformID.CPO)
            total, texts = await newest(
                context.database, SessionRow, ours, *with_status(status), limit=limit
            )
        found = [decode(text) for text in texts]
        if as_json:
            print_json({"total": total, "sessions": found})
            return
        print_table(COLUMNS, [_summary(session) for session in found])
        typer.echo(f"{len(found)} of {total}")

    run(act())


@session_app.command("show")
def show_session(session_id: str, *, as_json: AsJSON = False) -> None:
    """Show one of our Sessions with its charging periods."""

    async def act() -> None:
        async with open_context() as context:
            ours = await our_parties(context.database, PlatformID.CPO)
            try:
                session = decode(await sessions.text(context.database, ours, session_id))
            except UnknownObject:
                raise missing("Session", session_id, ours) from None
        if as_json:
            print_json(session)
            return
        print_table(COLUMNS, [_summary(session)])
        print_table(
            ("period from", "tariff", "what"),
            [
                (period["start_date_time"], period.get("tariff_id"), _volumes(period))
                for period in session.get("charging_periods", [])
            ],
        )

    run(act())


def _summary(session: Document) -> tuple[object, ...]:
    token = session["cdr_token"]
    return (
        session["id"],
        session["status"],
        session["kwh"],
        session["start_date_time"],
        f"{session['location_id']}/{session['evse_uid']}",
        f"{token['country_code']}*{token['party_id']}",
        session["last_updated"],
    )


def _volumes(period: Document) -> str:
    return ", ".join(f"{each['type']} {each['volume']}" for each in period["dimensions"])
