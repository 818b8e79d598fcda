"""How far a partner is on its way to being registered, for the staff who invited it."""

from dataclasses import dataclass
from enum import IntEnum

from sqlmodel import col, select

from credentials.registration import find_partner
from ocpi.context import Context
from ocpi.database import clock
from ocpi.parties import IssuedToken, State


class Step(IntEnum):
    """What has happened, the last thing."""

    NONE = 0
    """Nothing is open: the relation has ended, and only staff can begin it anew."""
    OFFERED = 1
    """We have made a registration token."""
    CALLED = 2
    """The partner has called us with it."""
    ISSUED = 3
    """We have called back, and credentials are exchanged."""
    CONFIRMED = 4
    """The partner has used the token that it was given."""


@dataclass(frozen=True)
class Joining:
    """A partner's way to being registered."""

    name: str
    step: Step
    problem: str | None
    """What the last handshake came to, when it is worth a word."""
    expires_at: int | None
    """Until when the registration token is good, in microseconds since 1970."""
    expired: bool
    """It was good until then, and is no more."""


async def joining(context: Context, name: str) -> Joining:
    """Where a partner stands; raises ``UnknownObject``."""
    async with context.database.read() as db:
        partner = await find_partner(db, name)
        found = await db.exec(
            select(IssuedToken)
            .where(IssuedToken.partner_id == partner.key)
            .order_by(col(IssuedToken.created_at))
        )
        tokens = {token.registration: token for token in found}
        now = await clock(db)
    offer, given = tokens.get(True), tokens.get(False)
    expires_at = None if offer is None else offer.expires_at
    expired = expires_at is not None and expires_at <= now
    step = _step(State(partner.state), offer, given)
    return Joining(name, step, partner.note, expires_at, expired)


def _step(state: State, offer: IssuedToken | None, given: IssuedToken | None) -> Step:
    """A registration token lives until a token that is newer than itself has been used."""
    if offer is None:
        return {State.ISSUED: Step.ISSUED, State.CONFIRMED: Step.CONFIRMED}.get(state, Step.NONE)
    if given is not None and given.created_at > offer.created_at:
        return Step.ISSUED
    return Step.OFFERED if offer.used_at is None else Step.CALLED
