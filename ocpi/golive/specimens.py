"""Test objects that a partner is told in the round of writes, named for what they are."""

from typing import Any

from ocpi.headers import Party

Document = dict[str, Any]
LABEL = "OCPI check: test data, please ignore"
_PLACE = {"latitude": "52.520000", "longitude": "13.405000"}


def location(owner: Party, name: str, moment: str, status: str) -> Document:
    """A Location that is not published, with one EVSE in a status."""
    plug = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 16,
        "last_updated": moment,
    }
    return {
        **_owned(owner),
        "id": name,
        "publish": False,
        "name": LABEL,
        "address": "Test 1",
        "city": "Test",
        "country": "DEU",
        "coordinates": _PLACE,
        "time_zone": "Europe/Berlin",
        "evses": [{"uid": name, "status": status, "connectors": [plug], "last_updated": moment}],
        "last_updated": moment,
    }


def tariff(owner: Party, name: str, moment: str) -> Document:
    """A Tariff by which everything is free."""
    free = {"type": "FLAT", "price": 0.0, "step_size": 1}
    return {
        **_owned(owner),
        "id": name,
        "currency": "EUR",
        "tariff_alt_text": [{"language": "en", "text": LABEL}],
        "elements": [{"price_components": [free]}],
        "last_updated": moment,
    }


def session(owner: Party, driver: Party, name: str, moment: str, status: str) -> Document:
    """A Session of no driver, in which nothing is charged."""
    return {
        **_owned(owner),
        "id": name,
        "start_date_time": moment,
        **({"end_date_time": moment} if status == "INVALID" else {}),
        "kwh": 0.0,
        "cdr_token": _token(driver, name),
        "auth_method": "WHITELIST",
        "location_id": name,
        "evse_uid": name,
        "connector_id": "1",
        "currency": "EUR",
        "status": status,
        "last_updated": moment,
    }


def cdr(owner: Party, driver: Party, name: str, moment: str) -> Document:
    """A CDR that costs nothing."""
    return {
        **_owned(owner),
        "id": name,
        "start_date_time": moment,
        "end_date_time": moment,
        "cdr_token": _token(driver, name),
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": name,
            "name": LABEL,
            "address": "Test 1",
            "city": "Test",
            "country": "DEU",
            "coordinates": _PLACE,
            "evse_uid": name,
            "evse_id": "DE*TST*E1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "EUR",
        "charging_periods": [
            {"start_date_time": moment, "dimensions": [{"type": "ENERGY", "volume": 0.0}]}
        ],
        "total_cost": {"excl_vat": 0.0},
        "total_energy": 0.0,
        "total_time": 0.0,
        "remark": LABEL,
        "last_updated": moment,
    }


def _owned(owner: Party) -> Document:
    return {"country_code": owner.country_code, "party_id": owner.party_id}


def _token(driver: Party, name: str) -> Document:
    return {**_owned(driver), "uid": name, "type": "OTHER", "contract_id": name}
