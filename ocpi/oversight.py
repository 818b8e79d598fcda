"""What of the whole program is watched: the gauges and alarms of every part, put together."""

from collections.abc import Sequence

from modules.cdrs.alarming import CHECK
from modules.cdrs.gauges import cdr_gauges
from modules.stations.gauges import session_gauges, station_gauges, trouble_gauges
from ocpi.alarms.alarm import alarm_gauges
from ocpi.alarms.conditions import CHECKS
from ocpi.alarms.duty import AlarmWatch
from ocpi.context import Context
from ocpi.crew import Duty
from ocpi.observing.gauges import push_gauges, tolerance_counters
from ocpi.observing.lateness import LoopWatch
from ocpi.observing.scraping import Read, Scraping

# What a scrape reads from the database, and for how many seconds that is good.
GAUGES: Sequence[tuple[Read, float]] = (
    (push_gauges, 5.0),
    (alarm_gauges, 5.0),
    (session_gauges, 5.0),
    (station_gauges, 60.0),
    (trouble_gauges, 60.0),
    (cdr_gauges, 60.0),
    (tolerance_counters, 60.0),
)


def watches_of(context: Context) -> Sequence[Duty]:
    """What every process does: see how busy it is, and to alarms, for the others may be gone."""
    return LoopWatch(context.metrics), AlarmWatch(context, (*CHECKS, CHECK))


def scraping_of(context: Context) -> Scraping:
    """What answers Prometheus in this process."""
    return Scraping(context, GAUGES)
