"""Our own CSV of stations: one row a Connector, the columns as below, in any order.

::

    location_id,name,address,city,postal_code,country,latitude,longitude,time_zone,opening_hours,\
parking_type,operator,publish,evse_uid,evse_id,status,capabilities,floor_level,physical_reference,\
connector_id,standard,format,power_type,max_voltage,max_amperage,max_electric_power,tariff_ids,\
last_updated
    LOC1,Station Nord,Rue de la Gare 1,Lyon,69003,FRA,45.7603,4.8595,,Mo-Fr 08:00-19:00,\
PARKING_LOT,Example Charging,,FREXAE0001,FR*EXA*E0001,AVAILABLE,RFID_READER RESERVABLE,-1,A1,\
1,IEC_62196_T2,,,,,22000,AC1 AC2,2026-01-02T03:04:05Z

A row needs `location_id`, `address`, `city`, `country`, `latitude`, `longitude`, `evse_uid` or
`evse_id`, `standard`, and `max_electric_power` (W) or both `max_voltage` and `max_amperage`. The
rest may be empty or absent: the time zone follows from the coordinates, `publish` is true, `status`
UNKNOWN, Connectors are numbered, electric values follow from standard and power, and
`last_updated` is the file's. `country` has two or three letters, hours are in OpenStreetMap's
style, lists are separated by blanks. What belongs to a Location or EVSE counts from its first row.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from math import ceil

from iso3166 import countries

from modules.stations.imports.hours import parse_hours
from modules.stations.imports.places import add_time_zone, coordinate
from modules.stations.imports.plugs import ac_amperage, ac_power_type
from modules.stations.imports.records import (
    UNCLEAR,
    Document,
    Draft,
    Found,
    Importer,
    Parts,
    Refusal,
    UnusableError,
)
from modules.stations.imports.spool import Spool
from ocpi.spec.moments import format_moment

LOCATION_COLUMNS = (
    "location_id", "name", "address", "city", "postal_code", "country", "latitude", "longitude",
    "time_zone", "opening_hours", "parking_type", "operator", "publish",
)  # fmt: skip
EVSE_COLUMNS = (
    "evse_uid", "evse_id", "status", "capabilities", "floor_level", "physical_reference",
)  # fmt: skip
CONNECTOR_COLUMNS = (
    "connector_id", "standard", "format", "power_type", "max_voltage", "max_amperage",
    "max_electric_power", "tariff_ids", "last_updated",
)  # fmt: skip
COLUMNS = LOCATION_COLUMNS + EVSE_COLUMNS + CONNECTOR_COLUMNS
TEMPLATE = ",".join(COLUMNS) + "\n"
MARKS = ("location_id", "standard")

_DC_ONLY = ("CHADEMO", "CHAOJI", "GBT_DC", "IEC_62196_T1_COMBO", "IEC_62196_T2_COMBO")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_DC_VOLTAGE = 500
_WHOLE = re.compile(r"[1-9][0-9]{0,8}")

Row = dict[str, str]


def draft_stations(
    rows: Iterable[Found | Refusal], importer: Importer
) -> Iterator[Draft | Refusal]:
    """Yield the stations in the order of their first rows, and the rows that are lost."""
    unclear = False  # Whether rows are lost of which it cannot be told whose they are.
    with Spool() as spool:
        for row in rows:
            if isinstance(row, Refusal):
                unclear = True
                yield row
            elif not row.values.get("location_id"):
                unclear = True
                yield Refusal(row.label, "location_id", "is required")
            else:
                spool.add(row.values["location_id"].strip(), row)
        for location_id, group in spool.groups():
            refused: Parts = {UNCLEAR} if unclear else set()
            yield from _draft_station(Draft(location_id, {}, refused=refused), group, importer)


def count_stations(rows: Iterable[Found | Refusal]) -> int:
    found = (row.values.get("location_id") for row in rows if isinstance(row, Found))
    return len({location_id.strip() for location_id in found if location_id})


def _draft_station(
    draft: Draft, group: list[Found], importer: Importer
) -> Iterator[Draft | Refusal]:
    found_evses: dict[str, Document] = {}
    numbers: Counter[str | None] = Counter()
    for found in group:
        row = _texts(found)
        uid = row.get("evse_uid") or row.get("evse_id", "").replace("*", "") or None
        numbers[uid] += 1
        connector_id = row.get("connector_id") or str(numbers[uid])
        try:
            _add_connector(found_evses, uid, connector_id, row, importer)
        except UnusableError as error:
            draft.refused.add(UNCLEAR if uid is None else (uid, connector_id))
            yield Refusal(f"{draft.record} ({found.label})", error.field, error.reason)
    try:
        _fill_location(draft, _texts(group[0]), importer)
        add_time_zone(draft, importer.default_time_zone)
    except UnusableError as error:
        yield Refusal(draft.record, error.field, error.reason)
        return
    evses = [evse for evse in found_evses.values() if evse["connectors"]]
    draft.document["evses"] = evses
    newest = [evse["last_updated"] for evse in evses]
    draft.document["last_updated"] = max(newest, default=format_moment(importer.moment))
    yield draft


def _texts(found: Found) -> Row:
    """Return the cells that are not empty."""
    texts = {column: " ".join((cell or "").split()) for column, cell in found.values.items()}
    return {column: text for column, text in texts.items() if text}


def _fill_location(draft: Draft, row: Row, importer: Importer) -> None:
    named = ("name", "address", "city", "postal_code", "time_zone", "parking_type")
    draft.document = {
        "country_code": importer.country_code,
        "party_id": importer.party_id,
        "id": draft.record,
        "publish": _boolean(row, "publish", default=True),
        **{column: row[column] for column in named if column in row},
        "country": _country(row),
        "coordinates": {
            "latitude": coordinate(row.get("latitude"), "latitude", 90),
            "longitude": coordinate(row.get("longitude"), "longitude", 180),
        },
    }
    if "operator" in row:
        draft.document["operator"] = {"name": row["operator"]}
    if "opening_hours" in row:
        hours = parse_hours(row["opening_hours"])
        if hours is None:
            raise UnusableError("opening_hours", f"'{row['opening_hours']}' can't be understood")
        draft.document["opening_times"] = hours


def _country(row: Row) -> str:
    country = countries.get(row.get("country", ""), None)
    if country is None:
        raise UnusableError("country", f"'{row.get('country', '')}' is no country of ISO 3166")
    return country.alpha3


def _boolean(row: Row, column: str, *, default: bool) -> bool:
    text = row.get(column, str(default)).lower()
    if text not in _BOOLEANS:
        raise UnusableError(column, f"'{row[column]}' is neither true nor false")
    return _BOOLEANS[text]


def _add_connector(
    evses: dict[str, Document], uid: str | None, connector_id: str, row: Row, importer: Importer
) -> None:
    """Add a row's Connector; its number counts, and what it says of its EVSE, though it is lost."""
    if uid is None:
        raise UnusableError("evse_uid", "is required")
    last_updated = row.get("last_updated") or format_moment(importer.moment)
    evse = evses.setdefault(uid, _evse(uid, row, last_updated))
    connector = {"id": connector_id, **_connector(row), "last_updated": last_updated}
    if any(other["id"] == connector_id for other in evse["connectors"]):
        raise UnusableError("connector_id", f"'{connector_id}' stands twice in EVSE {uid}")
    evse["connectors"].append(connector)


def _evse(uid: str, row: Row, last_updated: str) -> Document:
    named = ("evse_id", "floor_level", "physical_reference")
    return {
        "uid": uid,
        **{column: row[column] for column in named if column in row},
        "status": row.get("status", "UNKNOWN"),
        "capabilities": row.get("capabilities", "").split(),
        "connectors": [],
        "last_updated": last_updated,
    }


def _connector(row: Row) -> Document:
    """Return the Connector of a row, what it leaves out derived from standard and power."""
    standard = row.get("standard")
    if not standard:
        raise UnusableError("standard", "is required")
    watts, voltage, amperage = (
        _whole(row, column) for column in ("max_electric_power", "max_voltage", "max_amperage")
    )
    if watts is None and (voltage is None or amperage is None):
        raise UnusableError("max_electric_power", "is required, or max_voltage and max_amperage")
    power_type = row.get("power_type") or _power_type(standard, watts)
    direct = power_type == "DC"
    voltage = voltage or (_DC_VOLTAGE if direct else 230)
    if amperage is None:
        amperage = ceil((watts or 0) / voltage) if direct else ac_amperage(watts or 0, power_type)
    connector: Document = {
        "standard": standard,
        "format": row.get("format") or ("CABLE" if direct else "SOCKET"),
        "power_type": power_type,
        "max_voltage": voltage,
        "max_amperage": amperage,
        "tariff_ids": row.get("tariff_ids", "").split(),
    }
    if watts is not None:
        connector["max_electric_power"] = watts
    return connector


def _power_type(standard: str, watts: int | None) -> str:
    if standard in _DC_ONLY:
        return "DC"
    if watts is None:
        raise UnusableError("power_type", "is required where max_electric_power is not given")
    return ac_power_type(watts)


def _whole(row: Row, column: str) -> int | None:
    text = row.get(column)
    if text is None:
        return None
    if not _WHOLE.fullmatch(text):
        raise UnusableError(column, f"'{text}' is no whole number above zero")
    return int(text)
