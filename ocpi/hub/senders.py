"""Who speaks: a message's party must be one of its caller's (RT-08, TA-06, TA-28)."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, select
from sqlmodel import col

from ocpi.database import Database
from ocpi.directory import AnnouncedParty
from ocpi.headers import Party
from ocpi.parties import Caller, OurParty, PartyRole
from ocpi.spec.hubclientinfo import ConnectionStatus

_ANNOUNCED = select(
    col(AnnouncedParty.role), col(AnnouncedParty.country_code), col(AnnouncedParty.party_id)
).where(
    col(AnnouncedParty.partner_id) == bindparam("partner_id"),
    col(AnnouncedParty.status) == ConnectionStatus.CONNECTED.value,
    col(AnnouncedParty.party).in_([bindparam("first"), bindparam("second")]),
    col(AnnouncedParty.party).not_in(select(col(OurParty.party))),
)


async def with_announced(database: Database, caller: Caller, named: Collection[Party]) -> Caller:
    """A caller that is a hub, with those of the parties named, two at most, that it has announced.

    Who is behind a hub may send and own what comes through it; nobody else may (AT-36), and for
    parties of ours nobody but us speaks.
    """
    keys = [party.key for party in named]
    if not keys or "HUB" not in {role.role for role in caller.roles}:
        return caller
    given = {"partner_id": caller.partner_id, "first": keys[0], "second": keys[-1]}
    key = ("announced", *given.values())
    found = await database.kept.get(key, lambda: _announced(database, given))
    return replace(caller, roles=(*caller.roles, *found))


async def _announced(database: Database, given: Mapping[str, Any]) -> list[PartyRole]:
    rows = await database.fetch("hub.announced", _ANNOUNCED, given)
    return [PartyRole(role, Party(*codes)) for role, *codes in rows]
