"""What is careless in a document is put right before its class reads it, and noted.

One walk along the fields of the class; the tolerances for scalars are with their kinds, those for
null, empty, lists and objects are here (PD-02, PD-04). What can't be put right is left as it is,
for the class to refuse, but for what is only shown to people: that must not cost the rest.
"""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from ocpi.spec.kinds import Tolerance
from ocpi.spec.shapes import FieldShape, fields_of
from ocpi.spec.types import OCPIModel

Path = tuple[str | int, ...]
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
            continue
        if not value and (value is None or (field.optional and _is_empty(field, value))):
            note(Tolerance.NULL if value is None else Tolerance.EMPTY, (*path, name))
        elif field.many:
            mended[name] = _mend_list(field, value, note, (*path, name))
        elif field.kind:
            mended[name], tolerance = field.kind.mend(value)
            if tolerance:
                note(tolerance, (*path, name))
        else:
            mended[name] = _mend_item(field, value, note, (*path, name))
        if field.only_shown and name in mended:
            mended[name] = _readable(field, mended[name], note, (*path, name))
    return mended


def _is_empty(field: FieldShape, value: Any) -> bool:
    """PHP writes an object without members as a list."""
    return value in ("", {}) or (value == [] and field.model is not None and not field.many)


def _readable(field: FieldShape, mended: Any, note: Note, path: Path) -> Any:
    """What can be read of what is only shown; the rest is left out."""
    items = mended if field.many else [mended]
    readable = [item for item in items if _is_readable(field, item)]
    if len(readable) < len(items):
        note(Tolerance.UNSHOWN, path)
    return readable if field.many else next(iter(readable), None)


def _is_readable(field: FieldShape, item: Any) -> bool:
    assert field.model is not None
    try:
        field.model.model_validate(item)
    except ValidationError:
        return False
    return True


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
