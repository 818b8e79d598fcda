"""What is made of a CDR that asks for money: a dispute to send, or a short verdict to keep."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from modules.tariffs.pricing import (
    Check,
    Note,
    PricingError,
    Terms,
    check_cdr,
    check_document,
    comparison_document,
    cost_fields,
    read_tariff,
)
from ocpi.messages import log
from ocpi.spec.document import decode, encode

Document = dict[str, Any]

AGREES, DISPUTED, UNPRICEABLE = VERDICTS = ("agrees", "disputed", "unpriceable")

_NAMES = ("country_code", "party_id", "id", "session_id", "start_date_time", "end_date_time")
_MOST_STEPS = 10_000  # Periods times elements: a day of quarter hours by a hundred elements.
_MOST_NOTES = 20
_ABSURD = "The amounts have more digits than any money."


def dispute_document(cdr: Mapping[str, Any], check: Check) -> Document:
    """Say which CDR was checked and everything that was found, for the one who made it."""
    names = {name: cdr[name] for name in _NAMES if name in cdr}
    return {"cdr": names, **check_document(check)}


def judge_received(
    cdr: Mapping[str, Any], stored: Sequence[Mapping[str, Any]] = (), zone: str | None = None
) -> Document:
    """Give the verdict on a CDR as it was received; no valid CDR makes it raise.

    `stored` are the Tariffs of its owner as they are kept here, `zone` is the IANA name of the
    Location's. Members: `verdict`; `code` and `sentence` say why; where there is a price
    `currency`, `claimed`, `computed`, `differences` and `explained_by`; `notes`, each code once.
    It takes milliseconds, or a second for the largest, so call it in a thread.
    """
    try:
        verdict = _judge(cdr, stored, zone)
        return verdict if _readable_again(verdict) else _unpriceable("absurd", _ABSURD)
    except PricingError as error:
        return _unpriceable(error.code, str(error))
    except Exception:  # noqa: BLE001 - A defect of ours must cost no partner its CDR.
        log.exception("cdr not checked", id=str(cdr.get("id")))
        return _unpriceable("failed", "The check failed here; it is logged.")


def account_for(
    cdr: Mapping[str, Any], stored: Sequence[Mapping[str, Any]] = (), zone: str | None = None
) -> Document:
    """Explain the price of a CDR line by line, and compare it; no valid CDR makes it raise.

    The whole of `dispute_document`, or `problem` alone, a sentence, where there is no price. As
    slow as `judge_received`.
    """
    try:
        _refuse_endless(cdr, stored)
        return dispute_document(cdr, check_cdr(cdr, _usable(stored, []), zone))
    except PricingError as error:
        return {"problem": str(error)}
    except Exception:  # noqa: BLE001 - As above: staff still see the CDR itself.
        log.exception("cdr not explained", id=str(cdr.get("id")))
        return {"problem": "The reckoning failed here; it is logged."}


def _judge(
    cdr: Mapping[str, Any], stored: Sequence[Mapping[str, Any]], zone: str | None
) -> Document:
    _refuse_endless(cdr, stored)
    notes: list[Note] = []
    check = check_cdr(cdr, _usable(stored, notes), zone)
    bill = check.bill
    return {
        "verdict": AGREES if check.agrees else DISPUTED,
        "code": "within_tolerance" if check.agrees else "figures_differ",
        "sentence": check.sentence(),
        "currency": bill.currency,
        "claimed": cdr.get("total_cost"),
        "computed": cost_fields(bill)["total_cost"],
        "differences": [
            comparison_document(each)
            for each in (*check.costs, *check.quantities)
            if each.difference
        ],
        "explained_by": check.explained_by,
        "notes": _summary([*notes, *check.form]),
    }


def _readable_again(verdict: Document) -> bool:
    """Absurd volumes and prices make numbers that nothing here would read (PD-03)."""
    try:
        decode(encode(verdict))
    except ValueError:
        return False
    return True


def _unpriceable(code: str, sentence: str) -> Document:
    return {"verdict": UNPRICEABLE, "code": code, "sentence": sentence, "notes": []}


def _usable(stored: Sequence[Mapping[str, Any]], notes: list[Note]) -> list[Terms]:
    """Leave out what can't be priced by: another Tariff of the same owner may do."""
    terms = []
    for document in stored:
        try:
            terms.append(read_tariff(document))
        except PricingError as error:
            sentence = f"The stored tariff {document.get('id')} can't be used: {error}."
            notes.append(Note("unreadable_stored_tariff", sentence))
    return terms


def _refuse_endless(cdr: Mapping[str, Any], stored: Sequence[Mapping[str, Any]]) -> None:
    """A check costs time by periods and elements, and a partner chooses both."""
    embedded = cdr.get("tariffs")
    tariffs = [each for each in embedded if isinstance(each, dict)] if embedded else stored
    elements = sum(_length(each.get("elements")) for each in tariffs)
    steps = _length(cdr.get("charging_periods")) * elements
    if steps > _MOST_STEPS:
        sentence = f"Its periods and tariff elements make {steps} steps; it was not checked."
        raise PricingError("too_large", sentence)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 1


def _summary(notes: Iterable[Note]) -> list[Document]:
    """Tell each code once, by its first sentence and how often it was noted."""
    first: dict[str, str] = {}
    times: Counter[str] = Counter()
    for note in notes:
        first.setdefault(note.code, note.sentence)
        times[note.code] += 1
    return [
        {"code": code, "sentence": sentence, "times": times[code]}
        for code, sentence in islice(first.items(), _MOST_NOTES)
    ]
