"""The French register of charging points (IRVE, static): a row a point, a Location a station.

OCPI has no field for much of what a row says. That is kept as published in a member `irve`: of the
Location what all rows of a station agree on, of the EVSE what they differ in.
"""

from collections.abc import Iterable, Iterator

from modules.stations.imports.hours import minutes_open, parse_hours
from modules.stations.imports.irvepoints import (
    TOLD_BY_EVSE,
    Row,
    build_evse,
    named_station,
    normalize,
    point_of,
    station_of,
    updated,
)
from modules.stations.imports.places import (
    UNKNOWN_CITY,
    Place,
    Towns,
    city_in_name,
    coordinate,
    parse_address,
    time_zone_at,
)
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

_TOLD_BY_LOCATION = frozenset(
    {
        "nom_station",
        "adresse_station",
        "coordonneesXY",
        "nom_operateur",
        "nom_amenageur",
        "horaires",
    }
)
# A dedicated station ("Station dédiée à la recharge rapide") is no parking that OCPI could name.
_PARKING_TYPES = (("voirie", "ON_STREET"), ("parking", "PARKING_LOT"))
_SUSPICIOUSLY_SHORT = 60  # minutes a week


def draft_stations(
    rows: Iterable[Found | Refusal], importer: Importer
) -> Iterator[Draft | Refusal]:
    """Yield the stations in the order of their first points, and the points that are lost."""
    towns = Towns()
    unclear: set[str | None] = set()  # The stations of points that are lost; None: of any.
    with Spool() as spool:
        for each in rows:
            if isinstance(each, Refusal):
                unclear.add(None)
                yield each
                continue
            row = Found(each.label, normalize(each.values))
            station = station_of(row.values)
            if station is None:
                unclear.add(named_station(row.values))
                yield Refusal(row.label, "id_pdc_itinerance", "is missing, and so is a local id")
                continue
            towns.learn(row.values.get("code_insee_commune") or "", _published_place(row.values))
            spool.add(station, row)
        for station, group in spool.groups():
            refused: Parts = {UNCLEAR} if unclear & {None, station} else set()
            draft = Draft(station, {}, refused=refused)
            yield from _draft_station(draft, [row.values for row in group], towns, importer)


def count_stations(rows: Iterable[Found | Refusal]) -> int:
    found = (station_of(normalize(row.values)) for row in rows if isinstance(row, Found))
    return len({station for station in found if station})


def _draft_station(
    draft: Draft, rows: list[Row], towns: Towns, importer: Importer
) -> Iterator[Draft | Refusal]:
    shared = _shared(rows)
    evses: list[Document] = []
    for row in rows:
        point = point_of(row)
        record = f"{draft.record}/{point}"
        try:
            evse, remarks = build_evse(record, row, shared, importer)
        except UnusableError as error:
            draft.refused.add((point, None))
            yield Refusal(record, error.field, error.reason)
            continue
        evses.append(evse)
        draft.remarks += remarks
    try:
        _fill_location(draft, rows, towns, importer)
    except UnusableError as error:
        yield Refusal(draft.record, error.field, error.reason)
        return
    draft.document["evses"] = evses
    draft.document["irve"] = _untold(shared, draft.document)
    yield draft


def _shared(rows: list[Row]) -> Row:
    """Return the columns that are alike in all rows."""
    first, *others = rows
    return {
        column: value
        for column, value in first.items()
        if all(row.get(column) == value for row in others)
    }


def _fill_location(draft: Draft, rows: list[Row], towns: Towns, importer: Importer) -> None:
    """Write the Location without its EVSEs; where rows differ, the first one counts."""
    row = _merged(rows)
    latitude, longitude = _coordinates(row)
    place = _place(row, towns, draft)
    time_zone = time_zone_at(latitude, longitude) or importer.default_time_zone
    if not time_zone:
        raise UnusableError("time_zone", "the coordinates tell none: name one by --time-zone")
    document = {
        "country_code": importer.country_code,
        "party_id": importer.party_id,
        "id": draft.record,
        # "Accès réservé" is said of public stations that take subscribers or customers only.
        "publish": "priv" not in (row.get("condition_acces") or "").lower(),
        "name": row.get("nom_station"),
        "address": place.street or row.get("nom_station") or UNKNOWN_CITY,
        "city": place.city,
        "postal_code": place.postal_code,
        "country": "FRA",
        "coordinates": {"latitude": latitude, "longitude": longitude},
        "parking_type": _parking_type(row),
        "operator": _business(row.get("nom_operateur") or row.get("nom_enseigne")),
        "owner": _business(row.get("nom_amenageur")),
        "time_zone": time_zone,
        "opening_times": _opening_times(row, draft),
        "last_updated": max(updated(each, importer) for each in rows),
    }
    draft.document = {name: value for name, value in document.items() if value is not None}


def _merged(rows: list[Row]) -> Row:
    """Return of each column the first value that is there."""
    merged = dict(rows[0])
    for row in rows[1:]:
        for column, value in row.items():
            if value is not None and merged.get(column) is None:
                merged[column] = value
    return merged


def _coordinates(row: Row) -> tuple[str, str]:
    """Return latitude and longitude; the register writes `[longitude, latitude]`."""
    text = row.get("coordonneesXY") or ""
    longitude, _, latitude = text.strip("[]() ").partition(",")
    return (
        coordinate(latitude.strip(), "coordonneesXY", 90),
        coordinate(longitude.strip(), "coordonneesXY", 180),
    )


def _published_place(row: Row) -> Place:
    """Return what a row itself says; the national consolidation adds columns of its own."""
    place = parse_address(row.get("adresse_station") or "")
    return Place(
        place.street,
        row.get("consolidated_code_postal") or place.postal_code,
        row.get("consolidated_commune") or place.city,
    )


def _place(row: Row, towns: Towns, draft: Draft) -> Place:
    place = _published_place(row)
    if place.city and place.postal_code:
        return place
    city, postal_code = towns.find(row.get("code_insee_commune") or "")
    if city:
        draft.remark("city", "was missing: derived from the municipality's code")
    else:
        city = place.city or city_in_name(row.get("nom_station") or "")
        known = ": derived from address or name" if city else ", and can't be known"
        draft.remark("city", f"was missing{known}")
    postal_code = place.postal_code or postal_code
    if not postal_code:
        draft.remark("postal_code", "is missing, and can't be known")
    return Place(place.street, postal_code, city or UNKNOWN_CITY)


def _parking_type(row: Row) -> str | None:
    place = (row.get("implantation_station") or "").lower()
    return next((value for word, value in _PARKING_TYPES if place.startswith(word)), None)


def _business(name: str | None) -> Document | None:
    return {"name": name} if name else None


def _opening_times(row: Row, draft: Draft) -> Document | None:
    text = row.get("horaires")
    hours = parse_hours(text) if text else None
    if text and not hours:
        draft.remark("opening_times", f"'{text}' can't be understood, and was left out")
    if hours and minutes_open(hours) < _SUSPICIOUSLY_SHORT:
        draft.remark("opening_times", f"'{text}' was taken at its word, and may be a placeholder")
    return hours


def _untold(shared: Row, document: Document) -> Row:
    """Return what all rows agree on and the Location doesn't say."""
    told = TOLD_BY_EVSE | _TOLD_BY_LOCATION
    if "opening_times" not in document:
        told -= {"horaires"}
    if shared.get("adresse_station") != document["address"]:
        told -= {"adresse_station"}
    return {
        column: value
        for column, value in shared.items()
        if value is not None and column not in told
    }
