"""Small, faultless documents for the tests of the types, each call a new copy."""

from typing import Any

from ocpi.spec import document

_CONNECTOR = """{"id": "1", "standard": "IEC_62196_T2", "format": "SOCKET",
    "power_type": "AC_3_PHASE", "max_voltage": 230, "max_amperage": 32,
    "last_updated": "2026-01-02T03:04:05Z"}"""

_LOCATION = f"""{{"country_code": "NL", "party_id": "ABC", "id": "LOC1", "publish": true,
    "address": "Kade 1", "city": "Delft", "country": "NLD",
    "coordinates": {{"latitude": "52.01160", "longitude": "4.35706"}},
    "evses": [{{"uid": "E1", "status": "AVAILABLE", "connectors": [{_CONNECTOR}],
               "last_updated": "2026-01-02T03:04:05Z"}}],
    "time_zone": "Europe/Amsterdam", "last_updated": "2026-01-02T03:04:05Z"}}"""

_TARIFF = """{"country_code": "NL", "party_id": "ABC", "id": "T1", "currency": "EUR",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 0.25, "step_size": 1}]}],
    "last_updated": "2026-01-02T03:04:05Z"}"""

_CDR_TOKEN = """{"country_code": "DE", "party_id": "XYZ", "uid": "0123", "type": "RFID",
    "contract_id": "DEXYZ1"}"""

_SESSION = f"""{{"country_code": "NL", "party_id": "ABC", "id": "S1",
    "start_date_time": "2026-01-02T03:04:05Z", "kwh": 1.5, "cdr_token": {_CDR_TOKEN},
    "auth_method": "WHITELIST", "location_id": "LOC1", "evse_uid": "E1", "connector_id": "1",
    "currency": "EUR", "status": "ACTIVE", "last_updated": "2026-01-02T03:04:05Z"}}"""

_CDR = f"""{{"country_code": "NL", "party_id": "ABC", "id": "C1",
    "start_date_time": "2026-01-02T03:04:05Z", "end_date_time": "2026-01-02T04:04:05Z",
    "cdr_token": {_CDR_TOKEN}, "auth_method": "WHITELIST",
    "cdr_location": {{"id": "LOC1", "address": "Kade 1", "city": "Delft", "country": "NLD",
        "coordinates": {{"latitude": "52.01160", "longitude": "4.35706"}}, "evse_uid": "E1",
        "evse_id": "NL*ABC*E1", "connector_id": "1", "connector_standard": "IEC_62196_T2",
        "connector_format": "SOCKET", "connector_power_type": "AC_3_PHASE"}},
    "currency": "EUR",
    "charging_periods": [{{"start_date_time": "2026-01-02T03:04:05Z",
        "dimensions": [{{"type": "ENERGY", "volume": 1.5}}]}}],
    "total_cost": {{"excl_vat": 0.38}}, "total_energy": 1.5, "total_time": 1,
    "last_updated": "2026-01-02T04:05:05Z"}}"""

_TOKEN = """{"country_code": "DE", "party_id": "XYZ", "uid": "0123", "type": "RFID",
    "contract_id": "DEXYZ1", "issuer": "XYZ", "valid": true, "whitelist": "ALLOWED",
    "last_updated": "2026-01-02T03:04:05Z"}"""

_CREDENTIALS = """{"token": "abc-123", "url": "https://example.org/ocpi/versions",
    "roles": [{"role": "CPO", "business_details": {"name": "ABC"}, "party_id": "ABC",
               "country_code": "NL"}]}"""


def location(**changes: Any) -> dict[str, Any]:
    return _sample(_LOCATION, changes)


def tariff(**changes: Any) -> dict[str, Any]:
    return _sample(_TARIFF, changes)


def session(**changes: Any) -> dict[str, Any]:
    return _sample(_SESSION, changes)


def cdr(**changes: Any) -> dict[str, Any]:
    return _sample(_CDR, changes)


def token(**changes: Any) -> dict[str, Any]:
    return _sample(_TOKEN, changes)


def credentials(**changes: Any) -> dict[str, Any]:
    return _sample(_CREDENTIALS, changes)


def _sample(text: str, changes: dict[str, Any]) -> dict[str, Any]:
    sample: dict[str, Any] = document.decode(text) | changes
    return sample
