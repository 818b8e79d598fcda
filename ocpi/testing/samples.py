"""Valid OCPI 2.2.1 objects, made fresh on each call; keyword arguments replace members."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

CPO = {"country_code": "DE", "party_id": "CPO"}
EMSP = {"country_code": "DE", "party_id": "MSP"}
UPDATED = "2026-01-15T08:30:00Z"


def credentials_role(role: str = "CPO", name: str = "Lindenhof Charging", **over: Any) -> Document:
    owner = EMSP if role == "EMSP" else CPO
    return {"role": role, "business_details": {"name": name}, **owner, **over}


def credentials(**over: Any) -> Document:
    return {
        "token": "sample-credentials-token-1",
        "url": "https://cpo.example/ocpi/versions",
        "roles": [credentials_role()],
        **over,
    }


def connector(number: int = 1, **over: Any) -> Document:
    """Give number 1, a Type 2 socket, or 2, a CCS cable."""
    plug = (
        {"standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE"}
        if number == 1
        else {"standard": "IEC_62196_T2_COMBO", "format": "CABLE", "power_type": "DC"}
    )
    limits = {"max_voltage": 230, "max_amperage": 32, "max_electric_power": 22000}
    if number != 1:
        limits = {"max_voltage": 500, "max_amperage": 125, "max_electric_power": 50000}
    return {
        "id": str(number),
        **plug,
        **limits,
        "tariff_ids": ["TARIFF-1"],
        "last_updated": UPDATED,
        **over,
    }


def evse(number: int = 1, **over: Any) -> Document:
    return {
        "uid": f"EVSE-{number}",
        "evse_id": f"DE*CPO*E1000{number}",
        "status": "AVAILABLE",
        "capabilities": ["RFID_READER", "REMOTE_START_STOP_CAPABLE"],
        "connectors": [connector(1), connector(2)],
        "physical_reference": str(number),
        "last_updated": UPDATED,
        **over,
    }


def location(**over: Any) -> Document:
    """Three EVSEs with two Connectors each."""
    return {
        **CPO,
        "id": "LOC-1",
        "publish": True,
        "name": "Lindenhof market square",
        "address": "Marktplatz 4",
        "city": "Musterstadt",
        "postal_code": "12345",
        "country": "DEU",
        "coordinates": {"latitude": "52.520008", "longitude": "13.404954"},
        "parking_type": "PARKING_LOT",
        "evses": [evse(1), evse(2), evse(3)],
        "directions": [{"language": "en", "text": "Behind the town hall, next to the fountain."}],
        "operator": {"name": "Lindenhof Charging"},
        "facilities": ["CAFE"],
        "time_zone": "Europe/Berlin",
        "opening_times": {"twentyfourseven": True},
        "last_updated": UPDATED,
        **over,
    }


def tariff(**over: Any) -> Document:
    """Half a euro per kWh, and two euros per hour of parking."""
    return {
        **CPO,
        "id": "TARIFF-1",
        "currency": "EUR",
        "type": "REGULAR",
        "tariff_alt_text": [{"language": "en", "text": "Parking is paid for once you are full."}],
        "elements": [
            {
                "price_components": [
                    {"type": "ENERGY", "price": 0.5, "vat": 19, "step_size": 1},
                    {"type": "PARKING_TIME", "price": 2, "vat": 19, "step_size": 60},
                ]
            }
        ],
        "last_updated": UPDATED,
        **over,
    }


def token(**over: Any) -> Document:
    return {
        **EMSP,
        "uid": "04A1B2C3D4E5F6",
        "type": "RFID",
        "contract_id": "DE-MSP-C00000001-1",
        "visual_number": "DE MSP 0001",
        "issuer": "Mock eMSP",
        "valid": True,
        "whitelist": "ALLOWED",
        "language": "en",
        "last_updated": UPDATED,
        **over,
    }


def cdr_token(**over: Any) -> Document:
    kept = ("country_code", "party_id", "uid", "type", "contract_id")
    return {**{name: token()[name] for name in kept}, **over}


def charging_period(start: str = "2026-01-15T09:00:00Z", kwh: float = 10.5) -> Document:
    return {
        "start_date_time": start,
        "dimensions": [{"type": "ENERGY", "volume": kwh}, {"type": "TIME", "volume": 0.5}],
        "tariff_id": "TARIFF-1",
    }


def session(**over: Any) -> Document:
    """A session that is still charging."""
    return {
        **CPO,
        "id": "SESSION-1",
        "start_date_time": "2026-01-15T09:00:00Z",
        "kwh": 10.5,
        "cdr_token": cdr_token(),
        "auth_method": "WHITELIST",
        "location_id": "LOC-1",
        "evse_uid": "EVSE-1",
        "connector_id": "1",
        "currency": "EUR",
        "charging_periods": [charging_period()],
        "total_cost": {"excl_vat": 5.25},
        "status": "ACTIVE",
        "last_updated": "2026-01-15T09:30:00Z",
        **over,
    }


def cdr(**over: Any) -> Document:
    """The bill of `session()`, after half an hour; one of another id is another session's."""
    name = str(over.get("id", "CDR-1"))
    bills_another = name != "CDR-1" and not over.get("credit")
    return {
        **CPO,
        "id": "CDR-1",
        "start_date_time": "2026-01-15T09:00:00Z",
        "end_date_time": "2026-01-15T09:30:00Z",
        "session_id": f"S-{name}"[:36] if bills_another else "SESSION-1",
        "cdr_token": cdr_token(),
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": "LOC-1",
            "name": "Lindenhof market square",
            "address": "Marktplatz 4",
            "city": "Musterstadt",
            "postal_code": "12345",
            "country": "DEU",
            "coordinates": {"latitude": "52.520008", "longitude": "13.404954"},
            "evse_uid": "EVSE-1",
            "evse_id": "DE*CPO*E10001",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "EUR",
        "tariffs": [tariff()],
        "charging_periods": [charging_period()],
        "total_cost": {"excl_vat": 5.25, "incl_vat": 6.25},
        "total_energy": 10.5,
        "total_energy_cost": {"excl_vat": 5.25},
        "total_time": 0.5,
        "last_updated": "2026-01-15T09:31:00Z",
        **over,
    }
