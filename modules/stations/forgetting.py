"""Forgets what is of no use any more: old errands, reservations, permissions and prices."""

from sqlalchemy import delete, func, or_, select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.commands.asking import SentCommand
from modules.commands.reservations import OPEN, Reservation
from modules.locations.former import FormerTariffIDs
from modules.stations.charges import Charge
from modules.tariffs.former import FormerTariff
from modules.tokens.authorizations import Authorization
from ocpi.context import Context
from ocpi.crew import Repeated
from ocpi.database import clock
from ocpi.errands import Errand
from ocpi.hub.links import forget_expired
from ocpi.hub.memory import forget_old as forget_carried
from ocpi.messages import log

DAY = 24 * 3600 * 1_000_000
# Longer than any session is looked for, and than any dispute about a command takes.
KEPT = 30 * DAY


async def forget_old(db: AsyncSession) -> int:
    """Delete what is older than 30 days; gives how many rows.

    The RESERVE_NOW of a reservation that is open is kept: it is told where it ends (CM-23). So is
    a reservation whose session goes on or is not billed yet: that is asked for it again (SE-17).
    """
    before = await clock(db) - KEPT
    needed = select(col(Reservation.errand_id)).where(col(Reservation.fate).in_(OPEN))
    charged = select(col(Charge.id)).where(
        col(Charge.owner) == col(Reservation.owner),
        col(Charge.session_key) == func.lower(col(Reservation.session_id)),
        or_(col(Charge.open), col(Charge.trouble).is_not(None)),
    )
    gone = 0
    for statement in (
        delete(Errand).where(
            col(Errand.deadline) < before,
            col(Errand.told_at).is_not(None),
            col(Errand.id).not_in(needed),
        ),
        delete(Reservation).where(
            col(Reservation.expires_at) < before,
            col(Reservation.fate).not_in(OPEN),
            ~charged.exists(),
        ),
        delete(Authorization).where(col(Authorization.at) < before),
        delete(SentCommand).where(col(SentCommand.sent_at) < before),
        delete(FormerTariff).where(col(FormerTariff.until) < before),
        delete(FormerTariffIDs).where(col(FormerTariffIDs.until) < before),
    ):
        gone += (await db.exec(statement)).rowcount
    return gone


class Forgetter(Repeated):
    """Forgets once an hour, in any number of processes."""

    def __init__(self, context: Context, *, pause: float = 3600.0) -> None:
        super().__init__(self.turn, pause=pause, complaint="nothing was forgotten", at_once=False)
        self._context = context

    async def turn(self) -> None:
        """Forget, all or nothing."""
        async with self._context.database.write() as db:
            gone = await forget_old(db)
            await forget_expired(db)
            await forget_carried(db)
        log.info("forgotten", rows=gone)
