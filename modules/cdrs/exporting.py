"""What an export of CDRs holds: they are dated by their end."""

from modules.cdrs.store import CDRRow
from ocpi.exporting import Kind

_PLACE = ("id", "name", "address", "postal_code", "city", "country")
_POINT = ("evse_uid", "evse_id", "connector_id", "connector_standard")
_TOTALS = ("", "_fixed", "_energy", "_time", "_parking", "_reservation")

CDRS = Kind(
    CDRRow,
    "end_date_time",
    {
        **{name: (name,) for name in ("id", "country_code", "party_id")},
        **{name: (name,) for name in ("start_date_time", "end_date_time", "session_id")},
        "emsp_country_code": ("cdr_token", "country_code"),
        "emsp_party_id": ("cdr_token", "party_id"),
        "token_uid": ("cdr_token", "uid"),
        "token_type": ("cdr_token", "type"),
        "contract_id": ("cdr_token", "contract_id"),
        **{name: (name,) for name in ("auth_method", "authorization_reference")},
        **{f"location_{name}": ("cdr_location", name) for name in _PLACE},
        **{name: ("cdr_location", name) for name in _POINT},
        "meter_id": ("meter_id",),
        "currency": ("currency",),
        **{name: (name,) for name in ("total_energy", "total_time", "total_parking_time")},
        **{
            f"total{name}_cost_{vat}": (f"total{name}_cost", vat)
            for name in _TOTALS
            for vat in ("excl_vat", "incl_vat")
        },
        **{name: (name,) for name in ("credit", "credit_reference_id", "invoice_reference_id")},
        **{name: (name,) for name in ("remark", "last_updated")},
    },
)
