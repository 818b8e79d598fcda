"""The alarm of CDRs that nobody has accepted for too long."""

from collections.abc import Sequence

from modules.cdrs.audit import audit
from ocpi.alarms.conditions import HOUR, Check, Condition
from ocpi.context import Context

NAMED = 3


async def unaccepted_cdrs(context: Context) -> Sequence[Condition]:
    """One alarm for all of them: where there is one, there are often many."""
    hours = context.settings.alarm_cdr_hours
    found = await audit(context, limit=NAMED, grace=hours * HOUR)
    if not found.overdue:
        return []
    overdue = [each for each in found.cdrs if each["overdue"]]
    named = "; ".join(f"{each['id']} for {each['partner']}: {each['why']}" for each in overdue)
    return [
        Condition(
            "cdr_without_receipt",
            "",
            f"{found.overdue} CDRs are older than {hours} hours and no eMSP has accepted them, so "
            f"nobody will pay them. Such as {named} See `ocpi push audit`.",
        )
    ]


# Every ten minutes, since it reads all CDRs.
CHECK = Check(frozenset({"cdr_without_receipt"}), unaccepted_cdrs, rounds=20)
