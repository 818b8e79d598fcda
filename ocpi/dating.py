"""Changes of our own objects: which `last_updated` they bear, and what is refused in them."""

from datetime import datetime

from ocpi.editing import AHEAD, Document
from ocpi.errors import Conflict, InvalidParameters
from ocpi.spec.moments import format_moment, microseconds, moment_of, parse_moment
from ocpi.spec.reading import own_defects
from ocpi.spec.types import OCPIModel


def later(stored: str | None, now: int) -> str:
    """A `last_updated` for a change made now: later than the stored one, by a millisecond at least.

    OCPI writes milliseconds, and receivers skip a change that is not newer (IP-14).
    """
    earliest = 0 if stored is None else microseconds(parse_moment(stored)) + 1000
    return format_moment(moment_of(max(now, earliest) // 1000 * 1000))


def date_change(before: Document | None, body: Document, now: int) -> str:
    """The `last_updated` of a change of ours: the one given, or now, but later than the stored one.

    `now` is in microseconds. The one given may equal the stored one, see `grown`. Raises
    ``Conflict`` when it is older (PP-09), ``InvalidParameters`` when it is no moment or lies ahead.
    See `not_older` for what counts as the stored one.
    """
    stored = None if before is None else parse_moment(before["last_updated"])
    given = body.get("last_updated")
    if given is None:
        return later(None if before is None else before["last_updated"], now)
    try:
        moment = parse_moment(str(given))
    except ValueError as error:
        raise InvalidParameters(f"last_updated: {error}") from None
    if stored is None or moment > stored:
        refuse_ahead(moment, now)
    else:
        moment = not_older(moment, stored, now)
    return format_moment(moment)


def not_older(moment: datetime, stored: datetime, now: int) -> datetime:
    """The date of a change, or the stored one where it counts as that; ``Conflict`` when older.

    A stored one that lies ahead is no measure (PD-06). Nor is one within the second that is given:
    of changes by a clock without fractions `grown` dates the later ones so.
    """
    if moment >= stored:
        return moment
    if _is_ahead(stored, now) or moment == stored.replace(microsecond=0):
        return stored
    raise Conflict(
        f"last_updated: {format_moment(moment)} is older than the stored {format_moment(stored)}"
    )


def refuse_ahead(moment: datetime, now: int) -> None:
    """Raises ``InvalidParameters`` for a moment by which all that comes after it would be older.

    Partners skip what is not newer than what they have (IP-14), and so it would be for years.
    """
    if _is_ahead(moment, now):
        raise InvalidParameters(
            f"last_updated: {format_moment(moment)} lies more than five minutes ahead of "
            f"{format_moment(moment_of(now))}; without one, the change is dated now"
        )


def _is_ahead(moment: datetime, now: int) -> bool:
    return microseconds(moment) > now + AHEAD


def grown(before: Document | None, document: Document) -> Document:
    """The document with a date later than before: receivers skip a change that is not (IP-14)."""
    if before is None or document["last_updated"] != before["last_updated"]:
        return document
    return {**document, "last_updated": later(before["last_updated"], 0)}


def refuse_defects(
    model: type[OCPIModel], document: Document, before: Document | None = None
) -> None:
    """Raises ``InvalidParameters`` for what a strict receiver would refuse in an object of ours.

    What is wrong in `before` already, as files bring it, is let through: it would hinder every
    other change.
    """
    found = own_defects(document, model)
    if found and before is not None:
        known = own_defects(before, model)
        found = [line for line in found if line not in known]
    if found:
        raise InvalidParameters("; ".join(found))
