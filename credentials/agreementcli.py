"""The commands `ocpi agreement ...`."""

from typing import Annotated

import typer

from credentials.agreements import Rule, RuleView, forget_rule, list_rules, set_rule
from credentials.parties import require_platform
from ocpi.agreements import ANY
from ocpi.opening import open_context
from ocpi.parties import PlatformID
from ocpi.terminal import AsJSON, print_json, print_table, run

agreement_app = typer.Typer(
    help="Which parties of the hub may talk to each other.", no_args_is_help=True
)

FromParty = Annotated[
    str, typer.Argument(metavar="FROM", help="The party that sends, as 'DE*ABC', or '*'.")
]
ToParty = Annotated[
    str, typer.Argument(metavar="TO", help="The party that receives, as 'NL*TNM', or '*'.")
]
Module = Annotated[str, typer.Option(help="Only messages of this module, such as tokens.")]
Both = Annotated[bool, typer.Option("--both", help="In the other direction, too.")]


@agreement_app.command("allow")
def allow(
    from_party: FromParty,
    to_party: ToParty,
    *,
    module: Module = ANY,
    both: Both = False,
    as_json: AsJSON = False,
) -> None:
    """Let a party send messages to another one."""
    _set(from_party, to_party, module, allowed=True, both=both, as_json=as_json)


@agreement_app.command("deny")
def deny(
    from_party: FromParty,
    to_party: ToParty,
    *,
    module: Module = ANY,
    both: Both = False,
    as_json: AsJSON = False,
) -> None:
    """Keep a party's messages from another one, to which it is as unknown as nobody."""
    _set(from_party, to_party, module, allowed=False, both=both, as_json=as_json)


@agreement_app.command("forget")
def forget(from_party: FromParty, to_party: ToParty, *, module: Module = ANY) -> None:
    """Take back what was allowed or denied."""

    async def act() -> None:
        async with open_context() as context:
            await forget_rule(context, from_party, to_party, module)

    run(act())
    typer.echo(f"Nothing is agreed from {from_party} to {to_party} for {module} any more.")


@agreement_app.command("list")
def list_all(*, as_json: AsJSON = False) -> None:
    """All agreements, and what holds where there is none."""

    async def act() -> tuple[list[RuleView], str]:
        async with open_context() as context:
            return await list_rules(context), context.settings.hub_agreements

    rules, default = run(act())
    if not as_json:
        typer.echo(f"Parties of which nothing is said are {default} to each other.")
    _print(rules, as_json=as_json)


def _set(
    from_party: str, to_party: str, module: str, *, allowed: bool, both: bool, as_json: bool
) -> None:
    async def act() -> list[RuleView]:
        pairs = [(from_party, to_party), *([(to_party, from_party)] if both else [])]
        rules = [
            Rule(from_party=sender, to_party=receiver, module=module, allowed=allowed)
            for sender, receiver in pairs
        ]
        async with open_context() as context:
            require_platform(context, PlatformID.HUB)
            return [await set_rule(context, rule) for rule in rules]

    _print(run(act()), as_json=as_json)


def _print(rules: list[RuleView], *, as_json: bool) -> None:
    if as_json:
        print_json([rule.model_dump(mode="json") for rule in rules])
        return
    print_table(
        ("from", "to", "module", "", "since"),
        [
            (
                rule.from_party,
                rule.to_party,
                rule.module,
                "allowed" if rule.allowed else "denied",
                rule.created_at,
            )
            for rule in rules
        ],
    )
    for note in dict.fromkeys(rule.note for rule in rules if rule.note is not None):
        typer.echo(note, err=True)
