"""Where a party of the hub is reached: the one place that says what is unknown, away or lacking."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import and_, bindparam, select
from sqlmodel import col

from ocpi.agreements import RULES_BETWEEN, may_by
from ocpi.client import Target
from ocpi.context import Context, Interface
from ocpi.directory import MEMBERS
from ocpi.errors import ReceiverAway, RoutingFailure, UnknownReceiver
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.parties import Partner, PartnerEndpoint, PlatformID, State
from ocpi.push.breaker import is_away
from ocpi.push.lanes import PartnerLane
from ocpi.sealing import WrongKey
from ocpi.sides import TOWARDS_CPO, is_cpo_side
from ocpi.spec.document import decode
from ocpi.spec.hubclientinfo import ConnectionStatus

# What tells of one party's drivers, or is done for them.
_OF_DRIVERS = TOWARDS_CPO | {"sessions", "cdrs"}
_MEMBERS = MEMBERS.subquery()
_FOUND = (
    select(
        _MEMBERS.c.role,
        _MEMBERS.c.country_code,
        _MEMBERS.c.party_id,
        _MEMBERS.c.partner_id,
        _MEMBERS.c.status,
        _MEMBERS.c.presented,
        col(Partner.name),
        col(Partner.state),
        col(Partner.suspended),
        col(Partner.passed_at),
        col(Partner.token_out),
        col(Partner.options),
        col(PartnerEndpoint.url),
        col(PartnerLane.breaker),
    )
    .outerjoin(Partner, col(Partner.id) == _MEMBERS.c.partner_id)
    .outerjoin(
        PartnerEndpoint,
        and_(
            col(PartnerEndpoint.partner_id) == _MEMBERS.c.partner_id,
            col(PartnerEndpoint.identifier) == bindparam("module"),
            col(PartnerEndpoint.role) == bindparam("interface"),
        ),
    )
    .outerjoin(PartnerLane, col(PartnerLane.partner_id) == _MEMBERS.c.partner_id)
    .where(_MEMBERS.c.party == bindparam("party"))
)


_FOUND_AND_RULES = _FOUND.add_columns(RULES_BETWEEN)


class _Found(NamedTuple):
    role: str
    country_code: str
    party_id: str
    partner_id: int | None
    status: str | None
    presented: bool
    name: str
    state: str
    suspended: bool
    passed_at: int | None
    token_out: str | None
    options: str
    url: str | None
    breaker: str | None
    rules: str | None = None


@dataclass(frozen=True)
class Destination:
    """A party, and where its messages of one interface go; without an endpoint they are for us."""

    party: Party
    partner_id: int = 0
    target: Target | None = None
    endpoint: str = ""


async def find_destination(
    context: Context, sender: Party, to: Party, interface: Interface
) -> Destination:
    """Where a party is reached that another one sends to, as things are now.

    Raises ``UnknownReceiver``, the same for a party that there is not and for one that the sender
    may not talk to; ``ReceiverAway``; ``RoutingFailure`` for an interface that it lacks.
    """
    key = ("destination", sender.key, to.key, interface)
    return await context.database.kept.get(key, lambda: _find(context, sender, to, interface))


async def _find(context: Context, sender: Party, to: Party, interface: Interface) -> Destination:
    given = _given(to, interface) | {"sender": sender.key, "receiver": to.key}
    rows = await context.database.fetch("hub.destination.rules", _FOUND_AND_RULES, given)
    found = [_Found(*row) for row in rows]
    default = context.settings.hub_is_open
    if not found or not may_by(
        found[0].rules, sender.key, to.key, interface.module, default=default
    ):
        raise UnknownReceiver(f"{to} is not known to this hub.")
    return _destination(context, to, interface, found)


async def locate(
    context: Context, to: Party, interface: Interface, partner_id: int, url: str
) -> Destination | None:
    """A party at a URL of the partner by which it is reached; None where it is so no longer.

    Raises ``ReceiverAway``.
    """
    rows = await context.database.fetch("hub.destination", _FOUND, _given(to, interface))
    found = [_Found(*row)._replace(url=url) for row in rows]
    there = [each for each in found if each.partner_id == partner_id]
    return _destination(context, to, interface, there) if there else None


def _given(to: Party, interface: Interface) -> dict[str, str]:
    return {"party": to.key, "module": interface.module, "interface": interface.role}


def _destination(
    context: Context, to: Party, interface: Interface, found: Sequence[_Found]
) -> Destination:
    able = _able(found, interface)
    best = max(able, key=lambda each: _fitness(context, each, interface))
    party = Party(best.country_code, best.party_id)
    if best.partner_id is None:
        if interface not in context.interfaces.get(PlatformID.CPO, ()):
            raise _lacking(to, interface)
        return Destination(party)
    # What is carried to a partner is live data, too.
    unchecked = context.settings.require_check and best.passed_at is None
    if unchecked or not _is_connected(best):
        raise ReceiverAway(f"{to} is not connected to this hub now.")
    if best.url is None:
        raise _lacking(to, interface)
    return Destination(party, best.partner_id, _target(context, best), best.url)


def _target(context: Context, found: _Found) -> Target:
    assert found.token_out is not None
    try:
        token = context.seal.open(found.token_out)
    except WrongKey as error:
        log.warning("a partner cannot be called", partner=found.name, error=str(error))
        raise ReceiverAway(f"{found.country_code}*{found.party_id} is not connected.") from None
    return Target(found.name, token, raw_token=_takes_raw(found.options))


@lru_cache
def _takes_raw(options: str) -> bool:
    return bool(decode(options).get("raw_token"))


def _able(found: Sequence[_Found], interface: Interface) -> Sequence[_Found]:
    """As what a party can be meant: what is of drivers is for its role of that side alone.

    Another connection of the same codes would take a bill that nobody pays then.
    """
    playing = [each for each in found if _plays(each, interface)]
    return playing if playing and interface.module in _OF_DRIVERS else found


def _plays(found: _Found, interface: Interface) -> bool:
    return (found.role == "CPO") == is_cpo_side(interface.module, interface.role)


def _fitness(
    context: Context, found: _Found, interface: Interface
) -> tuple[bool, bool, bool, bool]:
    """Better offers the interface, plays the role for it, has presented it, is reached directly."""
    ours = found.partner_id is None
    offered = interface in context.interfaces.get(PlatformID.CPO, ()) if ours else bool(found.url)
    return offered, _plays(found, interface), bool(found.presented), found.status is None


def _is_connected(found: _Found) -> bool:
    registered = found.state in (State.ISSUED, State.CONFIRMED) and found.token_out is not None
    if not registered or found.suspended or not found.presented:
        return False
    if found.status not in (None, ConnectionStatus.CONNECTED):
        return False
    return not is_away(found.breaker)


def _lacking(to: Party, interface: Interface) -> RoutingFailure:
    return RoutingFailure(f"{to} does not offer {interface.module} as {interface.role}.")
