"""Documents are read with tolerance, written strictly, and checked as a strict receiver would.

Every tolerance that a reading needs is noted as `rule: path`; the rules are `kinds.Tolerance`.
Beyond the form of single fields, the specification has rules about whole objects. Reading refuses
an object only where identity, owner or required structure is missing or where going on would do
harm; all else is read, and reported by `defects`:

| rule                                                               | reading  |
|--------------------------------------------------------------------|----------|
| required field missing or null; + list empty (TY-10)               | refused  |
| text beyond four times its length or 16,384 characters (PD-01)     | refused  |
| id of Location, EVSE, Session, Tariff or Token that is . or .. or   | refused  |
| holds such a segment: its URL would be another one (TA-06)         |          |
| control characters (TY-02), except NUL-free signed data (AT-27)    | refused  |
| CiString that is empty or not printable ASCII (TY-01)              | refused  |
| credentials token not of visible ASCII (CR-24)                     | refused  |
| URL that we call not absolute http(s) (TY-11)                      | refused  |
| start of a session at a Connector without its EVSE: no telling     | refused  |
| which Connector is meant                                           |          |
| unit of a charging profile unknown: W or A decides what is drawn   | refused  |
| boolean as text; comma decimals; NaN; exponents beyond 30 (PD-03)  | refused  |
| unknown enum value elsewhere (PD-02), URL that is only shown       | noted    |
| text, integer or code longer than its length (TY-04)               | noted    |
| everything that `broken_rules` of a class yields: uniqueness       | reported |
| (VE-06, CR-25, LO-20), Hours (LO-25, LO-26), publishing (LO-17,    |          |
| LO-18), time zone, country, currency, language, credit CDR         |          |
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError, create_model
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from ocpi.spec.kinds import FAULTS, Choice, Tolerance
from ocpi.spec.mending import Path, mend
from ocpi.spec.moments import format_moment
from ocpi.spec.shapes import fields_of
from ocpi.spec.types import OCPIModel

_AS_IT_IS = frozenset({str, int, bool, Decimal})

Model = TypeVar("Model", bound=OCPIModel)

# The specification itself allows null for an absent field (TY-09), so it is no defect.
_LAWFUL = f"{Tolerance.NULL}: "


def read(model: type[Model], document: Any, tolerated: list[str] | None = None) -> Model:
    """Read a decoded document, forgiving what can be understood; raises ValidationError."""
    notes = [] if tolerated is None else tolerated
    return model.model_validate(mend(model, document, _note_in(notes)))


def dump(model: OCPIModel) -> dict[str, Any]:
    """Return the canonical document: absent instead of null or empty, moments as text with Z.

    Decimals stay Decimals, and unknown members come last, just as they were.
    """
    document = {}
    for name, value in model.__dict__.items():
        if type(value) in _AS_IT_IS:
            document[name] = value
        elif value is not None and value != []:
            document[name] = _written(value)
    return document | (model.__pydantic_extra__ or {})


def read_patch(
    model: type[OCPIModel], document: Any, tolerated: list[str] | None = None
) -> dict[str, Any]:
    """Read a PATCH of an object: only the members that it has, each whole (PP-05), as `dump` does.

    An empty list stays, for it empties the field. Raises ValidationError, also for an explicit
    null (AT-30) and a missing `last_updated`.
    """
    notes = [] if tolerated is None else tolerated
    _refuse_nulls(model, document)
    patch = _patch_of(model).model_validate(mend(model, document, _note_in(notes)))
    present = {name: _written(getattr(patch, name)) for name in _given(model, patch)}
    return present | (patch.__pydantic_extra__ or {})


def defects(subject: Any, model: type[OCPIModel]) -> list[str]:
    """Return what a strict receiver would refuse in a document or model, one `path: rule` each.

    The rule is in words for people.
    """
    tolerated: list[str] = []
    try:
        document = dump(subject) if isinstance(subject, OCPIModel) else subject
        parsed = read(model, document, tolerated)
    except ValidationError as error:
        refused = [_sentence(each) for each in error.errors()]
        return refused + _as_defects(tolerated)
    return _as_defects(tolerated) + [
        f"{_dotted(path)}: {rule}" for path, part in _parts(parsed) for rule in part.broken_rules()
    ]


def is_unknown_word(defect: str) -> bool:
    """Whether what `defects` tells is a value that OCPI 2.2.1 does not know yet (TY-15)."""
    return defect.endswith(f": {FAULTS[Tolerance.ENUM]}")


def own_defects(document: Any, model: type[OCPIModel]) -> list[str]:
    """Return the defects for which an object of ours is refused; raises ValidationError.

    A word that is unknown in an open enum is none of them: it costs nobody the object (TY-15). In
    an enum that is closed even in OCPI 2.3.0 it is a slip (TY-03).
    """
    found = defects(document, model)
    others = [line for line in found if not is_unknown_word(line)]
    if len(others) == len(found):
        return found
    parts = _parts(read(model, document))
    return others + [line for path, part in parts for line in _slips(path, part)]


def problems(error: ValidationError) -> str:
    """Say what was refused, for people: `field: rule; field: rule`."""
    return "; ".join(_sentence(each) for each in error.errors())


def _note_in(notes: list[str]) -> Any:
    def note(tolerance: Tolerance, path: Path) -> None:
        notes.append(f"{tolerance}: {_dotted(path)}")

    return note


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path) or "the document"


def _written(value: Any) -> Any:
    if isinstance(value, OCPIModel):
        return dump(value)
    if isinstance(value, list):
        return [_written(item) for item in value]
    if isinstance(value, datetime):
        return format_moment(value)
    return value.value if isinstance(value, StrEnum) else value


def _refuse_nulls(model: type[OCPIModel], document: Any) -> None:
    if not isinstance(document, dict):
        return
    null = PydanticCustomError(
        "patch_null", "can't be removed by PATCH, and null says nothing else"
    )
    nulls: list[InitErrorDetails] = [
        {"type": null, "loc": (name,), "input": None}
        for name in fields_of(model)
        if name in document and document[name] is None
    ]
    if nulls:
        raise ValidationError.from_exception_data(f"{model.__name__} patch", nulls)


@cache
def _patch_of(model: type[OCPIModel]) -> type[OCPIModel]:
    """Return the class of a patch: the fields of the model, all optional but `last_updated`."""
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        default = ... if name == "last_updated" else None
        fields[name] = (field.rebuild_annotation(), default)
    return create_model(f"{model.__name__}Patch", __base__=OCPIModel, **fields)


def _given(model: type[OCPIModel], patch: OCPIModel) -> list[str]:
    return [name for name in model.model_fields if name in patch.model_fields_set]


def _as_defects(tolerated: list[str]) -> list[str]:
    parts = (line.partition(": ") for line in tolerated if not line.startswith(_LAWFUL))
    return [f"{path}: {FAULTS[Tolerance(rule)]}" for rule, _, path in parts]


def _parts(value: Any, path: Path = ()) -> Iterator[tuple[Path, OCPIModel]]:
    """Yield every object inside the value, itself first, each with its path."""
    if isinstance(value, OCPIModel):
        yield path, value
        for name, member in value.__dict__.items():
            yield from _parts(member, (*path, name))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _parts(item, (*path, position))


def _slips(path: Path, part: OCPIModel) -> Iterator[str]:
    for name, field in fields_of(type(part)).items():
        value = getattr(part, name)
        if value is None or not isinstance(field.kind, Choice):
            continue
        for position, word in enumerate(value if field.many else [value]):
            place = (*path, name, position) if field.many else (*path, name)
            if (fault := field.kind.slip(word)) is not None:
                yield f"{_dotted(place)}: {fault}"


def _sentence(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        rule = "is required"
    elif kind == "too_short":
        rule = "needs at least one item"
    elif kind in ("model_type", "model_attributes_type"):
        rule = "is no object"
    elif kind == "value_error":
        rule = str(context["error"])
    else:
        rule = detail["msg"]
    return f"{_dotted(detail['loc'])}: {rule}"
