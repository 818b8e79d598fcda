"""What is careless in a document is put right before its class reads it, and noted.

One walk along the fields of the class; the tolerances for scalars are with their kinds, those for
null, empty, lists and objects are here (PD-02, PD-04). What can't be put right is left as it is,
for the class to refuse.
"""

from collections.abc import Callable
from typing import Any

from ocpi.spec.kinds import Tolerance
from ocpi.spec.shapes import FieldShape, fields_of
from ocpi.spec.types import OCPIModel

Path = tuple[str | int, ...]
_EMPTY: tuple[Any, ...] = ("", {})
Note = Callable[[Tolerance, Path], None]


def mend(model: type[OCPIModel], document: Any, note: Note, path: Path = ()) -> Any:
    """Return a copy of the document that the class can read; unknown members stay as they are."""
    if type(document) is not dict:
        return document
    fields = fields_of(model)
    mended = {}
    for name, value in document.items():
        field = fields.get(name)
        if field is None:
            mended[name] = value
        elif not value and (value is None or (field.optional and value in _EMPTY)):
            note(Tolerance.NULL if value is None else Tolerance.EMPTY, (*path, name))
        elif field.many:
            mended[name] = _mend_list(field, value, note, (*path, name))
        elif field.kind:
            mended[name], tolerance = field.kind.mend(value)
            if tolerance:
                note(tolerance, (*path, name))
        else:
            mended[name] = _mend_item(field, value, note, (*path, name))
    return mended


def _mend_list(field: FieldShape, value: Any, note: Note, path: Path) -> list[Any]:
    if type(value) is not list:
        note(Tolerance.SINGLE, path)
        value = [value]
    mended = []
    for position, item in enumerate(value):
        if item is None:
            note(Tolerance.ITEM, (*path, position))
        else:
            mended.append(_mend_item(field, item, note, (*path, position)))
    return mended


def _mend_item(field: FieldShape, value: Any, note: Note, path: Path) -> Any:
    if field.model:
        return mend(field.model, value, note, path)
    if field.kind is None:
        return value
    mended, tolerance = field.kind.mend(value)
    if tolerance:
        note(tolerance, path)
    return mended
