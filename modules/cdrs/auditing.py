"""The hourly audit: says loudly which CDRs their eMSPs have not accepted."""

from sqlalchemy import BigInteger, delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col

from modules.cdrs.audit import audit
from ocpi.context import Context
from ocpi.crew import Repeated
from ocpi.database import clock
from ocpi.messages import log

HOUR = 3600 * 1_000_000
# Of more CDRs than these a log line is no place.
SHOWN = 20


class CDRAudit(SQLModel, table=True):
    """The newest audits: who puts an hour's row in does that hour's audit."""

    __tablename__ = "cdr_audit"

    hour: int = Field(primary_key=True, sa_type=BigInteger)
    """Its beginning, on the database's clock."""


class Auditor(Repeated):
    """Audits once an hour, in one of any number of processes."""

    def __init__(self, context: Context, *, pause: float = 600.0) -> None:
        """`pause` is how often, in seconds, it looks whether an hour is not audited yet."""
        super().__init__(self.turn, pause=pause, complaint="CDRs were not audited", at_once=False)
        self._context = context

    async def turn(self) -> None:
        """Audit, unless this hour is audited already."""
        if await claim_hour(self._context):
            await report(self._context)


async def claim_hour(context: Context) -> bool:
    """Whether this hour's audit is the caller's to do."""
    try:
        async with context.database.write() as db:
            hour = await clock(db) // HOUR * HOUR
            if await db.get(CDRAudit, hour) is not None:
                return False
            await db.exec(delete(CDRAudit).where(col(CDRAudit.hour) < hour))
            db.add(CDRAudit(hour=hour))
    except IntegrityError:
        return False
    return True


async def report(context: Context) -> None:
    """Audit, and log what was found."""
    found = await audit(context, limit=SHOWN)
    if not found.overdue:
        log.info("CDRs audited", waiting=found.waiting)
        return
    log.error(
        "CDRs without a receipt: see `ocpi push audit`",
        overdue=found.overdue,
        waiting=found.waiting,
        cdrs=[f"{each['partner']}: {each['owner']}*{each['id']}" for each in found.cdrs],
    )
