"""The commands `ocpi partner tariff ...`: negotiated prices."""

from typing import Annotated

import typer

from ocpi.golive.mapping import (
    Mapped,
    list_mappings,
    mapped_view,
    mapping_view,
    remove_mapping,
    set_mapping,
)
from ocpi.golive.ruling import Stores
from ocpi.mappings import Mappings
from ocpi.opening import open_context
from ocpi.parties import named_party
from ocpi.terminal import AsJSON, print_json, print_table, run

Name = Annotated[str, typer.Argument(help="Your name for the partner.")]
TariffID = Annotated[str, typer.Argument(metavar="TARIFF", help="The Tariff that others get.")]
PartyOption = Annotated[
    str | None, typer.Option("--party", help="The party of ours whose Tariffs they are.")
]


def mapping_commands(stores: Stores) -> typer.Typer:
    """The commands that change which Tariffs a partner gets."""
    app = typer.Typer(
        help="Which Tariffs a partner gets instead of those that others get.", no_args_is_help=True
    )

    @app.command("set")
    def put(
        *,
        name: Name,
        tariff_id: TariffID,
        instead: Annotated[str, typer.Option(help="The Tariff that the partner gets.")],
        party: PartyOption = None,
        as_json: AsJSON = False,
    ) -> None:
        """Give a partner a Tariff wherever others get another: in what it sees and what it pays.

        Both are Tariffs of one party of ours. Sessions that have begun keep their price.
        """

        async def act() -> Mapped:
            async with open_context() as context:
                owner = await named_party(context.database, party)
                return await set_mapping(context, stores, name, owner, tariff_id, instead)

        _print(run(act()), name, as_json=as_json)

    @app.command("list")
    def list_all(name: Name, *, as_json: AsJSON = False) -> None:
        """The Tariffs that a partner gets instead of others."""

        async def act() -> Mappings:
            async with open_context() as context:
                return await list_mappings(context, name)

        mappings = run(act())
        if as_json:
            print_json([mapping_view(each) for each in mappings.live])
            return
        _table(mappings)
        if not mappings.live:
            typer.echo(f"{name} gets the Tariffs that all others get.")

    @app.command("remove")
    def remove(
        name: Name, tariff_id: TariffID, *, party: PartyOption = None, as_json: AsJSON = False
    ) -> None:
        """Give a partner the Tariff that others get again."""

        async def act() -> Mapped:
            async with open_context() as context:
                owner = await named_party(context.database, party)
                return await remove_mapping(context, stores, name, owner, tariff_id)

        _print(run(act()), name, as_json=as_json)

    return app


def _print(done: Mapped, name: str, *, as_json: bool) -> None:
    if as_json:
        print_json(mapped_view(done))
        return
    _table(done.mappings)
    typer.echo(f"{name} is told {done.effect.told} Locations and Tariffs anew.")


def _table(mappings: Mappings) -> None:
    columns = ("country_code", "party_id", "tariff_id", "instead", "since")
    shown = [mapping_view(each) for each in mappings.live]
    print_table(columns, [[each[name] for name in columns] for each in shown])
