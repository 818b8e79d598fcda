"""The commands `ocpi partner rule ...`, `ocpi partner preview` and `ocpi partner check`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ocpi.golive.asking import Writes
from ocpi.golive.checking import Report, check_partner, last_report
from ocpi.golive.preview import Preview, preview, preview_view
from ocpi.golive.ruling import Ruled, Stores, add_rules, list_rules, remove_rule
from ocpi.golive.showing import html_of
from ocpi.messages import plain
from ocpi.opening import open_context
from ocpi.sight import SightRule
from ocpi.terminal import AsJSON, opened, print_json, print_table, run

Name = Annotated[str, typer.Argument(help="Your name for the partner.")]
Module = Annotated[str, typer.Argument(help="locations or tariffs.")]


def rule_commands(stores: Stores) -> typer.Typer:
    """The commands that change what a partner may see."""
    app = typer.Typer(
        help="What a partner may see of our Locations and Tariffs.", no_args_is_help=True
    )

    @app.command("add")
    def add(  # noqa: PLR0913 - each condition is an option.
        *,
        name: Name,
        module: Module,
        identifier: Annotated[
            list[str] | None, typer.Option("--id", help="This object; may be repeated.")
        ] = None,
        country: Annotated[str | None, typer.Option(help="Location.country, such as FR.")] = None,
        tag: Annotated[
            str | None, typer.Option(help="A tag of ours, see `ocpi station tag`.")
        ] = None,
        group: Annotated[str | None, typer.Option(help="A group_id in publish_allowed_to.")] = None,
        publish: Annotated[
            bool | None, typer.Option("--publish/--no-publish", help="Location.publish.")
        ] = None,
        hide: Annotated[
            bool, typer.Option("--hide", help="Hide them; else only such are shown.")
        ] = False,
        as_json: AsJSON = False,
    ) -> None:
        """Show a partner only objects like these, or hide them from it.

        All conditions of a rule must be met. Several rules that show add up; what is hidden stays
        so. See the effect by `ocpi partner preview`.
        """
        given = {"country": country, "tag": tag, "group": group, "publish": publish}
        wish = {"module": module, "hide": hide, **given}
        wishes = [{**wish, "id": each} for each in identifier or ()] or [wish]

        async def act() -> Ruled:
            async with open_context() as context:
                return await add_rules(context, stores, name, wishes)

        _print(run(act()), name, as_json=as_json)

    @app.command("list")
    def list_all(name: Name, *, as_json: AsJSON = False) -> None:
        """The rules of a partner."""

        async def act() -> tuple[SightRule, ...]:
            async with open_context() as context:
                return await list_rules(context, name)

        rules = run(act())
        if as_json:
            print_json([rule.model_dump(mode="json") for rule in rules])
            return
        _table(rules)
        if not rules:
            typer.echo(f"{name} has no rules: it may see all Locations and Tariffs.")

    @app.command("remove")
    def remove(
        name: Name,
        number: Annotated[int, typer.Argument(help="As `list` shows it.")],
        *,
        as_json: AsJSON = False,
    ) -> None:
        """Remove a rule of a partner."""

        async def act() -> Ruled:
            async with open_context() as context:
                return await remove_rule(context, stores, name, number)

        _print(run(act()), name, as_json=as_json)

    return app


def preview_command(stores: Stores) -> Callable[..., None]:
    """The command that shows what a partner sees."""

    def act(
        name: Name,
        module: Annotated[
            str,
            typer.Argument(help="locations, tariffs, tokens, sessions, cdrs or hubclientinfo."),
        ],
        *,
        only: Annotated[
            bool | None, typer.Option("--visible/--hidden", help="Only these objects.")
        ] = None,
        offset: Annotated[int, typer.Option(min=0)] = 0,
        limit: Annotated[int, typer.Option(min=1, max=10000)] = 50,
        as_json: AsJSON = False,
    ) -> None:
        """Show what a partner sees of a module, what is hidden from it, and why."""

        async def inside() -> Preview:
            async with open_context() as context:
                return await preview(
                    context, stores, name, module, offset=offset, limit=limit, only=only
                )

        found = run(inside())
        if as_json:
            print_json(preview_view(found))
            return
        for remark in found.remarks:
            typer.echo(remark)
        totals = found.totals.most_common()
        print_table(
            ("objects", "", "reason"),
            [(count, _word(visible=visible), reason) for (visible, reason), count in totals],
        )
        typer.echo()
        print_table(
            ("object", "", "reason"),
            [(each.object, _word(visible=each.visible), each.reason) for each in found.rows],
        )
        typer.echo(f"{len(found.rows)} shown of {found.total}")

    return act


def _word(*, visible: bool) -> str:
    return "visible" if visible else "hidden"


def _print(done: Ruled, name: str, *, as_json: bool) -> None:
    if as_json:
        print_json(ruled_view(done))
        return
    _table(done.rules)
    typer.echo(f"{name} sees {done.shown} objects more and {done.hidden} fewer.")


def ruled_view(done: Ruled) -> dict[str, Any]:
    """What a change of rules came to, as it is shown."""
    return {
        "rules": [rule.model_dump(mode="json") for rule in done.rules],
        "shown": done.shown,
        "hidden": done.hidden,
    }


def _table(rules: tuple[SightRule, ...]) -> None:
    columns = ("number", "module", "id", "country", "tag", "group", "publish")
    print_table(
        (*columns, ""),
        [
            (*(getattr(rule, name) for name in columns), "hidden" if rule.hide else "shown")
            for rule in rules
        ],
    )


def check(
    name: Name,
    *,
    write: Annotated[
        bool, typer.Option("--write", help="Also tell it test objects: the partner has agreed.")
    ] = False,
    write_cdr: Annotated[
        bool, typer.Option("--write-cdr", help="With --write: also a CDR of no cost, which stays.")
    ] = False,
    last: Annotated[
        bool, typer.Option("--last", help="Show the last report, and ask nothing.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write the report to this file, to be sent.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Ask a partner's endpoints whether it is ready to go live; ends with code 1 if it is not.

    Only GETs are sent, unless it has agreed to --write. The report is kept.
    """

    async def ask() -> Report:
        async with open_context() as context:
            if last:
                return await last_report(context, name)
            with _shown_progress() as progress:
                return await check_partner(context, name, Writes(write, write_cdr), progress)

    async def act() -> Report:
        if html is None:
            return await ask()
        # Before a partner is asked: its answers may take minutes, and it all would be in vain.
        with opened("--html", html) as file:
            report = await ask()
            file.write(html_of(report))
        return report

    report = run(act())
    if as_json:
        print_json(report)
    else:
        _print_report(report)
        if html is not None:
            typer.echo(f"Written to {html}.")
    if not report["passed"]:
        raise typer.Exit(1)


@contextmanager
def _shown_progress() -> Iterator[Callable[[str], None]]:
    """Say on a terminal what is being asked."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _step: None
        return
    with console.status("Asking", spinner="line") as status:
        yield lambda step: status.update(f"Asking {plain(step)}")


def _print_report(report: Report) -> None:
    rows = []
    for each in report["checks"]:
        advice = each["outcome"] == "failed" and each["severity"] == "should"
        outcome = "advice" if advice else each["outcome"]
        rows.append((outcome, each["what"], ", ".join(each["requirements"])))
        rows += [("", f"  {problem}", "") for problem in each["problems"]]
        more = each["count"] - len(each["problems"])
        rows += [("", f"  and {more} more", "")] if more else []
    print_table(("", "what must be so", "requirements"), rows)
    for each in report["proposals"]:
        typer.echo(f"{each['why']} Set it by: {each['command']}")
    if report["median_seconds"] is not None:
        typer.echo(
            f"{report['requests']} requests; half of all answers within "
            f"{report['median_seconds']} s, the slowest after {report['worst_seconds']} s."
        )
    name = report["partner"]
    typer.echo(f"{name} has passed." if report["passed"] else f"{name} has not passed.")
