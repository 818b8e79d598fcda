"""What a station may report, as its backend writes it: an object for each event, with a `type`."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, Lt
from pydantic import ConfigDict, Field, Strict, ValidationError

from ocpi.editing import Document
from ocpi.errors import InvalidParameters, NotJSON
from ocpi.spec.cdrs import SignedData
from ocpi.spec.chargingprofiles import ActiveChargingProfile
from ocpi.spec.document import decode
from ocpi.spec.kinds import Tolerance
from ocpi.spec.locations import Status
from ocpi.spec.moments import format_moment
from ocpi.spec.reading import problems, read
from ocpi.spec.types import CiString36, DateTime, Number, OCPIModel, Open, String255, TokenType

MOST = 1000
# Before it no station spoke OCPI: a clock that was not set says 1970 or 2000.
_EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
# By so much a station's clock may be ahead of ours.
_AHEAD = timedelta(minutes=5)

# kWh; no meter of a station gets so far, and none falls below zero.
Register = Annotated[Number, Ge(0), Lt(10**9)]
# As the database has it.
ReservationNumber = Annotated[int, Strict(), Ge(1), Le(2**31 - 1)]


class Form(OCPIModel):
    """What a backend writes; the sentence below a field explains it in the OpenAPI document."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class PresentedToken(Form):
    """The driver's token as the station read it."""

    uid: CiString36
    type: Open[TokenType] = TokenType.RFID


class Report(Form):
    """What all reports have."""

    type: str
    at: DateTime | None = None
    """When it happened; absent: now."""


class StatusReport(Report):
    """An EVSE's status changed."""

    type: Literal["status"]
    evse_uid: CiString36
    status: Status


class Beginning(Form):
    """Who charges where, from when on."""

    evse_uid: CiString36
    connector_id: CiString36 | None = None
    """May be absent where the EVSE has one Connector."""
    token: PresentedToken | None = None
    command_id: CiString36 | None = None
    """The id of the START_SESSION that led to it, where there was one."""
    reservation_id: ReservationNumber | None = None
    """Our number of the reservation that is used."""
    meter_id: String255 | None = None
    kwh: Register | None = None
    """The meter's register then; absent: the first value reported."""


class StartReport(Report, Beginning):
    """A session began."""

    type: Literal["start"]
    transaction_id: CiString36
    """The station's own id of the session, which further reports name: unique at its Location."""


class MeterReport(Report):
    """Meter values, and whether the vehicle charges."""

    type: Literal["meter"]
    transaction_id: CiString36
    kwh: Register | None = None
    """The meter's register, which only grows."""
    power_kw: Number | None = None
    current_a: Number | None = None
    """Summed over all phases."""
    state: Literal["CHARGING", "PARKED", "PAUSED_BY_STATION"] | None = None


class OfflineStart(Beginning):
    """The start that was not reported when it happened."""

    at: DateTime


class StopReport(Report):
    """A session ended."""

    type: Literal["stop"]
    transaction_id: CiString36
    kwh: Register | None = None
    """The meter's register at the end."""
    signed_data: SignedData | None = None
    start: OfflineStart | None = None
    """For a station that was offline: the start, if it was not reported."""


class BootReport(Report):
    """The station started anew: sessions that it does not list have ended without a report."""

    type: Literal["boot"]
    running: list[CiString36] = Field(default_factory=list)
    """The transaction ids of the sessions that go on, at all EVSEs of the Location."""


class ResultReport(Report):
    """The answer to a request of ours that was accepted with HTTP 202."""

    type: Literal["result"]
    id: CiString36
    """The request's `id`."""
    result: String255
    message: String255 | None = None
    evse_uid: CiString36 | None = None
    connector_id: CiString36 | None = None
    profile: ActiveChargingProfile | None = None


class ProfileReport(Report):
    """The charging profile that is active for a session changed."""

    type: Literal["profile"]
    transaction_id: CiString36
    profile: ActiveChargingProfile


class ReservationReport(Report):
    """A reservation could not be kept any longer (CM-23)."""

    type: Literal["reservation_dropped"]
    reservation_id: ReservationNumber
    """Our number, as it was given with RESERVE_NOW."""
    reason: String255 | None = None


FORMS: dict[str, type[Report]] = {
    "status": StatusReport,
    "start": StartReport,
    "meter": MeterReport,
    "stop": StopReport,
    "boot": BootReport,
    "result": ResultReport,
    "profile": ProfileReport,
    "reservation_dropped": ReservationReport,
}


def read_documents(raw: bytes) -> list[Any]:
    """The reports in a text: one or a list; raises ``NotJSON`` or ``InvalidParameters``."""
    try:
        body = decode(raw)
    except ValueError as error:
        raise NotJSON(f"The body is not JSON: {error}") from None
    documents = body if isinstance(body, list) else [body]
    if len(documents) > MOST:
        raise InvalidParameters(f"{len(documents)} reports are more than {MOST} at once.")
    return documents


def read_report(document: Any, now: datetime) -> Report:
    """Read one report; raises ``InvalidParameters`` with the field and the rule.

    What is longer than OCPI allows is refused, since it goes into Session and CDR.
    """
    if not isinstance(document, dict):
        raise InvalidParameters("A report is one JSON object.")
    form = FORMS.get(str(document.get("type")))
    if form is None:
        raise InvalidParameters(f"type: one of {', '.join(FORMS)} is due")
    tolerated: list[str] = []
    try:
        report = read(form, document, tolerated)
    except ValidationError as error:
        raise InvalidParameters(problems(error)) from None
    if long := [each for each in tolerated if each.startswith(Tolerance.LENGTH)]:
        fields = ", ".join(each.partition(": ")[2] for each in long)
        raise InvalidParameters(f"{fields}: longer than OCPI allows")
    _check_moment("at", report.at, now)
    if isinstance(report, StopReport) and report.start is not None:
        _check_moment("start.at", report.start.at, now)
    if unknown := sorted(_unknown(report)):
        raise InvalidParameters(f"{', '.join(unknown)}: not known in a {report.type} report")
    return report


def _check_moment(name: str, at: datetime | None, now: datetime) -> None:
    if at is None or _EARLIEST <= at <= now + _AHEAD:
        return
    if at < _EARLIEST:
        raise InvalidParameters(f"{name}: {format_moment(at)} is long ago: is the clock set?")
    raise InvalidParameters(f"{name}: {format_moment(at)} is yet to come: it is {now:%FT%TZ}")


def _unknown(report: Report) -> Iterator[str]:
    """Members that nobody would look at: a misspelt `kwh` must not cost the energy."""
    yield from report.model_extra or {}
    for name in ("token", "start"):
        part = getattr(report, name, None)
        if part is not None:
            yield from (f"{name}.{each}" for each in part.model_extra or {})


def reading_of(report: Report | Beginning) -> Document:
    """The values that a report brings, by name."""
    names = ("kwh", "power_kw", "current_a")
    values = {name: getattr(report, name, None) for name in names}
    return {name: value for name, value in values.items() if value is not None}
