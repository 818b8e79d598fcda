"""A second opinion on prices: OCPI's rules told as plainly and slowly as can be.

It shares no code with the engine and compiles, splits and skips nothing. Times of day and dates are
compared as texts, every price is looked up anew, and a measured session is walked through second
by second. Rules are decided as the engine's defaults decide them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil, inf
from typing import Any
from zoneinfo import ZoneInfo

Document = dict[str, Any]

FIELDS = {
    ("session", "FLAT"): "total_fixed_cost",
    ("session", "ENERGY"): "total_energy_cost",
    ("session", "TIME"): "total_time_cost",
    ("session", "PARKING_TIME"): "total_parking_cost",
    ("reservation", "FLAT"): "total_reservation_cost",
    ("reservation", "TIME"): "total_reservation_cost",
}
# The context and the price component by which each dimension of a charging period is priced.
PRICED_AS = {
    "ENERGY": ("session", "ENERGY"),
    "TIME": ("session", "TIME"),
    "PARKING_TIME": ("session", "PARKING_TIME"),
    "RESERVATION_TIME": ("reservation", "TIME"),
}
NOISE = Fraction(18, 100)  # Seconds that a volume of hours with four decimals may be off.
SECOND = timedelta(seconds=1)


@dataclass
class Now:
    """An instant of a session."""

    local: datetime
    kwh: Fraction
    seconds: Fraction
    ranges: dict[str, Fraction]

    def peak(self, name: str) -> Fraction | float:
        """The highest value; where it was not told it reaches no bound."""
        return self.ranges.get(f"MAX_{name}", -inf)

    def trough(self, name: str) -> Fraction | float:
        """The lowest value; where it was not told it is below no bound."""
        return self.ranges.get(f"MIN_{name}", inf)


@dataclass
class Answer:
    """Exact costs as pairs without and with VAT, by the fields of a CDR."""

    parts: dict[str, tuple[Fraction, Fraction]] = field(
        default_factory=lambda: defaultdict(lambda: (Fraction(0), Fraction(0)))
    )
    total: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))

    def add(self, place: tuple[str, str], amount: Fraction, component: Document) -> None:
        cost = amount * Fraction(component["price"])
        gross = cost * (100 + Fraction(component.get("vat") or 0)) / 100
        excl, incl = self.parts[FIELDS[place]]
        self.parts[FIELDS[place]] = (excl + cost, incl + gross)

    def add_up(self) -> None:
        for excl, incl in self.parts.values():
            self.total = (self.total[0] + excl, self.total[1] + incl)


def in_window(clock: str, start: str | None, end: str | None) -> bool:
    """Whether `08:30:00` is in a window of local time."""
    begin = start or "00:00"
    finish = "24:00" if end in (None, "00:00") else str(end)
    if begin < finish:
        return begin <= clock < finish
    return clock >= begin or clock < finish


def applies(restrictions: Document, now: Now) -> bool:
    """Whether every restriction but `reservation` holds."""
    clock, day = now.local.strftime("%H:%M:%S"), now.local.strftime("%Y-%m-%d")
    tests: dict[str, Callable[[Any], bool]] = {
        "start_time": lambda _: in_window(
            clock, restrictions["start_time"], restrictions.get("end_time")
        ),
        "end_time": lambda _: in_window(
            clock, restrictions.get("start_time"), restrictions["end_time"]
        ),
        "start_date": lambda bound: day >= bound,
        "end_date": lambda bound: day < bound,
        "day_of_week": lambda days: not days or now.local.strftime("%A").upper() in days,
        "min_kwh": lambda bound: now.kwh >= bound,
        "max_kwh": lambda bound: now.kwh < bound,
        "min_duration": lambda bound: now.seconds >= bound,
        "max_duration": lambda bound: now.seconds < bound,
        "min_power": lambda bound: now.peak("POWER") >= bound,
        "max_power": lambda bound: now.trough("POWER") < bound,
        "min_current": lambda bound: now.peak("CURRENT") >= bound,
        "max_current": lambda bound: now.trough("CURRENT") < bound,
        "reservation": lambda _: True,
    }
    return all(tests[name](value) for name, value in restrictions.items())


def elements_for(tariff: Document, context: str, *, expired: bool) -> Iterator[Document]:
    """The elements of a context in the order in which they are asked."""
    wanted: list[str | None] = [None]
    if context == "reservation":
        wanted = ["RESERVATION_EXPIRES", "RESERVATION"] if expired else ["RESERVATION"]
    for reservation in wanted:
        for element in tariff["elements"]:
            if element.get("restrictions", {}).get("reservation") == reservation:
                yield element


def find(tariff: Document, place: tuple[str, str], now: Now, *, expired: bool) -> Document | None:
    """The first component of the dimension in the first element that applies and has one."""
    context, dimension = place
    for element in elements_for(tariff, context, expired=expired):
        if applies(element.get("restrictions", {}), now):
            for component in element["price_components"]:
                if component["type"] == dimension:
                    return dict(component)
    return None


def price_periods(
    cdr: Document, tariffs: list[Document], zone: str, *, expired: bool | None = None
) -> Answer:
    """Price a CDR period by period."""
    periods = _read_periods(cdr)
    if expired is None:
        expired = all(not period["used"] for period in periods)
    _choose_tariffs(periods, tariffs, cdr)
    answer, priced = Answer(), []
    taken: set[str] = set()
    kwh = Fraction(0)
    for period in periods:
        for place in _asked(period, taken):
            since = _since(periods, place[0])
            seconds = Fraction((period["start"] - since) // timedelta(microseconds=1), 10**6)
            local = period["start"].astimezone(ZoneInfo(zone))
            now = Now(local, kwh, seconds, period["ranges"])
            tariff = period["tariff"]
            component = find(tariff, place, now, expired=expired) if tariff else None
            if component is None:
                continue
            if place[1] == "FLAT":
                taken.add(place[0])
                answer.add(place, Fraction(1), component)
            else:
                volume = period["volumes"][place]
                answer.add(place, volume, component)
                if volume:
                    priced.append((place, volume, component, period["seconds"]))
        kwh += period["volumes"].get(("session", "ENERGY"), 0)
    _round_up(priced, answer)
    answer.add_up()
    first = next(period["tariff"] for period in periods if period["tariff"])
    _limit(answer, first, used=any(period["used"] for period in periods))
    return answer


def _read_periods(cdr: Document) -> list[Document]:
    periods = []
    for given in sorted(cdr["charging_periods"], key=lambda each: each["start_date_time"]):
        volumes: dict[tuple[str, str], Fraction] = {}
        ranges = {}
        for dimension in given["dimensions"]:
            name, volume = dimension["type"], Fraction(dimension["volume"])
            if name in PRICED_AS:
                volumes[PRICED_AS[name]] = volumes.get(PRICED_AS[name], Fraction(0)) + volume
            else:
                ranges[name] = volume
        reserved = volumes.get(("reservation", "TIME"), 0) != 0
        session = any(volume for place, volume in volumes.items() if place[0] == "session")
        periods.append(
            {
                "start": datetime.fromisoformat(given["start_date_time"]),
                "tariff_id": given.get("tariff_id"),
                "volumes": volumes,
                "ranges": ranges,
                "reserved": reserved,
                "used": session or not reserved,
            }
        )
    ends = [*(each["start"] for each in periods[1:]), datetime.fromisoformat(cdr["end_date_time"])]
    for period, end in zip(periods, ends, strict=True):
        lasted = max(end, period["start"]) - period["start"]
        period["seconds"] = Fraction(lasted // timedelta(microseconds=1), 10**6)
    return periods


def _choose_tariffs(periods: list[Document], tariffs: list[Document], cdr: Document) -> None:
    named = any(period["tariff_id"] for period in periods)
    start = cdr["start_date_time"]
    valid = [
        tariff
        for tariff in tariffs
        if tariff.get("start_date_time", "") <= start < tariff.get("end_date_time", "9")
    ]
    for period in periods:
        if not named:
            period["tariff"] = (valid or tariffs)[0]
        else:
            wanted = (period["tariff_id"] or "").lower()
            matching = [tariff for tariff in tariffs if tariff["id"].lower() == wanted]
            period["tariff"] = matching[0] if matching else None


def _asked(period: Document, taken: set[str]) -> Iterator[tuple[str, str]]:
    """What is to be priced in a period: fees that are not taken yet, and every volume."""
    if period["reserved"] and "reservation" not in taken:
        yield ("reservation", "FLAT")
    if period["used"] and "session" not in taken:
        yield ("session", "FLAT")
    yield from period["volumes"]


def _since(periods: list[Document], context: str) -> datetime:
    moments: list[datetime] = [
        period["start"] for period in periods if period["used"] or context == "reservation"
    ]
    return moments[0] if moments else periods[0]["start"]


def _round_up(
    priced: list[tuple[tuple[str, str], Fraction, Document, Fraction]], answer: Answer
) -> None:
    """Once a session for energy, once for charging and parking time together, once reserved."""
    parked = any(place == ("session", "PARKING_TIME") for place, *_ in priced)
    timed = ("session", "PARKING_TIME" if parked else "TIME")
    units = {("session", "ENERGY"): 1000, timed: 3600, ("reservation", "TIME"): 3600}
    for place, unit in units.items():
        lines = [line for line in priced if line[0] == place]
        if not lines:
            continue
        total = sum((volume for _, volume, _, _ in lines), Fraction(0)) * unit
        last = lines[-1][2]
        size = last["step_size"]
        if total <= 0 or size < 1:
            continue
        due = next_multiple(total, size)
        if unit == 3600:
            noise = NOISE * len(lines)
            clock = sum((seconds for *_, seconds in lines), Fraction(0))
            meant = clock if abs(total - clock) <= 2 * noise else total - noise
            due = min(due, next_multiple(meant, size))
        if due > total:
            answer.add(place, (due - total) / unit, last)


def next_multiple(amount: Fraction, size: int) -> int:
    """The multiple at or above the amount."""
    return ceil(amount / size) * size


def _limit(answer: Answer, tariff: Document, *, used: bool) -> None:
    for name, bound in (("min_price", max), ("max_price", min)):
        limit = tariff.get(name)
        if limit is None or (name == "min_price" and not used):
            continue
        excl, incl = answer.total
        bounded = bound(excl, Fraction(limit["excl_vat"]))
        if limit.get("incl_vat") is not None:
            answer.total = (bounded, bound(incl, Fraction(limit["incl_vat"])))
        elif bounded != excl:
            ratio = incl / excl if excl > 0 else Fraction(1)
            answer.total = (bounded, max(bounded, bounded * ratio))


@dataclass
class Walked:
    """A session as it went on: what was so at each second, and what each reading told."""

    start: datetime
    seconds: int
    reserved: int  # For how many seconds it was a reservation, in which nothing flows.
    parked: int  # From which second on the vehicle was parked.
    readings: list[tuple[int, Fraction, Fraction]]  # The second, kWh so far, and kW from then on.

    def kwh(self, second: int) -> Fraction:
        for (begun, low, _), (done, high, _) in zip(self.readings, self.readings[1:], strict=False):
            if begun <= second <= done:
                return low + (high - low) * (second - begun) / (done - begun)
        return self.readings[-1][1]

    def power(self, second: int) -> Fraction:
        told = [power for begun, _, power in self.readings if begun <= second]
        return told[-1] if self.reserved <= second < self.parked else Fraction(0)


def price_seconds(session: Walked, tariff: Document, zone: str) -> Answer:
    """Price a measured session second by second, without limits."""
    answer, priced = Answer(), []
    taken: set[str] = set()
    expired = session.reserved >= session.seconds
    for second in range(session.seconds):
        reserved = second < session.reserved
        dimension = "PARKING_TIME" if second >= session.parked else "TIME"
        context = "reservation" if reserved else "session"
        volumes = {
            (context, "FLAT"): Fraction(1) if context not in taken else Fraction(0),
            (context, "TIME" if reserved else dimension): Fraction(1, 3600),
            ("session", "ENERGY"): session.kwh(second + 1) - session.kwh(second),
        }
        power = session.power(second)
        now = Now(
            (session.start + second * SECOND).astimezone(ZoneInfo(zone)),
            session.kwh(second),
            Fraction(second if reserved else second - session.reserved),
            {} if reserved else {"MIN_POWER": power, "MAX_POWER": power},
        )
        for place, volume in volumes.items():
            component = find(tariff, place, now, expired=expired) if volume else None
            if component is not None:
                answer.add(place, volume, component)
                if place[1] == "FLAT":
                    taken.add(context)
                else:
                    priced.append((place, volume, component, Fraction(1)))
    _round_up(priced, answer)
    answer.add_up()
    return answer
