"""What is wrong with a CDR's form, beyond what pricing itself remarks."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

from modules.tariffs.pricing.curves import seconds
from modules.tariffs.pricing.reading import CdrToPrice
from modules.tariffs.pricing.usage import Kind, Note, Period, Usage

_TIMES = (Kind.TIME, Kind.PARKING_TIME, Kind.RESERVATION_TIME)
_SLACK = Fraction(1)  # Seconds by which the times of a period may exceed its clock.


def lint_cdr(cdr: CdrToPrice, usage: Usage) -> Iterator[Note]:
    """Yield doubtful dimensions, times longer than the clock, and broken rules of Credit CDRs."""
    yield from _duplicates(cdr)
    for index, period in enumerate(usage.periods):
        if _claimed_seconds(period) > seconds(period.end - period.start) + _SLACK:
            sentence = f"The times of period {index + 1} are longer than the period itself."
            yield Note("times_exceed_period", sentence, index)
    yield from _credit(cdr)


def _duplicates(cdr: CdrToPrice) -> Iterator[Note]:
    for period in cdr.charging_periods:
        counts = Counter(str(each.type) for each in period.dimensions)
        for name, count in counts.items():
            if count > 1:
                sentence = (
                    f"The period of {period.start_date_time:%Y-%m-%d %H:%M:%S} has the dimension "
                    f"{name} {count} times; volumes were added up."
                )
                yield Note("duplicate_dimension", sentence)


def _claimed_seconds(period: Period) -> Fraction:
    return sum((period.volumes.get(kind, Fraction(0)) for kind in _TIMES), Fraction(0)) * 3600


def _credit(cdr: CdrToPrice) -> Iterator[Note]:
    if cdr.credit and not cdr.credit_reference_id:
        yield Note("credit_without_reference", "The Credit CDR does not say which CDR it credits.")
    if not cdr.credit and cdr.credit_reference_id:
        yield Note("reference_without_credit", "The CDR refers to another but is no Credit CDR.")
    if cdr.credit and cdr.total_cost and cdr.total_cost.excl_vat > 0:
        yield Note("credit_not_negative", "The total_cost of the Credit CDR is not negative.")
