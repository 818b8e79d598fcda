"""The options of a partner as the fields of a form, whichever options there are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from starlette.datastructures import FormData

from credentials.options import PartnerOptions

# Descriptions name the requirements that they come from, which staff do not know.
_REQUIREMENT = re.compile(r" \([A-Z]{2}-[0-9]+\)")


@dataclass(frozen=True)
class Field:
    """One option."""

    name: str
    kind: str
    """flag, one (of `choices`), many (of them), number or text."""
    words: str
    """What it means."""
    value: Any
    """As a form has it: text, or a list of texts where it is many."""
    choices: Sequence[str] = ()

    @property
    def title(self) -> str:
        """Its name in words."""
        return self.name.replace("_", " ").capitalize()


def fields_of(options: PartnerOptions) -> list[Field]:
    """The form as it shows what is stored."""
    stored = options.model_dump(mode="json")
    return [_field(name, info, stored[name]) for name, info in PartnerOptions.model_fields.items()]


def fields_as_typed(fields: Sequence[Field], form: FormData) -> list[Field]:
    """The form as it was sent, so that nothing has to be typed again."""
    typed = changes_of(form)
    infos = PartnerOptions.model_fields
    return [_field(each.name, infos[each.name], typed[each.name]) for each in fields]


def changes_of(form: FormData) -> dict[str, Any]:
    """Every option as it was sent: a box that is not ticked is not in the form at all."""
    changes: dict[str, Any] = {}
    for name, info in PartnerOptions.model_fields.items():
        kind, _ = _shape(info.annotation)
        if kind == "flag":
            changes[name] = name in form
        elif kind == "many":
            changes[name] = [str(each) for each in form.getlist(name)]
        else:
            changes[name] = str(form.get(name, "")).strip()
    return changes


def shown(options: PartnerOptions) -> Mapping[str, str]:
    """The options as a person reads them."""
    return {field.title: _read(field.value) for field in fields_of(options)}


def _field(name: str, info: FieldInfo, value: Any) -> Field:
    kind, choices = _shape(info.annotation)
    if kind == "text" and isinstance(value, list):
        value = ", ".join(map(str, value))
    return Field(name, kind, _REQUIREMENT.sub("", info.description or ""), value, choices)


def _shape(annotation: Any) -> tuple[str, Sequence[str]]:
    """How an option is asked for, and what can be chosen."""
    if annotation is bool:
        return "flag", ()
    if annotation is int:
        return "number", ()
    if get_origin(annotation) is Literal:
        return "one", [str(each) for each in get_args(annotation)]
    if get_origin(annotation) is list:
        (item,) = get_args(annotation)
        if isinstance(item, type) and issubclass(item, Enum):
            return "many", [str(each.value) for each in item]
        if get_origin(item) is Literal:
            return "many", [str(each) for each in get_args(item)]
    return "text", ()


def _read(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return str(value)
