"""The commands `ocpi cdr seal` and `ocpi cdr verify`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from modules.cdrs.sealing import newest_seal, seal_stored, vouch_anew
from modules.cdrs.seals import anchor_of
from modules.cdrs.verifying import MOST, Verdict, read_anchors, verify
from ocpi.errors import InvalidParameters
from ocpi.messages import plain
from ocpi.opening import open_context
from ocpi.terminal import AsJSON, print_json, print_table, run

KEEP = "Keep it where who can change the database cannot change it"


def seal_command(*, as_json: AsJSON = False) -> None:
    """Seal the CDRs that are not sealed yet, and print the anchor to keep elsewhere."""

    async def act() -> None:
        async with open_context() as context:
            await vouch_anew(context)
            made = await seal_stored(context)
            newest = await newest_seal(context.database)
        anchor = None if newest is None else anchor_of(newest)
        sealed = sum(seal.cdrs for seal in made)
        if as_json:
            print_json({"seals": len(made), "cdrs": sealed, "anchor": anchor})
            return
        typer.echo(f"Sealed {sealed} CDRs." if made else "There is nothing new to seal.")
        if anchor is not None:
            typer.echo(f"The anchor is {anchor}\n{KEEP}: `ocpi cdr verify --anchor FILE` reads it.")

    run(act())


def verify_command(
    *,
    anchor: Annotated[
        Path | None,
        typer.Option(help="A file with anchors that were kept elsewhere, or a log with them."),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Compare the stored CDRs with their seals, and tell which were changed, removed or put in."""

    async def act() -> Verdict:
        anchors = () if anchor is None else read_anchors(_text(anchor))
        async with open_context() as context:
            return await verify(context, anchors)

    verdict = run(act())
    if as_json:
        print_json(asdict(verdict))
    else:
        _print(verdict)
    if verdict.faults:
        first = verdict.faults[0].seal
        where = "" if first is None else f" The first seal that does not hold is {first}."
        typer.echo(f"error: CDRs are not what was sealed.{where}", err=True)
        raise typer.Exit(1)


def _text(anchor: Path) -> str:
    try:
        return anchor.read_text(errors="replace")
    except OSError as error:
        raise InvalidParameters(f"The file {anchor} cannot be read: {error.strerror}.") from None


def _print(verdict: Verdict) -> None:
    if verdict.faults:
        print_table(
            ("seal", "position", "CDR", "what"),
            [(each.seal, each.position, each.cdr, each.sentence) for each in verdict.faults],
        )
        if len(verdict.faults) == MOST:
            typer.echo("There may be more: it was given up here.")
        return
    if verdict.anchor is None:
        typer.echo("There is no seal yet: a worker makes one each day, and `ocpi cdr seal` now.")
        return
    typer.echo(
        f"All is as it was sealed: seals {verdict.seals}, CDRs {verdict.cdrs}, lawful erasures of "
        f"a driver {verdict.erasures}. Not sealed yet: {verdict.unsealed}."
    )
    if not verdict.anchors:
        typer.echo(
            "Without --anchor it is not found if the newest seals were removed and made anew."
        )
    typer.echo(plain(f"The newest anchor is {verdict.anchor}\n{KEEP}."))
