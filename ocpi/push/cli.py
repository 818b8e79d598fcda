"""The commands `ocpi push ...`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer

from ocpi.database import Database
from ocpi.messages import plain
from ocpi.opening import open_context
from ocpi.push.operating import (
    asked_pause,
    drop_parked,
    list_lanes,
    list_parked,
    retry_parked,
    rewind_partner,
)
from ocpi.push.source import Source
from ocpi.push.verifying import Verification, Wanted, verification_view, verify
from ocpi.terminal import AsJSON, print_json, print_table, run

T = TypeVar("T")

push_app = typer.Typer(help="How partners are kept up to date.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Your name for the partner.")]


def _act(work: Callable[[Database], Awaitable[T]]) -> T:
    async def inside() -> T:
        async with open_context() as context:
            return await work(context.database)

    return run(inside())


@push_app.command("status")
def status(*, as_json: AsJSON = False) -> None:
    """Who is behind, how far, and why."""

    async def read() -> list[dict[str, Any]]:
        async with open_context() as context:
            checked = context.settings.require_check
            return await list_lanes(context.database, require_check=checked)

    lanes = run(read())
    if as_json:
        print_json(lanes)
        return
    print_table(
        ("partner", "state", "behind", "parked", "last success", "why"),
        [
            (
                lane["partner"],
                lane["state"],
                lane["behind"],
                ", ".join(f"{count} {kind}" for kind, count in lane["parked"].items()),
                lane["last_success_at"],
                lane["reason"] or _pause(lane["paused_until"]) or _failing(lane),
            )
            for lane in lanes
        ],
    )


def _failing(lane: dict[str, Any]) -> str | None:
    """Its last failure, unless all has been told since."""
    error: str | None = lane["last_error"]
    return error if lane["behind"] or lane["parked"] else None


def _pause(until: str | None) -> str | None:
    return until and f"It has asked for a pause until {until}."


@push_app.command("parked")
def parked(name: Name, *, as_json: AsJSON = False) -> None:
    """What a partner did not take, and why."""
    found = _act(lambda database: list_parked(database, name))
    if as_json:
        print_json(found)
        return
    columns = ("object", "kind", "attempts", "next_at", "error")
    print_table(columns, [[each[column] for column in columns] for each in found])


@push_app.command("retry")
def retry(
    name: Name,
    key: Annotated[
        str | None, typer.Argument(help="The object; without it, all parked ones.")
    ] = None,
    *,
    as_json: AsJSON = False,
) -> None:
    """Try parked objects again now, and ask a partner that is stopped whether it is back."""

    async def again(database: Database) -> tuple[int, str | None]:
        return await retry_parked(database, name, key), await asked_pause(database, name)

    count, until = _act(again)
    if as_json:
        print_json({"retried": count, "paused_until": until})
    elif until is None:
        typer.echo(f"{count} parked objects are tried again.")
    else:
        typer.echo(f"{count} parked objects are tried again after that: {_pause(until)}")


@push_app.command("drop")
def drop(
    name: Name,
    key: Annotated[str, typer.Argument(help="The object, as `parked` lists it.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Even a CDR: nobody will pay it.")] = False,
) -> None:
    """Give a parked object up, until it changes."""
    _act(lambda database: drop_parked(database, name, key, force=force))
    typer.echo(f"{name} is not told {key} until it changes, or `ocpi push retry` names it.")


@push_app.command("rewind")
def rewind(
    name: Name,
    *,
    since: Annotated[
        str | None, typer.Option(help="Only what changed since, such as 2026-01-31T12:00:00Z.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Tell a partner again what changed since a moment, or everything."""
    begin = _act(lambda database: rewind_partner(database, name, since))
    if as_json:
        print_json({"rewound": name, "since": begin})
    elif begin is None:
        typer.echo(f"{name} is told everything again.")
    else:
        typer.echo(f"{name} is told again what changed since {begin}.")


def verify_command(sources: Mapping[str, Source]) -> Callable[..., None]:
    """The command that compares what partners hold with what they were told."""

    def act(
        name: Name,
        *,
        module: Annotated[str | None, typer.Option(help="Only this one's objects.")] = None,
        limit: Annotated[int | None, typer.Option(min=1, help="Most objects compared.")] = None,
        after: Annotated[str, typer.Option(help="Go on after this object.")] = "",
        rate: Annotated[float, typer.Option(min=0.1, max=100, help="Requests a second.")] = 10.0,
        repair: Annotated[
            bool, typer.Option("--repair", help="Tell it again what differs or is missing.")
        ] = False,
        as_json: AsJSON = False,
    ) -> None:
        """Compare what a partner holds with what it should hold, by GETs on its receivers."""
        wanted = Wanted(module, after, limit, rate, repair=repair)

        async def inside() -> Verification:
            async with open_context() as context:
                return await verify(context, sources, name, wanted, _show_progress)

        done = run(inside())
        if as_json:
            print_json(verification_view(done))
        else:
            _print_verification(name, done)
        if not done.is_clean:
            raise typer.Exit(1)

    return act


def _print_verification(name: str, done: Verification) -> None:
    columns = ("object", "verdict", "why")
    print_table(columns, [(each.object, each.verdict, each.why) for each in done.findings])
    typer.echo(", ".join(f"{count} {verdict}" for verdict, count in done.counts.items()))
    if done.repaired:
        typer.echo(f"{done.repaired} objects are told again.")
    if done.stopped is not None:
        typer.echo(f"{name} failed too often: {plain(done.stopped)}")
    if done.after is not None:
        typer.echo(f"There may be more: --after {done.after}")


def _show_progress(count: int) -> None:
    if count % 100 == 0:
        typer.echo(f"{count} objects compared", err=True)
