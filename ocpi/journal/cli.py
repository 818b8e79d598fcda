"""The command `ocpi messages`: what was exchanged with partners."""

from typing import Annotated

import typer

from ocpi.errors import UnknownObject
from ocpi.journal.curl import curl_of
from ocpi.journal.searching import (
    MessageDetail,
    MessageView,
    Wanted,
    find_messages,
    is_known,
    read_message,
)
from ocpi.messages import plain
from ocpi.opening import open_context
from ocpi.terminal import AsJSON, print_json, print_table, run

COLUMNS = (
    "id",
    "at",
    "",
    "partner",
    "method",
    "object or URL",
    "http",
    "ocpi",
    "ms",
    "correlation",
)

messages_app = typer.Typer(
    help="What was exchanged with partners, newest first; no token is in it.",
    invoke_without_command=True,
)


@messages_app.callback()
def messages(  # noqa: PLR0913 - an option for each way of searching.
    ctx: typer.Context,
    *,
    partner: Annotated[str | None, typer.Option(help="Your name for it.")] = None,
    about: Annotated[
        str | None, typer.Option("--object", help="sessions/DE/ABC/123, or the id alone.")
    ] = None,
    correlation: Annotated[str | None, typer.Option(help="An X-Correlation-ID.")] = None,
    since: Annotated[str | None, typer.Option(help="Such as 2026-01-31T12:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this moment.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only what failed.")] = False,
    direction: Annotated[str | None, typer.Option(help="IN or OUT.")] = None,
    module: Annotated[str | None, typer.Option(help="Such as sessions.")] = None,
    token: Annotated[
        str | None, typer.Option(help="The whole uid or contract id of a driver.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10000)] = 50,
    as_json: AsJSON = False,
) -> None:
    """Search the message log."""
    if ctx.invoked_subcommand is not None:
        return
    wanted = Wanted(
        partner=partner,
        object=about,
        correlation=correlation,
        since=since,
        until=until,
        failed=failed,
        direction=direction,
        module=module,
        token=token,
        limit=limit,
    )

    async def act() -> list[MessageView]:
        async with open_context() as context:
            found = await find_messages(context.database, context.seal, wanted)
            if partner is not None and not found and not await is_known(context.database, partner):
                raise UnknownObject(f"No partner is named {partner}, and no message is of one.")
            return found

    found = run(act())
    if as_json:
        print_json([each.model_dump() for each in found])
        return
    print_table(COLUMNS, [_summary(each) for each in found])


@messages_app.command("show")
def show(
    number: Annotated[int, typer.Argument(min=1, help="As `ocpi messages` lists it.")],
    *,
    curl: Annotated[bool, typer.Option("--curl", help="As a curl command.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Show a message and what belongs to it, such as a hub's other leg."""

    async def act() -> tuple[MessageDetail, str]:
        async with open_context() as context:
            found = await read_message(context.database, number)
            return found, curl_of(found, context.settings.base_url) if curl else ""

    message, command = run(act())
    if curl:
        typer.echo(plain(command))
    elif as_json:
        print_json(message.model_dump())
    else:
        _print_whole(message)


def _print_whole(message: MessageDetail) -> None:
    bodies = {"request", "response", "related"}
    told = message.model_dump(exclude=bodies | {"request_cut", "response_cut"})
    print_table(("", ""), [(name, value) for name, value in told.items() if value is not None])
    for name, body, cut in (
        ("request", message.request, message.request_cut),
        ("response", message.response, message.response_cut),
    ):
        typer.echo(f"\n{name}{', its begin' if cut else ''}:\n{plain(body) or '(empty)'}")
    if message.related:
        typer.echo("\nWith the same correlation id:")
        print_table(COLUMNS, [_summary(each) for each in message.related])


def _summary(each: MessageView) -> tuple[object, ...]:
    place = each.failure if each.direction == "LOST" else each.object or each.url
    code = each.status_code if each.failure is None else each.failure
    return (
        each.id,
        each.at,
        each.direction,
        each.partner,
        each.method,
        place,
        each.http_status,
        None if each.direction == "LOST" else code,
        each.ms,
        each.correlation_id,
    )
