"""Who speaks: a message's party must be one of its caller's (RT-08, TA-06, TA-28)."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, not_, select
from sqlmodel import col

from ocpi.database import Database
from ocpi.directory import MEMBERS, AnnouncedParty
from ocpi.errors import ForeignSender
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

_MEMBERS = MEMBERS.subquery()
_PLANNED = select(_MEMBERS.c.role, _MEMBERS.c.party).where(
    _MEMBERS.c.partner_id == bindparam("partner_id"), not_(_MEMBERS.c.presented)
)


async def as_party(
    database: Database, caller: Caller, sender: Party, owner: Party | None
) -> Caller:
    """The caller as the one party that sends, and the owner that a hub speaks for (RT-05, AT-36).

    Raises ``ForeignSender`` for a party that is not the caller's, and for one that its Credentials
    do not name, which is PLANNED to all others: no requests yet (HC-11).
    """
    planned = await _planned(database, caller.partner_id)
    named = tuple(each for each in caller.roles if (each.role, each.party.key) not in planned)
    parties = [sender] if owner is None else [sender, owner]
    presented = replace(caller, roles=named) if planned else caller
    speaking = await with_announced(database, presented, parties)
    roles = [each for each in speaking.roles if each.party.key == sender.key]
    if not roles and sender.key in {party for _, party in planned}:
        raise ForeignSender(
            f"OCPI-from: {sender} is agreed on, but the Credentials of {caller.name} do not name "
            "it (yet, or any more): PUT them with this role first."
        )
    if not roles:
        raise stranger(speaking, sender)
    if any(each.role == "HUB" for each in roles) and owner is not None:
        roles += [each for each in speaking.roles if each.party.key == owner.key]
    # Most have one party.
    same = len(roles) == len(speaking.roles)
    return speaking if same else replace(speaking, roles=tuple(roles))


def stranger(caller: Caller, sender: Party) -> ForeignSender:
    """The refusal of a party that is none of the caller's."""
    parties = ", ".join(str(party) for party in caller.parties)
    return ForeignSender(f"OCPI-from: {sender} is no party of {caller.name} (it has {parties})")


async def _planned(database: Database, partner_id: int) -> Collection[tuple[str, str]]:
    """The roles, and the keys of their parties, that a partner has not presented."""

    async def read() -> Collection[tuple[str, str]]:
        rows = await database.fetch("hub.planned", _PLANNED, {"partner_id": partner_id})
        return {(role, party) for role, party in rows}

    return await database.kept.get(("planned", partner_id), read)


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
