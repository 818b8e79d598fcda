"""Takes reports in: each changes its record, and what partners see of it, in one transaction."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DBAPIError
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random

from modules.locations.store import locations
from modules.stations.reports import charging, others
from modules.stations.reports.desk import Desk, Outcome
from modules.stations.reports.forms import read_report
from modules.stations.reports.record import Taken
from ocpi.context import Context
from ocpi.database import Database, clock
from ocpi.editing import object_key
from ocpi.errors import InvalidParameters, OCPIError, UnknownLocation
from ocpi.headers import Party
from ocpi.parties import PlatformID, our_parties
from ocpi.spec.document import decode

# Reports of a batch that are committed together: more would make other writers wait for long.
_AT_ONCE = 50
# What PostgreSQL says to one of two that got into each other's way: a deadlock, a conflict of
# serializable transactions, and a session that both met first.
_COLLISIONS = ("40P01", "40001", "23505")

_HANDLERS: Mapping[str, Callable[[Desk, Any], Awaitable[Outcome]]] = {
    "start": charging.start,
    "meter": charging.measure,
    "stop": charging.stop,
    "boot": charging.boot,
    "status": others.change_status,
    "result": others.take_result,
    "profile": others.change_profile,
    "reservation_dropped": others.drop_reservation,
}


@dataclass(frozen=True)
class Station:
    """Whose hardware reports: a Location of a party of ours."""

    owner: Party
    location_id: str
    """As the registry spells it."""


async def find_station(
    database: Database, station_id: str, country_code: str | None, party_id: str | None
) -> Station:
    """The station of one of our parties whose Location has this id.

    Raises ``UnknownLocation``, and ``InvalidParameters`` where several parties have one.
    """
    found = []
    for party in await our_parties(database, PlatformID.CPO):
        wanted = Party(country_code or party.country_code, party_id or party.party_id)
        if wanted.key != party.key:
            continue
        text = await locations.text_of(database, object_key(party, station_id))
        if text is not None:
            found.append(Station(party, decode(text)["id"]))
    if not found:
        raise UnknownLocation(
            f"There is no station {station_id}: it is the id of a Location of ours."
        )
    if len(found) > 1:
        owners = ", ".join(str(each.owner) for each in found)
        raise InvalidParameters(f"country_code and party_id are needed: {owners} have {station_id}")
    return found[0]


def _collided(error: BaseException) -> bool:
    code = getattr(getattr(error, "orig", None), "sqlstate", None)
    return isinstance(error, DBAPIError) and code in _COLLISIONS


async def take_reports(
    context: Context, station: Station, documents: Sequence[Any]
) -> list[Outcome]:
    """Take reports in the order given; a wrong one is refused by itself and costs no other.

    When this returns, what was taken is stored for good.
    """
    outcomes: list[Outcome] = []
    for first in range(0, len(documents), _AT_ONCE):
        part = documents[first : first + _AT_ONCE]
        try:
            outcomes += await _take_all(context, station, part)
        except DBAPIError as error:
            if not _collided(error):
                raise
            # One by one they hold fewer locks, and do not meet the same way again.
            for each in part:
                outcomes += await _take_again(context, station, [each])
    if any(outcome.errand for outcome in outcomes):
        context.errands.set()
    return outcomes


async def _take_all(context: Context, station: Station, documents: Sequence[Any]) -> list[Outcome]:
    async with context.database.write() as db:
        now = await clock(db)
        desk = Desk(db, context.settings, station.owner, station.location_id, now)
        return [await _take(desk, document) for document in documents]


_take_again = retry(
    retry=retry_if_exception(_collided),
    stop=stop_after_attempt(5),
    wait=wait_random(0, 0.2),
    reraise=True,
)(_take_all)


async def _take(desk: Desk, document: Any) -> Outcome:
    """Take one report. What it began when it turns out to be wrong is undone."""
    try:
        report = read_report(document, desk.moment(None))
        async with desk.db.begin_nested():
            return await _HANDLERS[report.type](desk, report)
    except OCPIError as error:
        return Outcome(Taken.REFUSED, error.message)
