"""What an export of Sessions holds: they are dated by their start, since many have no end yet."""

from modules.sessions.store import SessionRow
from ocpi.exporting import Kind

SESSIONS = Kind(
    SessionRow,
    "start_date_time",
    {
        **{name: (name,) for name in ("id", "country_code", "party_id", "status")},
        **{name: (name,) for name in ("start_date_time", "end_date_time", "kwh")},
        "emsp_country_code": ("cdr_token", "country_code"),
        "emsp_party_id": ("cdr_token", "party_id"),
        "token_uid": ("cdr_token", "uid"),
        "token_type": ("cdr_token", "type"),
        "contract_id": ("cdr_token", "contract_id"),
        **{name: (name,) for name in ("auth_method", "authorization_reference", "location_id")},
        **{name: (name,) for name in ("evse_uid", "connector_id", "meter_id", "currency")},
        "total_cost_excl_vat": ("total_cost", "excl_vat"),
        "total_cost_incl_vat": ("total_cost", "incl_vat"),
        "last_updated": ("last_updated",),
    },
)
