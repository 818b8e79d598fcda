"""Sessions and CDRs out of what stations reported: pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from typing import Any

from modules.stations.reports.record import BY_STAFF, SECOND, Record
from modules.tariffs.pricing import (
    Measured,
    PricingError,
    State,
    StateChange,
    TariffChange,
    bill_session,
    cdr_fields,
)
from ocpi.editing import Document
from ocpi.spec.moments import format_moment, parse_moment

# Notes of a bill that staff must see: a part of a Tariff could not be used.
_FOR_STAFF = ("unknown_restriction", "unknown_dimension", "restriction_undecidable")
_LONGEST = timedelta(days=31)
# What stands in for the Tariff of a Connector that names none; it is told to nobody.
_FREE_TARIFF = {
    "id": "free of charge",
    "elements": [{"price_components": [{"type": "FLAT", "price": 0, "step_size": 1}]}],
}


@dataclass(frozen=True)
class Priced:
    """The fields of a Session or CDR that go with a price, or why there is none."""

    fields: Document = field(default_factory=dict)
    problem: str | None = None
    notes: Sequence[str] = ()
    """What staff should know of the price."""


@dataclass(frozen=True)
class Fixed:
    """What the beginning of a session fixes for its bill, whatever changes later (CD-13)."""

    session: Document
    """session_id, cdr_token, auth_method, authorization_reference, location_id, evse_uid,
    connector_id, cdr_location, time_zone, currency, and `unpriced`: why nothing can be priced."""
    tariffs: list[Document]
    """The Tariffs of the Connector."""
    tariff_changes: list[dict[str, str]]
    """From which moment on which of them prices the session: `at`, `tariff_id`."""

    def free(self) -> "Fixed":
        """The same, free of charge."""
        session = {name: value for name, value in self.session.items() if name != "unpriced"}
        return Fixed(session, [], [])

    def price(self, measured: Measured, *, expired: bool | None = None) -> Priced:
        """The pricing fields of a CDR; `expired` says that a reservation ran out."""
        if problem := self.session.get("unpriced") or _endless(measured):
            return Priced(problem=problem)
        if len(currencies := self.currencies()) > 1:
            return Priced(problem=f"Its Tariffs have several currencies: {', '.join(currencies)}.")
        try:
            bill = bill_session(
                measured, self._tariffs(), self.session.get("time_zone"), expired=expired
            )
        except PricingError as error:
            return Priced(problem=str(error))
        fields = cdr_fields(bill)
        if not self.tariffs:
            del fields["tariffs"]
            for period in fields["charging_periods"]:
                del period["tariff_id"]
        notes = [note.sentence for note in bill.notes if note.code in _FOR_STAFF]
        return Priced(fields, notes=[*self._stale(), *notes])

    def _stale(self) -> Iterator[str]:
        """Tell of Tariffs that were over, or changed before the start was known and not kept."""
        named = {each["tariff_id"].lower(): each["at"] for each in reversed(self.tariff_changes)}
        for each in self._tariffs() if self.tariff_changes else ():
            since, changed = named[each["id"].lower()], each["last_updated"]
            if parse_moment(since) < parse_moment(changed):
                yield (
                    f"The Tariff {each['id']} was changed on {changed}, after the session began on "
                    f"{since} and before its start was known: it is priced by the changed one."
                )
            ended = each.get("end_date_time")
            if ended is not None and parse_moment(ended) <= parse_moment(since):
                yield (
                    f"The Tariff {each['id']} ended on {ended}: it prices the session from {since} "
                    "on, since none was valid then."
                )

    def currencies(self) -> list[str]:
        """Those of the Tariffs that price it; one, since they are chosen so."""
        return list(dict.fromkeys(each["currency"].upper() for each in self._tariffs()))

    def _tariffs(self) -> list[Mapping[str, Any]]:
        named = {each["tariff_id"].lower() for each in self.tariff_changes}
        free = {**_FREE_TARIFF, "currency": self.session["currency"]}
        return [each for each in self.tariffs if each["id"].lower() in named] or [free]

    def session_document(self, owner: Document, priced: Priced, **over: Any) -> Document:
        """A Session, undated; `owner` has its country_code and party_id."""
        names = ("cdr_token", "auth_method", "authorization_reference")
        places = ("location_id", "evse_uid", "connector_id")
        document = {
            **owner,
            "id": self.session["session_id"],
            **{name: self.session.get(name) for name in (*names, *places)},
            "currency": priced.fields.get("currency", self.session["currency"]),
            "charging_periods": priced.fields.get("charging_periods"),
            "total_cost": priced.fields.get("total_cost"),
            **over,
        }
        return {name: value for name, value in document.items() if value not in (None, [])}

    def cdr_document(self, owner: Document, priced: Priced, **over: Any) -> Document:
        """A CDR, undated, under the id of its Session: so nobody is billed twice for it."""
        names = ("cdr_token", "auth_method", "authorization_reference", "cdr_location")
        document = {
            **owner,
            "id": self.session["session_id"],
            **priced.fields,
            "session_id": self.session["session_id"],
            **{name: self.session.get(name) for name in names},
            **over,
        }
        return {name: value for name, value in document.items() if value is not None}


def fixed_of(record: Record) -> Fixed:
    """What the start of a recorded session fixed."""
    assert record.session is not None
    return Fixed(record.session, record.tariffs, record.tariff_changes)


def currency_of(record: Record) -> str | None:
    """The currency of what prices a session; None where no Tariff does."""
    return fixed_of(record).currencies()[0] if record.tariff_changes else None


def running_session(record: Record, owner: Document) -> Document:
    """The Session while it goes on; charging periods that were told stay as they were told."""
    fixed = fixed_of(record)
    priced = fixed.price(record.measured(told=True))
    if not record.lasted:
        # The second that its price is made for has not passed yet.
        priced.fields.pop("charging_periods", None)
    return fixed.session_document(
        owner,
        priced,
        start_date_time=_whole(record.started_at),
        kwh=record.kwh,
        meter_id=record.meter_id,
        status="ACTIVE",
    )


def finished(record: Record, owner: Document) -> tuple[Document, Document | None, str | None]:
    """The Session at its end, its CDR, and why there is none; what staff should know is noted."""
    fixed = fixed_of(record)
    doubt = record.doubt
    priced = Priced(problem=doubt) if doubt else fixed.price(record.measured(told=False))
    for note in priced.notes:
        record.note(note)
    session = fixed.session_document(
        owner,
        priced,
        start_date_time=_whole(record.started_at),
        end_date_time=priced.fields.get("end_date_time", _whole(record.ended_at)),
        kwh=record.kwh,
        meter_id=record.meter_id,
        status="COMPLETED",
    )
    if priced.problem is not None:
        return session, None, priced.problem
    cdr = fixed.cdr_document(
        owner, priced, meter_id=record.meter_id, signed_data=record.signed_data
    )
    return session, cdr, None


def reserved_session(fixed: Fixed, owner: Document, since: str) -> Document:
    """The Session of a reservation that holds (SE-16)."""
    return fixed.session_document(
        owner, Priced(), start_date_time=_whole(since), kwh=0, status="RESERVATION"
    )


def reservation_over(
    fixed: Fixed, owner: Document, since: str, until: str, *, expired: bool
) -> tuple[Document, Document | None, str | None]:
    """As `finished`, for a reservation that nobody used; there is a CDR where it costs (CM-22)."""
    start = parse_moment(since)
    end = max(parse_moment(until), start + SECOND)
    changes = tuple(TariffChange(start, each["tariff_id"]) for each in fixed.tariff_changes)
    measured = Measured(start, end, (), (StateChange(start, State.RESERVED),), changes)
    priced = fixed.price(measured, expired=expired)
    session = fixed.session_document(
        owner,
        priced,
        start_date_time=_whole(since),
        end_date_time=_whole(format_moment(end)),
        kwh=0,
        status="COMPLETED",
    )
    if priced.problem is not None:
        return session, None, priced.problem
    costs = bool(Fraction(priced.fields["total_cost"]["excl_vat"]))
    return session, fixed.cdr_document(owner, priced) if costs else None, None


def _endless(measured: Measured) -> str | None:
    """What staff are told of a session that a wrong clock made of two others.

    A price that changes twice a day changes ten thousand times in years, and each takes its time.
    """
    if measured.end - measured.start <= _LONGEST:
        return None
    since, until = format_moment(measured.start), format_moment(measured.end)
    return (
        f"It went on from {since} to {until}, which is more than {_LONGEST.days} days, so one of "
        f"these moments is wrong. Find {BY_STAFF}"
    )


def _whole(moment: str | None) -> str:
    """A moment cut to the second, as charging periods are: what every partner can read."""
    return format_moment(parse_moment(str(moment)).replace(microsecond=0))
