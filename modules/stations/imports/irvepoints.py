"""A row of the French register (IRVE, static) is one point of charge, and becomes one EVSE."""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from modules.stations.imports.plugs import Plugs, connectors_of
from modules.stations.imports.records import Document, Importer, Remark, UnusableError
from ocpi.spec.document import encode
from ocpi.spec.moments import format_moment

Row = dict[str, str | None]

# The columns by which a file of the register is known.
MARKS = ("id_pdc_itinerance", "puissance_nominale")

# What an EVSE or its place in the document says, so that `irve` need not repeat it.
TOLD_BY_EVSE = frozenset(
    {
        "id_station_itinerance",
        "id_pdc_itinerance",
        "date_maj",
        "prise_type_ef",
        "prise_type_2",
        "prise_type_combo_ccs",
        "prise_type_chademo",
    }
)

_NO_ID = ("non concerné", "non concerne")
_EVSE_ID = re.compile(r"([A-Z]{2})\*?([A-Z0-9]{3})\*?E\*?([A-Z0-9][A-Z0-9*]{0,30})", re.IGNORECASE)
_POWER = re.compile(r"[0-9]{1,9}([.,][0-9]{1,20})?")
_SMALLEST_POWER = Decimal("0.1")
_LARGEST_POWER = 2_000  # kW: what is above was written in W, or in error.
_YES = ("true", "1", "vrai", "oui")


def normalize(values: Document) -> Row:
    """Return every value as text without superfluous blanks, or None."""
    return {column: _as_text(value) for column, value in values.items()}


def station_of(row: Row) -> str | None:
    """Return the id of a point's station, if need be derived from that of the point.

    None when the point itself has no id.
    """
    point = point_of(row)
    station = named_station(row)
    if point is None or station:
        return point and station
    match = _EVSE_ID.fullmatch(point)
    return f"{match[1]}{match[2]}P{match[3]}" if match else point


def named_station(row: Row) -> str | None:
    return _id(row, "id_station_itinerance") or _id(row, "id_station_local")


def point_of(row: Row) -> str | None:
    return _id(row, "id_pdc_itinerance") or _id(row, "id_pdc_local")


def said_yes(row: Row, column: str) -> bool:
    return (row.get(column) or "").lower() in _YES


def updated(row: Row, importer: Importer) -> str:
    """Return midnight UTC of the row's date, or the importer's moment where there is none."""
    try:
        day = date.fromisoformat((row.get("date_maj") or "")[:10])
    except ValueError:
        return format_moment(importer.moment)
    return format_moment(datetime.combine(day, time(), UTC))


def build_evse(
    record: str, row: Row, shared: Row, importer: Importer
) -> tuple[Document, list[Remark]]:
    """Return the EVSE of a row; `shared` is what its Location says for all of its rows.

    Raises UnusableError for a point without a power, or without a plug that OCPI can name.
    """
    uid = point_of(row) or ""
    last_updated = updated(row, importer)
    watts = _watts(row)
    connectors = connectors_of(watts, _plugs(row), last_updated)
    other_plug = said_yes(row, "prise_type_autre")
    if not connectors:
        reason = "the only plug type set is 'autre'" if other_plug else "no plug type set"
        raise UnusableError("prise_type", reason)
    remarks = []
    if other_plug:
        remarks.append(Remark(record, "prise_type_autre", "names no plug, and was left out"))
    if max(connector["max_electric_power"] for connector in connectors) < watts:
        reason = f"none of its plugs can carry {watts} W"
        remarks.append(Remark(record, "puissance_nominale", reason))
    evse: Document = {
        "uid": uid,
        **_evse_id(uid),
        "status": "UNKNOWN",  # The register is of what there is, not of how it is.
        "capabilities": _capabilities(row),
        "connectors": connectors,
        "parking_restrictions": _parking_restrictions(row),
        "last_updated": last_updated,
    }
    own = {
        column: value
        for column, value in row.items()
        if value is not None and column not in shared and column not in TOLD_BY_EVSE
    }
    return evse | ({"irve": own} if own else {}), remarks


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else encode(value)
    return " ".join(text.split()) or None


def _id(row: Row, column: str) -> str | None:
    name = row.get(column)
    return None if name is None or name.lower() in _NO_ID else name


def _evse_id(uid: str) -> Document:
    """Return the id with asterisks, as eMI3 has it, of one that the register writes without."""
    match = _EVSE_ID.fullmatch(uid)
    return {"evse_id": f"{match[1]}*{match[2]}*E{match[3]}".upper()} if match else {}


def _watts(row: Row) -> int:
    text = row.get("puissance_nominale") or ""
    power = Decimal(text.replace(",", ".")) if _POWER.fullmatch(text) else Decimal(0)
    if not _SMALLEST_POWER <= power <= _LARGEST_POWER:
        raise UnusableError("puissance_nominale", f"'{text}' is no power in kW")
    return round(power * 1000)


def _plugs(row: Row) -> Plugs:
    return Plugs(
        domestic=said_yes(row, "prise_type_ef"),
        type_2=said_yes(row, "prise_type_2"),
        ccs=said_yes(row, "prise_type_combo_ccs"),
        chademo=said_yes(row, "prise_type_chademo"),
        type_2_cable=said_yes(row, "cable_t2_attache"),
        # Tesla's earlier Superchargers, and nobody else's, give DC through Type 2.
        type_2_dc=row.get("nom_operateur") == "Tesla",
    )


def _capabilities(row: Row) -> list[str]:
    columns = {"paiement_cb": "CREDIT_CARD_PAYABLE", "reservation": "RESERVABLE"}
    return [capability for column, capability in columns.items() if said_yes(row, column)]


def _parking_restrictions(row: Row) -> list[str]:
    restrictions = []
    if (row.get("accessibilite_pmr") or "").lower().startswith("réservé"):
        restrictions.append("DISABLED")
    if "clientèle" in (row.get("implantation_station") or ""):
        restrictions.append("CUSTOMERS")
    if said_yes(row, "station_deux_roues"):
        restrictions.append("MOTORCYCLES")
    return restrictions
