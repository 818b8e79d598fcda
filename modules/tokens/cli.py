"""The commands `ocpi token ...`."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from modules.tokens.admin import Presented, permission
from modules.tokens.authorizing import authorize
from modules.tokens.names import named_token
from modules.tokens.store import find_tokens, known_token
from ocpi.context import Context
from ocpi.editing import Document
from ocpi.errors import InvalidParameters
from ocpi.headers import Party
from ocpi.opening import open_context
from ocpi.parties import named_party
from ocpi.spec.document import decode
from ocpi.terminal import AsJSON, print_json, print_table, run

T = TypeVar("T")

token_app = typer.Typer(help="Drivers' Tokens, and whether one may charge.", no_args_is_help=True)

UID = Annotated[str, typer.Argument(help="Token.uid")]
Kind = Annotated[str, typer.Option("--type", help="Token.type")]
_COLUMNS = ("uid", "type", "contract_id", "valid", "whitelist", "issuer", "last_updated")


def _act(work: Callable[[Context], Awaitable[T]]) -> T:
    """Do one thing in a context of its own."""

    async def inside() -> T:
        async with open_context() as context:
            return await work(context)

    return run(inside())


def _party(text: str) -> Party:
    country_code, _, party_id = text.partition("*")
    if len(country_code) != 2 or len(party_id) != 3:
        raise InvalidParameters(f"{text!r} is no party such as DE*ABC.")
    return Party(country_code, party_id)


@token_app.command("list")
def list_all(
    *,
    uid: Annotated[str, typer.Option(help="Only those whose uid begins so.")] = "",
    limit: Annotated[int, typer.Option(help="Most to show.")] = 100,
    as_json: AsJSON = False,
) -> None:
    """Tokens that partners pushed or that were pulled, the newest first."""
    found = _act(lambda context: find_tokens(context.database, uid, 0, limit))
    if as_json:
        print_json(found)
        return
    rows = [(_owner(each), *(each.get(name) for name in _COLUMNS)) for each in found]
    print_table(("owner", *_COLUMNS), rows)


def _owner(token: Document) -> str:
    return f"{token['country_code']}*{token['party_id']}"


@token_app.command("show")
def show(
    *,
    party: Annotated[str, typer.Argument(help="Whose it is, such as DE*ABC.")],
    uid: UID,
    kind: Kind = "RFID",
    as_json: AsJSON = False,
) -> None:
    """One Token as our CPO knows it."""

    async def work(context: Context) -> Document:
        name = named_token(uid, kind)
        token: Document = decode(await known_token(context.database, _party(party), name))
        return token

    _print(_act(work), as_json=as_json)


@token_app.command("authorize")
def authorize_one(
    *,
    uid: UID,
    kind: Kind = "RFID",
    location: Annotated[str | None, typer.Option(help="Location.id, where it matters.")] = None,
    evse: Annotated[str | None, typer.Option(help="EVSE.uid")] = None,
    party: Annotated[
        str | None, typer.Option(help="Our party, such as DE*ABC, where there are several.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Whether a driver may charge, as a station would ask; exit code 1 for a no."""

    async def work(context: Context) -> Document:
        ours = await named_party(context.database, party)
        presented = Presented(
            uid=uid,
            type=kind,
            location_id=location,
            evse_uid=evse,
        )
        return permission(await authorize(context, ours, presented.question()))

    answer = _act(work)
    _print(answer, as_json=as_json)
    if answer["allowed"] != "ALLOWED":
        raise typer.Exit(1)


def _print(document: Document, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        print_table(("", ""), list(_flat(document)))


def _flat(document: Document, prefix: str = "") -> list[tuple[str, object]]:
    """The members by name, those of objects below it."""
    rows: list[tuple[str, object]] = []
    for name, value in document.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", value))
    return rows
