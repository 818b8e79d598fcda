"""Amounts of money: exact while they are reckoned with, rounded only where they are shown."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import cache

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


def half_up(value: Fraction, places: int) -> Decimal:
    """Round to so many decimals; a half goes away from zero."""
    scale = 10**places
    doubled = abs(value.numerator) * scale * 2 + value.denominator
    rounded = doubled // (value.denominator * 2)
    return Decimal(-rounded if value < 0 else rounded).scaleb(-places, _WIDE)


def plain(value: Fraction | Decimal, places: int = 4) -> str:
    """Write a quantity for people: at most so many decimals, no idle zeros."""
    text = f"{half_up(Fraction(value), places):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@cache
def minor_unit(currency: str) -> int:
    """How many decimals the currency has (ISO 4217): 2 for EUR, 0 for JPY, 3 for KWD."""
    try:
        exponent = Currency(currency.upper()).exponent
    except ValueError:
        exponent = None
    return 2 if exponent is None else int(exponent)
