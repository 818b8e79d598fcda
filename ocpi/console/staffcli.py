"""`ocpi user`: who may use the console."""

from enum import StrEnum
from typing import Annotated

import typer

from ocpi.console.staff import (
    SIGN_IN_LASTS,
    Role,
    add_staff,
    list_staff,
    remove_staff,
    reset_password,
    set_role,
)
from ocpi.opening import open_context
from ocpi.spec.moments import format_moment, moment_of
from ocpi.terminal import AsJSON, print_json, print_table, run

user_app = typer.Typer(help="Who may use the console at /console.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name that is signed in with.", min=1)]


class RoleName(StrEnum):
    """What somebody may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def role(self) -> Role:
        """The same as a rank."""
        return Role[self.name]


AsRole = Annotated[
    RoleName,
    typer.Option(
        "--role",
        help="viewer: see everything; operator: act on deliveries and stations, too; "
        "admin: act on partners, too.",
    ),
]


@user_app.command("add")
def add(name: Name, role: AsRole = RoleName.VIEWER, *, as_json: AsJSON = False) -> None:
    """Add somebody; prints their password, once."""

    async def act() -> None:
        async with open_context() as context:
            password = await add_staff(context.database, name, role.role)
            _tell(context.settings.base_url, name, password, as_json=as_json)

    run(act())


@user_app.command("reset")
def reset(name: Name, *, as_json: AsJSON = False) -> None:
    """Give somebody a new password, printed once; they are signed out everywhere."""

    async def act() -> None:
        async with open_context() as context:
            password = await reset_password(context.database, name)
            _tell(context.settings.base_url, name, password, as_json=as_json)

    run(act())


def _tell(base_url: str, name: str, password: str, *, as_json: bool) -> None:
    url = f"{base_url}/console"
    if as_json:
        print_json({"name": name, "password": password, "url": url})
        return
    typer.echo(f"{name} signs in at {url} with the password\n\n  {password}\n")
    typer.echo(f"It is not shown again. A sign-in lasts {SIGN_IN_LASTS // 3_600_000_000} hours.")


@user_app.command("list")
def list_all(*, as_json: AsJSON = False) -> None:
    """Who may use the console."""

    async def act() -> None:
        async with open_context() as context:
            staff = await list_staff(context.database)
        rows = [
            {
                "name": each.name,
                "role": Role(each.role).name.lower(),
                "added": format_moment(moment_of(each.created_at)),
            }
            for each in staff
        ]
        if as_json:
            print_json(rows)
        else:
            print_table(["name", "role", "added"], [list(row.values()) for row in rows])

    run(act())


@user_app.command("set")
def change(name: Name, role: AsRole) -> None:
    """Change what somebody may do, at once."""

    async def act() -> None:
        async with open_context() as context:
            await set_role(context.database, name, role.role)
        typer.echo(f"{name} is {role.value} now.")

    run(act())


@user_app.command("remove")
def remove(name: Name) -> None:
    """Forget somebody; they are signed out everywhere."""

    async def act() -> None:
        async with open_context() as context:
            await remove_staff(context.database, name)
        typer.echo(f"{name} is removed.")

    run(act())
