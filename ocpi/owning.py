"""Whose objects are a partner's, and what it may ask for: a party counts by its roles there.

One party may be CPO on one connection and eMSP on another, under the same codes (TA-04, TA-05).
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import CompoundSelect, bindparam, select, union_all
from sqlmodel import col

from ocpi.database import Database
from ocpi.directory import PRESENTED
from ocpi.errors import ForeignOwner, InvalidParameters
from ocpi.headers import Party
from ocpi.parties import Caller, OurParty, PartnerRole, PartyRole
from ocpi.sides import askers, owners, owning

# Staff may offer a role to anybody: until it is presented whoever owns by another one goes on so.
# Who is suspended owns still, and who has unregistered presents nothing any more.
_ELSEWHERE: CompoundSelect[tuple[str]] = union_all(
    select(col(PartnerRole.role)).where(
        col(PartnerRole.party) == bindparam("party"),
        col(PartnerRole.partner_id) != bindparam("partner_id"),
        PRESENTED,
    ),
    select(col(OurParty.role)).where(col(OurParty.party) == bindparam("party")),
)


async def require_owner(database: Database, caller: Caller, module: str, owner: Party) -> Party:
    """The caller's party that owns an object of a module, in its own spelling (PD-05).

    Raises ``ForeignOwner`` for an object of somebody else, and for one that is of another role than
    the party plays on this connection: it would pass for that of who plays it (CO-06).
    """
    theirs = [each for each in caller.roles if each.party.key == owner.key]
    if not theirs:
        raise ForeignOwner(f"{owner} is no party of {caller.name}.")
    if not await owned_by(database, caller.partner_id, theirs, module):
        raise ForeignOwner(
            f"country_code, party_id: {owner} is {_listed(theirs)} on this connection, and its "
            f"{module} are its own as the first that there is of {', '.join(owners(module))}."
        )
    return theirs[0].party


async def owned_by(
    database: Database, partner_id: int, roles: Collection[PartyRole], module: str
) -> dict[str, Party]:
    """The parties among these roles of a partner that own objects of a module, by key.

    Where a party plays a role that comes first on another connection, it owns them there.
    """
    played: dict[str, list[PartyRole]] = defaultdict(list)
    for each in roles:
        played[each.party.key].append(each)
    return {
        key: theirs[0].party
        for key, theirs in played.items()
        if await _owns(database, partner_id, key, module, {each.role for each in theirs})
    }


async def _owns(
    database: Database, partner_id: int, party: str, module: str, roles: Collection[str]
) -> bool:
    role = owning(module, roles)
    if role is None or role == owners(module)[0]:
        return role is not None
    return owning(module, {role, *await _elsewhere(database, partner_id, party)}) == role


async def _elsewhere(database: Database, partner_id: int, party: str) -> list[str]:
    """The roles that a party plays on all connections but a partner's."""
    given = {"party": party, "partner_id": partner_id}

    async def read() -> list[str]:
        return [role for (role,) in await database.fetch("owning.elsewhere", _ELSEWHERE, given)]

    return await database.kept.get(("elsewhere", partner_id, party), read)


def may_ask(caller: Caller, module: str, interface: str) -> bool:
    """Whether any of a caller's parties may ask something of an interface."""
    due = askers(module, interface)
    return due is None or any(each.role in due for each in caller.roles)


def asking(caller: Caller, module: str, interface: str, sender: Party | None) -> Caller:
    """The caller with those of its parties alone that may ask something of an interface.

    Raises ``InvalidParameters`` where none of them may, or `sender` does not: by its codes alone
    a CPO would be told of the drivers of an eMSP that has the same ones elsewhere.
    """
    due = askers(module, interface)
    if due is None:
        return caller
    meant = [each for each in caller.roles if sender is None or each.party.key == sender.key]
    if not any(each.role in due for each in meant):
        raise InvalidParameters(
            f"OCPI-from: {sender or caller.name} is {_listed(meant)} on this connection, and "
            f"{module} as {interface} is for {', '.join(due)}."
        )
    return replace(caller, roles=tuple(each for each in caller.roles if each.role in due))


def _listed(roles: Collection[PartyRole]) -> str:
    return ", ".join(sorted({each.role for each in roles})) or "nobody"
