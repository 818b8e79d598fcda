"""The command `ocpi hub parties`."""

import typer

from modules.hubclientinfo.admin import HubPartyView, party_view
from modules.hubclientinfo.members import list_members
from ocpi.opening import open_context
from ocpi.terminal import AsJSON, print_json, print_table, run

hub_app = typer.Typer(help="The hub, if it is on.", no_args_is_help=True)


@hub_app.callback()
def about() -> None:
    """The hub, if it is on."""


@hub_app.command("parties")
def list_parties(*, as_json: AsJSON = False) -> None:
    """Who is at the hub, how they stand and since when, and on whose connection."""

    async def act() -> list[HubPartyView]:
        async with open_context() as context:
            return [party_view(each) for each in await list_members(context)]

    views = run(act())
    if as_json:
        print_json([view.model_dump() for view in views])
        return
    print_table(
        ("party", "role", "status", "reached by", "since"),
        [(view.party, view.role, view.status, _way(view), view.since) for view in views],
    )


def _way(view: HubPartyView) -> str:
    if view.gone:
        return "nobody: it has left"
    if view.partner is None:
        return "ourselves"
    return f"behind {view.partner}" if view.behind else view.partner
