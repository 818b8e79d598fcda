"""The commands `ocpi alarm ...`."""

import uuid
from typing import Annotated, Any

import typer

from ocpi.alarms.alarm import Alarm, list_alarms, view
from ocpi.alarms.channels import News, TellingFailed, open_channels
from ocpi.database import clock
from ocpi.messages import plain
from ocpi.opening import open_context
from ocpi.terminal import AsJSON, print_json, run

alarm_app = typer.Typer(help="What somebody must look after.", no_args_is_help=True)


@alarm_app.command("list")
def show_alarms(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Also those that have cleared, of 90 days.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10000)] = 100,
    as_json: AsJSON = False,
) -> None:
    """List the alarms that are raised, the newest first, and whether they were told."""

    async def act() -> list[dict[str, Any]]:
        async with open_context() as context:
            return await list_alarms(context.database, every=every, limit=limit)

    found = run(act())
    if as_json:
        print_json(found)
        return
    for alarm in found:
        typer.echo(plain(_paragraph(alarm)))
    if not found:
        typer.echo("No alarm is raised." if not every else "There was none.")


def _paragraph(alarm: dict[str, Any]) -> str:
    """The sentence below a line of facts: in a table it would be a narrow column."""
    about = " ".join(alarm[name] for name in ("severity", "kind", "subject") if alarm[name])
    until = f", cleared {alarm['cleared_at']}" if alarm["cleared_at"] else ""
    told = "".join(f"\n  told by {_telling(each)}" for each in alarm["told"])
    return f"{about}, raised {alarm['raised_at']}{until}\n  {alarm['sentence']}{told}\n"


def _telling(notice: dict[str, Any]) -> str:
    name = f"{notice['channel']} ({notice['event']})"
    if notice["told_at"] is not None:
        return name
    return f"{name} not yet: {notice['error'] or 'it is due'}"


@alarm_app.command("test")
def tell_test() -> None:
    """Tell a test alarm in every way that the settings name, and say what came of each."""

    async def act() -> bool:
        async with open_context() as context:
            channels = open_channels(context.settings)
            if not channels:
                raise ValueError("Set OCPI_ALARM_WEBHOOK_URL or OCPI_ALARM_EMAIL_TO first.")
            async with context.database.read() as db:
                now = await clock(db)
            sentence = "This is a test: somebody ran `ocpi alarm test`."
            alarm = Alarm(kind="test", subject="", sentence=sentence, raised_at=now, seen_at=now)
            news = News(f"test-{uuid.uuid4()}", "raised", view(alarm), context.settings.base_url)
            fine = True
            for name, channel in channels.items():
                try:
                    await channel.tell(news)
                    typer.echo(f"{name}: told")
                except TellingFailed as failure:
                    fine = False
                    typer.echo(f"{name}: {plain(str(failure))}")
                finally:
                    await channel.close()
            return fine

    if not run(act()):
        raise typer.Exit(1)
