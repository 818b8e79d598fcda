"""What happened in a session, in order: pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from modules.stations.reports.record import Record
from ocpi.editing import Document
from ocpi.spec.moments import parse_moment

_STATES = {
    "RESERVED": "The connector is kept free.",
    "CHARGING": "The vehicle charges.",
    "PARKED": "The vehicle asks for no power.",
    "PAUSED_BY_STATION": "The station gives no power.",
}
_UNITS = {
    "CURRENT": "A",
    "ENERGY": "kWh",
    "ENERGY_EXPORT": "kWh out",
    "ENERGY_IMPORT": "kWh in",
    "MAX_CURRENT": "A at most",
    "MAX_POWER": "kW at most",
    "MIN_CURRENT": "A at least",
    "MIN_POWER": "kW at least",
    "PARKING_TIME": "h parked",
    "POWER": "kW",
    "RESERVATION_TIME": "h reserved",
    "STATE_OF_CHARGE": "% full",
    "TIME": "h charging",
}


class Step(NamedTuple):
    """Something that happened."""

    at: str
    what: str


def timeline(session: Document, record: Record | None, bills: Sequence[Document]) -> list[Step]:
    """All that is known of it, by time; what happened at once stays in the order below."""
    steps = [*_reported(record), *_periods(session), *_ends(session), *_billed(bills)]
    return sorted(steps, key=lambda step: parse_moment(step.at))


def volumes(period: Document) -> str:
    """A charging period's dimensions in words."""
    return ", ".join(
        f"{each['volume']} {_UNITS.get(each['type'], each['type'])}"
        for each in period["dimensions"]
    )


def _reported(record: Record | None) -> Iterator[Step]:
    if record is None:
        return
    if record.reserved_at is not None:
        yield Step(record.reserved_at, "The connector was reserved.")
    if record.started_at is not None:
        yield Step(record.started_at, "The station reported the start.")
    for each in record.states:
        yield Step(each["at"], _STATES.get(each["state"], each["state"]))
    for each in record.tariff_changes:
        yield Step(each["at"], f"The tariff {each['tariff_id']} prices it from here on.")
    if record.ended_at is not None:
        yield Step(record.ended_at, "The station reported the end.")


def _periods(session: Document) -> Iterator[Step]:
    yield Step(session["start_date_time"], "The Session begins.")
    for number, period in enumerate(session.get("charging_periods") or [], start=1):
        tariff = f", by the tariff {period['tariff_id']}" if period.get("tariff_id") else ""
        yield Step(
            period["start_date_time"], f"Charging period {number}: {volumes(period)}{tariff}."
        )


def _ends(session: Document) -> Iterator[Step]:
    if session.get("end_date_time"):
        yield Step(session["end_date_time"], "The Session ends.")
    yield Step(session["last_updated"], f"The Session is {session['status']}: its newest change.")


def _billed(bills: Sequence[Document]) -> Iterator[Step]:
    for bill in bills:
        cdr = bill["cdr"]
        kind = "credit CDR" if cdr.get("credit") else "CDR"
        total = f"{cdr['currency']} {cdr['total_cost']['excl_vat']} without VAT"
        yield Step(cdr["last_updated"], f"The {kind} {cdr['id']} was made: {total}.")
        for receipt in bill["receipts"]:
            yield Step(receipt["accepted_at"], f"{receipt['partner']} accepted the {kind}.")
