"""min_price and max_price: they bound the total, excluding and including VAT each by itself."""

from collections.abc import Iterator
from fractions import Fraction

from modules.tariffs.pricing.bill import Limited
from modules.tariffs.pricing.money import Money
from modules.tariffs.pricing.terms import Limit, Terms
from modules.tariffs.pricing.usage import Usage


def apply_limits(total: Money, terms: Terms, usage: Usage) -> Iterator[Limited]:
    """Yield what each limit that bites makes of the total, max_price last (TA-10).

    A minimum is worded for a charging session, so a mere reservation has none.
    """
    if terms.min_price and any(period.used for period in usage.periods):
        raised = _bounded(total, terms.min_price, lower=True)
        if raised != total:
            yield Limited("min_price", total, raised)
            total = raised
    if terms.max_price:
        lowered = _bounded(total, terms.max_price, lower=False)
        if lowered != total:
            yield Limited("max_price", total, lowered)


def _bounded(total: Money, limit: Limit, *, lower: bool) -> Money:
    """Without incl_vat the VAT moves in proportion, and the sum never falls below excl."""
    bound = max if lower else min
    excl = bound(total.excl, limit.excl)
    if limit.incl is not None:
        return Money(excl, bound(total.incl, limit.incl))
    if excl == total.excl:
        return total
    share = total.incl / total.excl if total.excl > 0 else Fraction(1)
    return Money(excl, max(excl, excl * share))
