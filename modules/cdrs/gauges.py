"""What Prometheus is told of our CDRs: those that their eMSPs have not accepted."""

from collections.abc import Sequence

from prometheus_client.core import Metric

from modules.cdrs.audit import audit
from ocpi.context import Context
from ocpi.observing.gauges import gauge


async def cdr_gauges(context: Context) -> Sequence[Metric]:
    """CDRs older than 15 minutes without a receipt, by an audit of all: not for every scrape."""
    found = await audit(context, limit=0)
    missing = gauge(
        "ocpi_cdrs_without_receipt",
        "CDRs of ours that their eMSP has not accepted; waiting: it cannot be told any now.",
        "standing",
    )
    missing.add_metric(("overdue",), found.overdue)
    missing.add_metric(("waiting",), found.waiting)
    oldest = gauge(
        "ocpi_cdr_oldest_without_receipt_seconds",
        "The age of the oldest overdue one; 0: there is none.",
    )
    oldest.add_metric((), found.oldest or 0)
    return [missing, oldest]
