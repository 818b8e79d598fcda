"""Tariffs, CDRs and vectors that the tests of pricing share."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from modules.tariffs.pricing import Bill
from ocpi.spec.document import decode

Document = dict[str, Any]

VECTORS = [
    decode(path.read_bytes()) for path in sorted(Path(__file__).parent.glob("vectors/*.json"))
]
BY_NAME = {vector["name"]: vector for vector in VECTORS}
MONDAY = datetime(2024, 1, 15, 8, tzinfo=UTC)


def component(kind: str, price: str, step_size: int = 1, vat: str | None = None) -> Document:
    document: Document = {"type": kind, "price": Decimal(price), "step_size": step_size}
    return document if vat is None else document | {"vat": Decimal(vat)}


def element(*components: Document, **restrictions: Any) -> Document:
    document: Document = {"price_components": list(components)}
    return document | ({"restrictions": restrictions} if restrictions else {})


def tariff(*elements: Document, **members: Any) -> Document:
    return {
        "country_code": "NL",
        "party_id": "TST",
        "id": "T1",
        "currency": "EUR",
        "elements": list(elements),
        "last_updated": "2024-01-01T00:00:00Z",
    } | members


def period(start: str, tariff_id: str | None = None, **volumes: str) -> Document:
    """A period of 15 January 2024, `start` being HH:MM in UTC."""
    document: Document = {
        "start_date_time": f"2024-01-15T{start}:00Z",
        "dimensions": [
            {"type": name, "volume": Decimal(volume)} for name, volume in volumes.items()
        ],
    }
    return document | ({"tariff_id": tariff_id} if tariff_id else {})


def cdr(*periods: Document, end: str = "12:00", **members: Any) -> Document:
    return {
        "start_date_time": periods[0]["start_date_time"],
        "end_date_time": f"2024-01-15T{end}:00Z",
        "currency": "EUR",
        "charging_periods": list(periods),
    } | members


def outcome(bill: Bill) -> tuple[object, list[str]]:
    """The total without VAT, and what was noted."""
    return bill.total.excl, bill.codes()


def amounts(bill: Bill) -> tuple[object, object]:
    """The total without and with VAT."""
    return bill.total.excl, bill.total.incl


def costs(fields: Mapping[str, Any]) -> dict[str, Decimal]:
    """The costs without VAT, by field."""
    return {name: cost["excl_vat"] for name, cost in fields.items()}
