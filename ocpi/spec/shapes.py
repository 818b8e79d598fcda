"""The fields of a class as the specification's tables describe them, read off the annotations."""

from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from annotated_types import MinLen

from ocpi.spec.kinds import Choice, Kind
from ocpi.spec.types import OCPIModel


@dataclass(frozen=True, slots=True)
class FieldShape:
    name: str
    type_name: str  # as in the table: `CiString(36)`, `Status`, `EVSE`
    cardinality: str  # 1, ?, * or +
    kind: Kind | None  # of a scalar
    model: type[OCPIModel] | None  # of an object
    optional: bool  # ? or *
    many: bool  # * or +
    only_shown: bool  # see OCPIModel.only_shown


@cache
def fields_of(model: type[OCPIModel]) -> dict[str, FieldShape]:
    """Return the fields of a class by name, in the order of the specification's table."""
    hints = get_type_hints(model, include_extras=True)
    return {
        name: _shape(name, hints[name], only_shown=name in model.only_shown)
        for name in model.model_fields
    }


def _shape(name: str, annotation: Any, *, only_shown: bool) -> FieldShape:
    cardinality = "1"
    if get_origin(annotation) is Annotated and any(
        isinstance(marker, MinLen) for marker in annotation.__metadata__
    ):
        annotation, cardinality = get_args(annotation)[0], "+"
    elif get_origin(annotation) in (Union, UnionType):
        annotation, cardinality = _without_none(annotation), "?"
    if get_origin(annotation) is list:
        cardinality = cardinality if cardinality == "+" else "*"
        (annotation,) = get_args(annotation)
    kind = _kind(annotation)
    is_model = isinstance(annotation, type) and issubclass(annotation, OCPIModel)
    type_name = kind.table_name() if kind else getattr(annotation, "__name__", str(annotation))
    return FieldShape(
        name,
        type_name,
        cardinality,
        kind,
        annotation if is_model else None,
        optional=cardinality in "?*",
        many=cardinality in "*+",
        only_shown=only_shown,
    )


def _without_none(union: Any) -> Any:
    (only,) = (part for part in get_args(union) if part is not NoneType)
    return only


def _kind(annotation: Any) -> Kind | None:
    if get_origin(annotation) is not Annotated:
        return None
    kind = next((each for each in annotation.__metadata__ if isinstance(each, Kind)), None)
    return kind.of(get_args(annotation)[0]) if isinstance(kind, Choice) else kind
