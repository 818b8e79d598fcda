"""An example of each report, as the OpenAPI document shows it."""

from collections.abc import Mapping

from ocpi.editing import Document

_SESSION = "5f3c0b6e-1d0f-4a55-9d0e-6a1f7f1c2b11"
_PROFILE = {
    "start_date_time": "2026-03-01T10:05:00Z",
    "charging_profile": {
        "charging_rate_unit": "W",
        "charging_profile_period": [{"start_period": 0, "limit": 11000}],
    },
}

EXAMPLES: Mapping[str, Document] = {
    "status": {
        "type": "status",
        "at": "2026-03-01T09:59:58Z",
        "evse_uid": "EVSE-1",
        "status": "CHARGING",
    },
    "start": {
        "type": "start",
        "at": "2026-03-01T10:00:00Z",
        "transaction_id": "4711",
        "evse_uid": "EVSE-1",
        "connector_id": "1",
        "token": {"uid": "04A1B2C3D4E5F6", "type": "RFID"},
        "kwh": 1500,
    },
    "meter": {
        "type": "meter",
        "at": "2026-03-01T10:15:00Z",
        "transaction_id": "4711",
        "kwh": 1503,
        "power_kw": 11,
        "state": "CHARGING",
    },
    "stop": {
        "type": "stop",
        "at": "2026-03-01T11:00:00Z",
        "transaction_id": "4711",
        "kwh": 1510,
    },
    "boot": {"type": "boot", "at": "2026-03-01T09:00:00Z", "running": ["4711"]},
    "result": {"type": "result", "id": _SESSION, "result": "ACCEPTED"},
    "profile": {"type": "profile", "transaction_id": "4711", "profile": _PROFILE},
    "reservation_dropped": {
        "type": "reservation_dropped",
        "reservation_id": 12,
        "reason": "The EVSE is out of order.",
    },
}
