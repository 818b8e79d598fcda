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


def times(amount: Fraction, factor: Fraction | int) -> Fraction:
    """The product; the operator looks at the types first, which takes as long again."""
    return Fraction(amount.numerator * factor.numerator, amount.denominator * factor.denominator)


def reaches(amount: Fraction, bound: Fraction) -> bool:
    """Whether the amount is the bound or more; told as `times` tells the product."""
    return amount.numerator * bound.denominator >= bound.numerator * amount.denominator


def differ(one: Fraction, other: Fraction) -> bool:
    """Whether two amounts differ; most often they are one object, which is seen at once."""
    return one is not other and one != other


def half_up(value: Fraction, places: int) -> Decimal:
    """Round to so many decimals; a half goes away from zero."""
    return Decimal(in_units(value, places)).scaleb(-places, _WIDE)


def written(value: Fraction, places: int) -> str:
    """Write a number rounded as `half_up` does, with all its decimals."""
    units = in_units(value, places)
    digits = str(units).zfill(places + (2 if units < 0 else 1))
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def in_units(value: Fraction, places: int) -> int:
    """Count what a number is rounded to by `half_up`: cents, for two decimals."""
    numerator, denominator = value.as_integer_ratio()
    doubled: int = 2 * abs(numerator) * 10**places
    units = (doubled + denominator) // (2 * denominator)
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
