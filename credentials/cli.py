"""The commands `ocpi partner ...` and `ocpi party ...`."""

import textwrap
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from credentials import handshake, partners
from credentials.forms import (
    NewConnection,
    NewPartner,
    NewParty,
    Offered,
    PartnerView,
    PartyAdded,
    PartyRoleForm,
)
from credentials.introducing import add_and_introduce
from credentials.parties import list_parties
from ocpi.context import Context
from ocpi.messages import plain
from ocpi.opening import open_context
from ocpi.parties import PlatformID
from ocpi.spec.types import Role
from ocpi.terminal import AsJSON, print_json, print_table, run

T = TypeVar("T")

partner_app = typer.Typer(
    help="Partners: who registers with us and with whom we do.", no_args_is_help=True
)
role_app = typer.Typer(help="The party roles that a partner may claim.", no_args_is_help=True)
partner_app.add_typer(role_app, name="role")
party_app = typer.Typer(help="The parties that we speak for.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Your name for the partner.")]
Platform = Annotated[PlatformID, typer.Option(help="Our platform that it belongs to.")]
CountryCodeOption = Annotated[str, typer.Option(help="Two letters, such as DE.")]
PartyIDOption = Annotated[str, typer.Option(help="Three characters, such as ABC.")]


def _act(work: Callable[[Context], Awaitable[T]]) -> T:
    """Do one thing in a context of its own."""
    # Without it log lines would stand among the JSON on standard output.

    async def inside() -> T:
        async with open_context() as context:
            return await work(context)

    return run(inside())


@partner_app.command("add")
def add(
    *,
    name: Name,
    role: Annotated[Role, typer.Option(help="What it is.")],
    country_code: CountryCodeOption,
    party_id: PartyIDOption,
    also: Annotated[
        list[str] | None, typer.Option(help="A further role, as ROLE:COUNTRY_CODE:PARTY_ID.")
    ] = None,
    platform: Platform = PlatformID.CPO,
    as_json: AsJSON = False,
) -> None:
    """Open a registration: prints our versions URL and the partner's token, this once."""

    async def work(context: Context) -> Offered:
        first = PartyRoleForm(role=role, country_code=country_code, party_id=party_id)
        roles = [first, *(_triple(text) for text in also or [])]
        wish = NewPartner(name=name, platform=platform, roles=roles)
        pairs = [each.pair() for each in wish.roles]
        return await partners.add_partner(context, wish.name, wish.platform, pairs)

    _print_offer(_act(work), as_json=as_json)


def _triple(text: str) -> PartyRoleForm:
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError(f"--also {text}: ROLE:COUNTRY_CODE:PARTY_ID is due, such as EMSP:DE:ABC")
    return PartyRoleForm.model_validate(
        dict(zip(("role", "country_code", "party_id"), parts, strict=True))
    )


@partner_app.command("connect")
def connect(
    *,
    name: Name,
    versions_url: Annotated[str, typer.Option(help="Their versions URL.")],
    token: Annotated[str, typer.Option(help="Their registration token, not Base64-encoded.")],
    raw_token: Annotated[
        bool, typer.Option("--raw-token", help="Send tokens to them un-encoded.")
    ] = False,
    host: Annotated[
        list[str] | None,
        typer.Option(help="A host beside that of the versions URL where they have endpoints."),
    ] = None,
    platform: Platform = PlatformID.CPO,
    as_json: AsJSON = False,
) -> None:
    """Register with a partner. The service must be running: the partner calls it back."""

    async def work(context: Context) -> tuple[list[str], PartnerView]:
        wish = NewConnection(
            name=name,
            platform=platform,
            versions_url=versions_url,
            token=token,
            raw_token=raw_token,
            hosts=host or [],
        )
        remarks = await handshake.connect(context, wish)
        return remarks, await partners.show_partner(context, name)

    _print_outcome(*_act(work), f"Registered with {name}.", as_json=as_json)


@partner_app.command("list")
def list_all(*, as_json: AsJSON = False) -> None:
    """All partners and how things stand with them."""
    views = _act(partners.list_partners)
    if as_json:
        print_json([view.model_dump(mode="json") for view in views])
        return
    print_table(
        ("name", "platform", "state", "parties", "note"),
        [(view.name, view.platform, _standing(view), _roles(view), view.note) for view in views],
    )


@partner_app.command("show")
def show(*, name: Name, as_json: AsJSON = False) -> None:
    """One partner with its endpoints and options."""
    _print_partner(_act(lambda context: partners.show_partner(context, name)), as_json=as_json)


@partner_app.command("rotate")
def rotate(*, name: Name, as_json: AsJSON = False) -> None:
    """Exchange new tokens with a partner, at once after a suspected leak."""

    async def work(context: Context) -> tuple[list[str], PartnerView]:
        remarks = await handshake.rotate(context, name)
        return remarks, await partners.show_partner(context, name)

    _print_outcome(*_act(work), f"New tokens were exchanged with {name}.", as_json=as_json)


@partner_app.command("reissue")
def reissue(*, name: Name, as_json: AsJSON = False) -> None:
    """Open the registration again with a new token, for a partner that lost its own."""
    _print_offer(_act(lambda context: partners.reissue(context, name)), as_json=as_json)


@role_app.command("add")
def add_role(
    *,
    name: Name,
    role: Annotated[Role, typer.Option(help="What it is, too.")],
    country_code: CountryCodeOption,
    party_id: PartyIDOption,
    as_json: AsJSON = False,
) -> None:
    """Agree to a further role of a partner, which may PUT credentials that name it then."""
    wish = PartyRoleForm(role=role, country_code=country_code, party_id=party_id)
    view = _act(lambda context: partners.add_role(context, name, wish.pair()))
    _print_partner(view, as_json=as_json)


@partner_app.command("suspend")
def suspend(*, name: Name, as_json: AsJSON = False) -> None:
    """Refuse a partner's requests and send it nothing, until it is resumed."""
    view = _act(lambda context: partners.suspend(context, name, suspended=True))
    _print_partner(view, as_json=as_json)


@partner_app.command("resume")
def resume(*, name: Name, as_json: AsJSON = False) -> None:
    """End the suspension of a partner."""
    view = _act(lambda context: partners.suspend(context, name, suspended=False))
    _print_partner(view, as_json=as_json)


@partner_app.command("approve")
def approve(
    *,
    name: Name,
    host: Annotated[
        list[str] | None, typer.Argument(help="Hosts; without any, all that wait for it.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Have endpoints called that lie on another host than the partner's versions URL."""
    hosts = host or _waiting(name, ask=not yes)
    if not hosts:
        raise typer.Exit
    view = _act(lambda context: partners.approve(context, name, hosts))
    _print_partner(view, as_json=as_json)


def _waiting(name: str, *, ask: bool) -> list[str]:
    """The hosts that wait for approval, once somebody has seen what lies there."""
    withheld = _act(lambda context: partners.show_partner(context, name)).withheld
    if not withheld:
        typer.echo(f"No endpoint of {name} waits for approval.", err=True)
    elif ask:
        for each in withheld:
            typer.echo(plain(f"{each.identifier} {each.role}: {each.url}"), err=True)
        places = ", ".join(sorted({each.place for each in withheld}))
        typer.confirm(plain(f"Is {places} of {name}, too?"), abort=True, err=True)
    return sorted({each.place for each in withheld})


@partner_app.command("set")
def set_option(
    *,
    name: Name,
    option: Annotated[str, typer.Argument(help="OPTION=VALUE, such as put_only=true.")],
    as_json: AsJSON = False,
) -> None:
    """Change what is done a partner's own way."""
    key, _, value = option.partition("=")
    view = _act(lambda context: partners.set_options(context, name, {key: value}))
    _print_partner(view, as_json=as_json)


@partner_app.command("remove")
def remove(
    *,
    name: Name,
    force: Annotated[
        bool, typer.Option("--force", help="Also when the partner cannot be told.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Unregister at a partner and forget it."""
    problem = _act(lambda context: partners.remove(context, name, force=force))
    if as_json:
        print_json({"name": name, "told": problem is None, "problem": problem})
        return
    typer.echo(f"Removed {name}.")
    if problem is not None:
        typer.echo(plain(f"It could not be told: {problem}"))


@party_app.command("add")
def add_own(
    *,
    country_code: CountryCodeOption,
    party_id: PartyIDOption,
    name: Annotated[str, typer.Option(help="As partners and drivers see it.")],
    website: Annotated[str | None, typer.Option(help="Its address in the web.")] = None,
    platform: Platform = PlatformID.CPO,
    as_json: AsJSON = False,
) -> None:
    """Add a party of ours, and present it to its partners; the service must be running for that."""

    async def work(context: Context) -> PartyAdded:
        wish = NewParty(
            country_code=country_code,
            party_id=party_id,
            name=name,
            website=website,
            platform=platform,
        )
        return await add_and_introduce(context, wish)

    added = _act(work)
    if as_json:
        print_json(added.model_dump(mode="json"))
        return
    typer.echo(f"Added {added.role} {added.country_code}*{added.party_id}.")
    if added.told:
        typer.echo(f"It was presented to {', '.join(added.told)}.")
    for each in added.untold:
        typer.echo(plain(f"{each.partner} does not know it yet: {each.problem} Try {each.command}"))


@party_app.command("list")
def list_own(*, as_json: AsJSON = False) -> None:
    """The parties that we speak for."""
    views = _act(list_parties)
    if as_json:
        print_json([view.model_dump(mode="json") for view in views])
        return
    print_table(
        ("platform", "role", "party", "name", "website"),
        [
            (
                view.platform,
                view.role,
                f"{view.country_code}*{view.party_id}",
                view.name,
                view.website,
            )
            for view in views
        ],
    )


def _print_offer(offered: Offered, *, as_json: bool) -> None:
    if as_json:
        print_json(offered.model_dump(mode="json"))
        return
    typer.echo(
        f"{offered.name} may register until {offered.expires}. Send it this, in confidence:\n\n"
        f"{textwrap.indent(offered.invitation(), '  ')}\n\n"
        "The token is not shown again; `ocpi partner reissue` makes a new one."
    )


def _print_outcome(remarks: list[str], view: PartnerView, sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**view.model_dump(mode="json"), "remarks": remarks})
        return
    for line in (sentence, *remarks):
        typer.echo(plain(line))


def _print_partner(view: PartnerView, *, as_json: bool) -> None:
    if as_json:
        print_json(view.model_dump(mode="json"))
        return
    values = view.options.model_dump(mode="json").items()
    options = ", ".join(f"{key}={_option(value)}" for key, value in values)
    rows = [
        ("name", view.name),
        ("platform", view.platform),
        ("state", _standing(view)),
        ("parties", _roles(view)),
        ("registered at", view.registered_at),
        ("token of", view.token_issued_at),
        ("registration open until", view.token_expires),
        ("versions URL", view.versions_url),
        ("options", options),
        ("note", view.note),
        ("passed the check at", view.passed_check_at),
        ("waits", view.waits),
        *((f"{each.identifier} {each.role}", each.url) for each in view.endpoints),
        *(
            (f"{each.identifier} {each.role}", f"{each.url} (not approved, so not called)")
            for each in view.withheld
        ),
    ]
    print_table(("", ""), [(title, value) for title, value in rows if value is not None])
    if view.tolerances:
        typer.echo(f"\nWhat {view.name} should mend; until then it is forgiven:\n")
        print_table(
            ("rule", "times", "last seen", "where", "what to mend"),
            [(e.rule, e.count, e.last_seen, e.sample, e.advice) for e in view.tolerances],
        )


def _option(value: Any) -> str:
    """A value as `ocpi partner set` takes it."""
    return ",".join(value) if isinstance(value, list) else str(value)


def _standing(view: PartnerView) -> str:
    return f"{view.state}, suspended" if view.suspended else str(view.state)


def _roles(view: PartnerView) -> str:
    return ", ".join(
        f"{each.role} {each.country_code}*{each.party_id}"
        + (f" ({each.name})" if each.name else "")
        for each in view.roles
    )
