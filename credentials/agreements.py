"""Agreements between parties of the hub, as staff make them; see ocpi.agreements."""

import asyncio
import re
from contextlib import suppress
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.agreements import ANY, FUNCTIONAL, Agreement, AgreementDefault, module_named
from ocpi.context import Context
from ocpi.database import clock
from ocpi.directory import AnnouncedParty
from ocpi.errors import UnknownObject
from ocpi.messages import log
from ocpi.parties import Partner, PartnerRole, PlatformID
from ocpi.push.lanes import restart_lanes, rewind_lane
from ocpi.push.parting import part, part_by_default
from ocpi.spec.moments import format_moment, moment_of

_PARTY = re.compile(r"[A-Za-z]{2}\*[A-Za-z0-9]{3}")


def _party(text: str) -> str:
    if text != ANY and not _PARTY.fullmatch(text):
        raise ValueError(f"{text}: a party is due, such as DE*ABC, or * for every party")
    return text.upper()


PartyName = Annotated[
    str,
    AfterValidator(_party),
    Field(description="A party, or `*` for every party.", examples=["DE*ABC"]),
]
ModuleName = Annotated[
    str,
    Field(
        pattern=r"^(\*|[A-Za-z0-9_-]{1,64})$",
        description="A module's id, or `*` for every module.",
        examples=["tokens"],
    ),
]


class Rule(BaseModel):
    """One party may, or may not, send another one messages of a module."""

    model_config = ConfigDict(extra="forbid")

    from_party: PartyName
    to_party: PartyName
    module: ModuleName = ANY
    allowed: bool = Field(examples=[True])


class RuleView(Rule):
    """A rule that was made."""

    created_at: str
    note: str | None = Field(description="What may not be as it was meant.")


async def list_rules(context: Context) -> list[RuleView]:
    """All rules, by the parties that they name."""
    columns = (col(Agreement.from_party), col(Agreement.to_party), col(Agreement.module))
    async with context.database.read() as db:
        return [_view(row) for row in await db.exec(select(Agreement).order_by(*columns))]


async def set_rule(context: Context, rule: Rule) -> RuleView:
    """Make a rule, or change it; who may hear more is told what it has missed.

    Who may not know a party any more is told that it is gone (HC-05). Of what a rule withdraws
    nothing else is sent once it is committed, but for what is in flight.
    """
    async with context.database.write() as db:
        row = Agreement(
            from_party=rule.from_party.lower(),
            to_party=rule.to_party.lower(),
            module=module_named(rule.module),
            allowed=rule.allowed,
            created_at=await clock(db),
        )
        await part(context, db, (row.from_party, row.to_party, row.module), said=row.allowed)
        await db.merge(row)
        if rule.allowed:
            await _tell_anew(db, row.from_party, row.to_party)
        else:
            await _restart(db, row.from_party, row.to_party)
    log.info("agreement", **rule.model_dump())
    return _view(row)


async def keep_default(context: Context) -> None:
    """Have another OCPI_HUB_AGREEMENTS than was last in force do what a rule for all would.

    That is for processes that stay, when they start, for a command may be given in another
    environment. Of several that start at once one does it.
    """
    if not context.settings.is_hub:
        return
    is_open = context.settings.hub_is_open
    # Another process may store the first one.
    with suppress(IntegrityError):
        async with context.database.write() as db:
            known = (await db.exec(select(AgreementDefault).with_for_update())).one_or_none()
            if known is None:
                db.add(AgreementDefault(id=1, is_open=is_open))
            elif known.is_open != is_open:
                await part_by_default(context, db, was_open=known.is_open)
                known.is_open = is_open
                await (_tell_anew(db, ANY, ANY) if is_open else _restart(db, ANY, ANY))
                log.info("agreements by default", open=is_open)


async def forget_rule(context: Context, from_party: str, to_party: str, module: str) -> None:
    """Take a rule back; raises ``UnknownObject`` where there is none."""
    sender, receiver = from_party.lower(), to_party.lower()
    async with context.database.write() as db:
        # A custom module may be called as one of OCPI's but for the case; it goes by itself.
        for named in dict.fromkeys((module, module_named(module))):
            await part(context, db, (sender, receiver, named), said=None)
            gone = await db.exec(
                delete(Agreement).where(
                    col(Agreement.from_party) == sender,
                    col(Agreement.to_party) == receiver,
                    col(Agreement.module) == named,
                )
            )
            if gone.rowcount:
                break
        else:
            raise UnknownObject(
                f"There is no agreement from {from_party} to {to_party} for {module}: "
                "see `ocpi agreement list`."
            )
        await _tell_anew(db, sender, receiver)


async def _tell_anew(db: AsyncSession, *parties: str) -> None:
    """Have the partners of these parties told everything that they may hear now."""
    for partner_id in await _partners(db, *parties):
        await rewind_lane(db, partner_id, hopeful=False)
        await asyncio.sleep(0)  # Of thousands, all at once would hold everything up.


async def _restart(db: AsyncSession, *parties: str) -> None:
    """Have what is sent to the partners of these parties decided by the rules as they are now."""
    await restart_lanes(db, await _partners(db, *parties))


async def _partners(db: AsyncSession, *parties: str) -> list[int]:
    hub = select(Partner.id).where(Partner.platform == PlatformID.HUB.value)
    if ANY not in parties:
        direct = select(PartnerRole.partner_id).where(col(PartnerRole.party).in_(parties))
        behind = select(AnnouncedParty.partner_id).where(col(AnnouncedParty.party).in_(parties))
        hub = hub.where(col(Partner.id).in_(direct) | col(Partner.id).in_(behind))
    found = await db.exec(hub.order_by(col(Partner.id)))
    return [each for each in found.all() if each is not None]


def _view(row: Agreement) -> RuleView:
    return RuleView(
        from_party=row.from_party.upper(),
        to_party=row.to_party.upper(),
        module=row.module,
        allowed=row.allowed,
        created_at=format_moment(moment_of(row.created_at)),
        note=_note(row.module),
    )


def _note(module: str) -> str | None:
    if module == ANY or module in FUNCTIONAL:
        return None
    return (
        f"{module} is none of the modules that OCPI has parties talk by ({', '.join(FUNCTIONAL)}): "
        "this rule is about a custom module of that name."
    )
