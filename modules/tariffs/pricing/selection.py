"""Which tariff a session or a period is priced by."""

from collections.abc import Sequence
from datetime import datetime

from modules.tariffs.pricing.terms import Terms
from modules.tariffs.pricing.usage import Note, PricingError, Usage


def assign_tariffs(usage: Usage, tariffs: Sequence[Terms], notes: list[Note]) -> list[Terms | None]:
    """Give each period its tariff: the one it names, or the session's where none is named."""
    if not tariffs:
        raise PricingError("no_tariff", "There is no tariff to price the session by.")
    named = [period.tariff_id for period in usage.periods]
    if not any(named):
        chosen = first_valid(usage.start, tariffs, notes)
        return [chosen for _ in named]
    by_id = {terms.id.lower(): terms for terms in reversed(tariffs)}
    for index, tariff_id in enumerate(named):
        if not tariff_id:
            notes.append(_without(index))
        elif tariff_id.lower() not in by_id:
            raise PricingError(
                "unknown_tariff",
                f"Period {index + 1} names the tariff {tariff_id}, which is missing.",
            )
    return [by_id[tariff_id.lower()] if tariff_id else None for tariff_id in named]


def first_valid(start: datetime, tariffs: Sequence[Terms], notes: list[Note]) -> Terms:
    """The first that is valid at the start; a session priced by a stale tariff is still a price."""
    valid = [terms for terms in tariffs if terms.valid_at(start)]
    if not valid:
        sentence = "No tariff was valid when the session started; the first was used."
        notes.append(Note("none_valid", sentence))
    elif len(valid) > 1:
        sentence = (
            f"{len(valid)} tariffs were valid at the start; the first, {valid[0].id}, was used."
        )
        notes.append(Note("several_valid", sentence))
    return (valid or list(tariffs))[0]


def pick_tariff(tariffs: Sequence[Terms], start: datetime, preference: str = "REGULAR") -> Terms:
    """Pick by the driver's charging preference what a new session is priced by (TA-09, TA-11).

    A tariff without a type is for every session for which none of its own type is; a profile that
    has neither falls back on REGULAR. Raises PricingError if none fits.
    """
    valid = [terms for terms in tariffs if terms.valid_at(start)]
    fallback = "REGULAR" if preference.startswith("PROFILE_") else preference
    for wanted in (preference, None, fallback):
        for terms in valid:
            if terms.type == wanted:
                return terms
    raise PricingError(
        "no_tariff", f"No tariff for {preference} is valid at {start:%Y-%m-%d %H:%M}."
    )


def _without(index: int) -> Note:
    sentence = f"Period {index + 1} names no tariff while others do, so it was not priced."
    return Note("period_without_tariff", sentence, period=index)
