"""Who is at the hub, for staff: how each party stands, since when, and on whose connection."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import col

from modules.hubclientinfo.standing import Facts, by_weight, read_facts, read_told, status_of
from ocpi.context import Context
from ocpi.editing import Document
from ocpi.headers import Party
from ocpi.parties import Partner
from ocpi.spec.hubclientinfo import ConnectionStatus

_NAMES = select(col(Partner.id), col(Partner.name))


@dataclass(frozen=True)
class HubParty:
    """A party in a role."""

    party: Party
    role: str
    status: str
    """A ConnectionStatus."""
    since: str | None
    """When others were told of it; None: they will be in a moment."""
    partner: str | None
    """The connection that it is reached by; None: it is our own, or gone."""
    behind: bool = False
    """It is not the partner's own: the partner is a hub that announces it."""
    gone: bool = False
    """It is at the hub no more."""


async def list_members(context: Context) -> list[HubParty]:
    """Everybody who is or was at the hub, by party and role."""
    database = context.database
    told = await read_told(context)
    names = dict(tuple(row) for row in await database.fetch("members.names", _NAMES, {}))
    facts = {each.key: each for each in by_weight(await read_facts(context))}
    standings = []
    for key in sorted({*told, *facts}):
        if key in facts:
            standings.append(_member(facts[key], told.get(key), names))
        else:
            standings.append(_former(told[key]))
    return standings


def _member(facts: Facts, told: Document | None, names: dict[int, str]) -> HubParty:
    status = status_of(facts).value
    current = told is not None and told["status"] == status
    return HubParty(
        Party(facts.country_code, facts.party_id),
        facts.role,
        status,
        told["last_updated"] if told is not None and current else None,
        None if facts.partner_id is None else names.get(facts.partner_id),
        behind=facts.announced is not None,
    )


def _former(told: Document) -> HubParty:
    return HubParty(
        Party(told["country_code"], told["party_id"]),
        told["role"],
        ConnectionStatus.SUSPENDED.value,
        told["last_updated"],
        None,
        gone=True,
    )
