"""Reading the CDR documents of others: what pricing does not need may be missing or wrong."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from modules.tariffs.pricing.terms import Terms, read_tariff
from modules.tariffs.pricing.usage import RANGES, VOLUMES, Kind, Note, Period, PricingError, Usage
from modules.tariffs.pricing.zones import infer_zone, open_zone
from ocpi.spec.cdrs import CdrDimensionType, ChargingPeriod
from ocpi.spec.reading import problems, read
from ocpi.spec.types import Boolean, DateTime, Number, OCPIModel, Price, Some, String, String3

_KINDS = {kind.value: kind for kind in VOLUMES}
_SESSION_ONLY = frozenset(CdrDimensionType) - RANGES - frozenset(kind.value for kind in VOLUMES)


class CdrToPrice(OCPIModel):
    """What pricing and checking read of a CDR."""

    start_date_time: DateTime
    end_date_time: DateTime
    currency: String3 | None = None
    cdr_location: Any = None
    tariffs: Any = None
    charging_periods: Some[ChargingPeriod]
    total_cost: Price | None = None
    total_fixed_cost: Price | None = None
    total_energy: Number | None = None
    total_energy_cost: Price | None = None
    total_time: Number | None = None
    total_time_cost: Price | None = None
    total_parking_time: Number | None = None
    total_parking_cost: Price | None = None
    total_reservation_cost: Price | None = None
    credit: Boolean | None = None
    credit_reference_id: String | None = None


def read_cdr(document: Mapping[str, Any]) -> CdrToPrice:
    """Read leniently; raises PricingError where times, periods or volumes can't be understood."""
    try:
        # Most need no mending, which would take longer than everything else here.
        return CdrToPrice.model_validate(document)
    except ValidationError:
        return _mended(document)


def _mended(document: Mapping[str, Any]) -> CdrToPrice:
    try:
        return read(CdrToPrice, document)
    except ValidationError as error:
        raise PricingError("unreadable_cdr", problems(error)) from None


def read_tariffs(cdr: CdrToPrice) -> list[Terms]:
    """Compile the tariffs that stand in the CDR itself."""
    embedded = cdr.tariffs if isinstance(cdr.tariffs, list) else [cdr.tariffs]
    return [_read_embedded(index, each) for index, each in enumerate(embedded) if each is not None]


def _read_embedded(index: int, document: Any) -> Terms:
    try:
        return read_tariff(document)
    except PricingError as error:
        raise PricingError(error.code, f"tariffs.{index}: {error}") from None


def read_usage(cdr: CdrToPrice, *, expired: bool | None = None) -> Usage:
    """Order the periods and bound each by the next; `expired` is guessed where it is not told.

    A CDR does not say that a reservation ran out, so one of nothing but reserved time has.
    """
    notes: list[Note] = []
    given = sorted(cdr.charging_periods, key=attrgetter("start_date_time"))
    if given != cdr.charging_periods:
        notes.append(
            Note("periods_out_of_order", "The charging periods were not in order of time.")
        )
    start, end = cdr.start_date_time, cdr.end_date_time
    starts = [period.start_date_time for period in given]
    _refuse_far((start, end, starts[0], starts[-1]))
    _refuse_equal(starts)
    ends = [*starts[1:], max(end, starts[-1])]
    periods = [_period(index, each, ends[index], notes) for index, each in enumerate(given)]
    _note_outside(start, end, starts, notes)
    ran_out = not any(period.used for period in periods) if expired is None else expired
    return Usage(start, end, tuple(periods), cdr.currency, ran_out, tuple(notes))


def find_zone(cdr: CdrToPrice, zone: str | None, notes: list[Note]) -> ZoneInfo | None:
    """Take the zone given, else the CDR's non-standard one, else that of its country."""
    if zone:
        return open_zone(zone)
    place = cdr.cdr_location if isinstance(cdr.cdr_location, dict) else {}
    if isinstance(name := place.get("time_zone"), str):
        try:
            return open_zone(name)
        except PricingError:
            notes.append(Note("unknown_time_zone", f"There is no time zone '{name[:64]}'."))
    country = place.get("country")
    inferred = infer_zone(
        country if isinstance(country, str) else None, cdr.start_date_time, cdr.end_date_time
    )
    if inferred is None:
        return None
    notes.append(inferred[1])
    return inferred[0]


def _refuse_far(moments: Sequence[datetime]) -> None:
    """Years at the ends of the calendar have no local time."""
    for moment in moments:
        if not 1 < moment.year < 9999:
            raise PricingError("unreadable_cdr", f"Nobody charged in the year {moment.year}.")


def _refuse_equal(starts: Sequence[datetime]) -> None:
    for first, second in pairwise(starts):
        if first == second:
            raise PricingError(
                "equal_period_starts", f"Two charging periods start at {first:%Y-%m-%d %H:%M:%S}."
            )


def _note_outside(
    start: datetime, end: datetime, starts: Sequence[datetime], notes: list[Note]
) -> None:
    for index, begun in enumerate(starts):
        if not start <= begun <= end:
            sentence = f"Period {index + 1} starts before or after the session; it was priced."
            notes.append(Note("period_outside_session", sentence, period=index))


def _period(index: int, given: ChargingPeriod, end: datetime, notes: list[Note]) -> Period:
    volumes: dict[Kind, Fraction] = {}
    ranges: dict[str, Fraction] = {}
    for dimension in given.dimensions:
        name, volume = str(dimension.type), dimension.volume
        if name in RANGES:
            ranges[name] = Fraction(volume)
        elif kind := _KINDS.get(name):
            exact = Fraction(volume)
            volumes[kind] = volumes[kind] + exact if kind in volumes else exact
            if volume < 0:
                notes.append(_negative(index, name))
        elif volume:
            notes.append(_not_priced(index, name))
    return Period(given.start_date_time, end, volumes, ranges, given.tariff_id)


def _negative(index: int, name: str) -> Note:
    sentence = f"The {name} of period {index + 1} is negative."
    return Note("negative_volume", sentence, period=index)


def _not_priced(index: int, name: str) -> Note:
    code = "session_only_dimension" if name in _SESSION_ONLY else "unknown_dimension"
    sentence = f"Period {index + 1} has the dimension {name}, which no price can be for."
    return Note(code, sentence, period=index)
