"""Amounts of money: exact while they are reckoned with, rounded only where they are shown."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import cache, reduce
from operator import add

from iso4217 import Currency

# The longest numbers of a document times one another still fit.
_WIDE = Context(prec=400, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount without and with VAT."""

    excl: Fraction
    incl: Fraction

    def __add__(self, other: "Money") -> "Money":
        return Money(self.excl + other.excl, self.incl + other.incl)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.excl - other.excl, self.incl - other.incl)

    def rounded(self, places: int) -> "Money":
        return Money(*(Fraction(half_up(amount, places)) for amount in (self.excl, self.incl)))


NOTHING = Money(Fraction(0), Fraction(0))


def add_up(amounts: Collection[Money]) -> Money:
    """The sum; adding to nothing first would take as long as any addition."""
    return reduce(add, amounts) if amounts else NOTHING


def half_up(value: Fraction, places: int) -> Decimal:
    """Round to so many decimals; a half goes away from zero."""
    return Decimal(_in_units(value, places)).scaleb(-places, _WIDE)


def written(value: Fraction, places: int) -> str:
    """Write a number rounded as `half_up` does, with all its decimals."""
    units = _in_units(value, places)
    digits = f"{abs(units):0{places + 1}}"
    point = len(digits) - places
    text = f"{digits[:point]}.{digits[point:]}" if places else digits
    return f"-{text}" if units < 0 else text


def _in_units(value: Fraction, places: int) -> int:
    numerator, denominator = value.as_integer_ratio()
    scale: int = 10**places
    units, rest = divmod(abs(numerator) * scale, denominator)
    if rest * 2 >= denominator:
        units += 1
    return -units if numerator < 0 else units


def plain(value: Fraction | Decimal, places: int = 4) -> str:
    """Write a quantity for people: at most so many decimals, no idle zeros."""
    exact = value if isinstance(value, Fraction) else Fraction(value)
    text = written(exact, places)
    return text.rstrip("0").rstrip(".") if "." in text else text


@cache
def minor_unit(currency: str) -> int:
    """How many decimals the currency has (ISO 4217): 2 for EUR, 0 for JPY, 3 for KWD."""
    try:
        exponent = Currency(currency.upper()).exponent
    except ValueError:
        exponent = None
    return 2 if exponent is None else int(exponent)
