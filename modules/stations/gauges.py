"""What Prometheus is told of our stations: EVSEs by status, and the sessions that go on."""

from collections.abc import Sequence

from prometheus_client.core import Metric
from sqlalchemy import bindparam, text

from modules.stations.reported import count_troubled
from ocpi.context import Context
from ocpi.observing.gauges import gauge
from ocpi.parties import PlatformID
from ocpi.spec.locations import Status
from ocpi.spec.sessions import SessionStatus

_OURS = "owner IN (SELECT party FROM our_party WHERE platform = :platform)"
# Read from the documents themselves, which alone hold the status.
_EVSES = {
    True: text(
        "SELECT json_extract(evse.value, '$.status'), count(*)"  # noqa: S608 - Our own words.
        f" FROM location, json_each(location.body, '$.evses') AS evse WHERE {_OURS} GROUP BY 1"
    ),
    False: text(
        "SELECT evse->>'status', count(*) FROM location,"  # noqa: S608 - Our own words.
        " json_array_elements(CASE WHEN json_typeof(body::json->'evses') = 'array'"
        f" THEN body::json->'evses' END) AS evse WHERE {_OURS} GROUP BY 1"
    ),
}
_SESSIONS = text(
    "SELECT status, count(*) FROM session"  # noqa: S608 - Our own words.
    f" WHERE status IN ('ACTIVE', 'PENDING', 'RESERVATION') AND {_OURS} GROUP BY status"
)


async def station_gauges(context: Context) -> Sequence[Metric]:
    """EVSEs of ours by status. Every Location is read, so this is not for every scrape."""
    platform = {"platform": PlatformID.CPO.value}
    database = context.database
    query = _EVSES[database.sqlite].bindparams(bindparam("platform"))
    found: dict[str, int] = {
        row[0]: row[1] for row in await database.fetch("gauges.evses", query, platform)
    }
    evses = gauge("ocpi_evses", "EVSEs of ours, by status.", "status")
    for status in Status:
        evses.add_metric((status,), found.get(status.value, 0))
    return [evses]


async def session_gauges(context: Context) -> Sequence[Metric]:
    """Sessions of ours that have not ended."""
    platform = {"platform": PlatformID.CPO.value}
    rows = await context.database.fetch("gauges.sessions", _SESSIONS, platform)
    found: dict[str, int] = {row[0]: row[1] for row in rows}
    running = gauge("ocpi_sessions", "Sessions of ours that have not ended, by status.", "status")
    for status in (SessionStatus.ACTIVE, SessionStatus.PENDING, SessionStatus.RESERVATION):
        running.add_metric((status,), found.get(status.value, 0))
    return [running]


async def trouble_gauges(context: Context) -> Sequence[Metric]:
    """Sessions that need somebody."""
    troubled = gauge(
        "ocpi_sessions_in_trouble",
        "Sessions reported that could not be told or billed: `ocpi station charges --trouble`.",
    )
    troubled.add_metric((), await count_troubled(context.database))
    return [troubled]
