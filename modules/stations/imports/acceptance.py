"""Drafts are read as OCPI 2.2.1; what is unsound costs as little as possible, and is reported."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from modules.stations.imports.records import Draft, Imported, Refusal, Remark
from ocpi.spec.kinds import FAULTS, Tolerance
from ocpi.spec.locations import EVSE, Connector, Location
from ocpi.spec.reading import dump, read
from ocpi.spec.tariffs import Tariff
from ocpi.spec.types import OCPIModel

Outcome = Imported | Refusal

# Members that this package adds itself, and that therefore surprise nobody.
OWN_MEMBERS = frozenset({"irve"})

_KEPT = {Tolerance.ENUM, Tolerance.LENGTH, Tolerance.URL}

_WORDS = {
    "missing": "is required",
    "too_short": "needs at least one item",
    "model_type": "is no object",
}


class Acceptance:
    """Accepts the drafts of one file, whose Location ids and EVSE uids must be unique (LO-20)."""

    def __init__(self) -> None:
        self._location_ids: set[str] = set()
        self._evse_uids: set[str] = set()

    def accept_location(self, draft: Draft) -> Iterator[Outcome]:
        """Yield refusals of its parts, then the Location or its refusal."""
        if not _is_new(draft.document.get("id"), self._location_ids):
            yield Refusal(draft.record, "id", "stands twice in this file; the first one counts")
            return
        yield from self._drop_twins(draft)
        try:
            yield _accepted(Location, draft)
        except ValidationError:
            yield from _drop_unsound(draft)
            yield _accepted_or_refused(Location, draft)

    def _drop_twins(self, draft: Draft) -> Iterator[Refusal]:
        """Drop EVSEs whose uid this file has used before."""
        evses = draft.document.get("evses")
        if not isinstance(evses, list):
            return
        kept: list[Any] = []
        for evse in evses:
            uid = evse.get("uid") if isinstance(evse, dict) else None
            if _is_new(uid, self._evse_uids):
                kept.append(evse)
            else:
                draft.refused.add((uid, None))
                yield Refusal(f"{draft.record}/{uid}", "uid", "stands twice in this file")
        draft.document["evses"] = kept


def accept_tariff(draft: Draft) -> Outcome:
    """A Tariff is taken whole or not at all: without an element it would price differently."""
    return _accepted_or_refused(Tariff, draft)


def _is_new(name: Any, names: set[str]) -> bool:
    """Whether a case-insensitive id is used for the first time; what is no id is for `read`."""
    if not isinstance(name, str):
        return True
    known = len(names)
    names.add(name.lower())
    return len(names) > known


def _drop_unsound(draft: Draft) -> Iterator[Refusal]:
    """Drop the Connectors that can't be read, then the EVSEs."""
    evses = draft.document.get("evses")
    if not isinstance(evses, list):
        return
    kept: list[Any] = []
    for position, evse in enumerate(evses):
        name = f"{draft.record}/{_id(evse, 'uid') or f'[{position}]'}"
        if isinstance(evse, dict) and isinstance(evse.get("connectors"), list):
            sound: list[Any] = []
            for place, connector in enumerate(evse["connectors"]):
                part = f"{name}/{_id(connector, 'id') or f'[{place}]'}"
                for refusal in _sort(Connector, connector, part, sound):
                    draft.refused.add((_id(evse, "uid"), _id(connector, "id")))
                    yield refusal
            evse["connectors"] = sound
        for refusal in _sort(EVSE, evse, name, kept):
            draft.refused.add((_id(evse, "uid"), None))
            yield refusal
    draft.document["evses"] = kept


def _sort(model: type[OCPIModel], part: Any, name: str, sound: list[Any]) -> Iterator[Refusal]:
    if part is None:
        return
    try:
        read(model, part)
    except ValidationError as error:
        yield _refusal(name, error)
    else:
        sound.append(part)


def _id(part: Any, member: str) -> str | None:
    """What a part is called; None where that cannot be read."""
    name = part.get(member) if isinstance(part, dict) else None
    return name if isinstance(name, str) and name else None


def _accepted_or_refused(model: type[OCPIModel], draft: Draft) -> Outcome:
    try:
        return _accepted(model, draft)
    except ValidationError as error:
        return _refusal(draft.record, error)


def _accepted(model: type[OCPIModel], draft: Draft) -> Imported:
    """Return the canonical document; raises ValidationError."""
    tolerated: list[str] = []
    parsed = read(model, draft.document, tolerated)
    remarks = [*draft.remarks, *(_tolerance(draft.record, line) for line in tolerated)]
    remarks += [
        Remark(draft.record, path, "is unknown to OCPI 2.2.1, and was kept")
        for path in _unknown_members(parsed)
    ]
    if isinstance(parsed, Location):
        remarks += [Remark(draft.record, *each) for each in _settle(parsed)]
    return Imported(dump(parsed), remarks, draft.refused)


def _settle(location: Location) -> Iterator[tuple[str, str]]:
    """Lift `last_updated` to that of the parts (LO-03), and tell what will be missed later."""
    for position, evse in enumerate(location.evses):
        path = f"evses.{position}"
        newest = max(connector.last_updated for connector in evse.connectors)
        if newest > evse.last_updated:
            evse.last_updated = newest
            yield f"{path}.last_updated", "was older than a Connector's, and was lifted"
        if not evse.evse_id and evse.status != "REMOVED":
            yield f"{path}.evse_id", "is missing, and CDRs of this EVSE need it"
    newest = max((evse.last_updated for evse in location.evses), default=location.last_updated)
    if newest > location.last_updated:
        location.last_updated = newest
        yield "last_updated", "was older than an EVSE's, and was lifted"
    if not location.evses:
        yield "evses", "has none that can be used, so nobody displays this Location"


def _tolerance(record: str, line: str) -> Remark:
    rule, _, path = line.partition(": ")
    done = "kept" if rule in _KEPT else "put right"
    return Remark(record, path, f"{FAULTS[Tolerance(rule)]}, and was {done}")


def _refusal(record: str, error: ValidationError) -> Refusal:
    first, *others = error.errors()
    reason = _WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))
    more = f" (and {len(others)} more)" if others else ""
    return Refusal(record, ".".join(str(part) for part in first["loc"]), reason + more)


def _unknown_members(model: OCPIModel, path: str = "") -> Iterator[str]:
    yield from (path + name for name in model.model_extra or {} if name not in OWN_MEMBERS)
    for name, member in model.__dict__.items():
        if isinstance(member, OCPIModel):
            yield from _unknown_members(member, f"{path}{name}.")
        elif isinstance(member, list):
            for position, item in enumerate(member):
                if isinstance(item, OCPIModel):
                    yield from _unknown_members(item, f"{path}{name}.{position}.")
