"""The options of a partner as the fields of a form, whichever options there are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from starlette.datastructures import FormData

from credentials.options import PartnerOptions

# Descriptions name the requirements that they come from, which staff do not know.
WAS = "was."
"""Before the name of a field, in that of the hidden one with what was shown."""

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
    was: Any
    """What the page showed first: what is as it was is not changed, as somebody else may have."""
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
    typed, was = _read_form(form), _read_form(form, WAS)
    return [replace(each, value=typed[each.name], was=was[each.name]) for each in fields]


def changes_of(form: FormData) -> dict[str, Any]:
    """The options that were sent otherwise than the page had shown them."""
    was = _read_form(form, WAS)
    return {name: value for name, value in _read_form(form).items() if value != was[name]}


def _read_form(form: FormData, prefix: str = "") -> dict[str, Any]:
    """Every option as it was sent: a box that is not ticked is not in the form at all."""
    values: dict[str, Any] = {}
    for name, info in PartnerOptions.model_fields.items():
        kind, _ = _shape(info.annotation)
        sent = f"{prefix}{name}"
        if kind == "flag":
            values[name] = sent in form
        elif kind == "many":
            values[name] = [str(each) for each in form.getlist(sent)]
        else:
            values[name] = str(form.get(sent, "")).strip()
    return values


def shown(options: PartnerOptions) -> Mapping[str, str]:
    """The options as a person reads them."""
    return {field.title: _read(field.value) for field in fields_of(options)}


def _field(name: str, info: FieldInfo, value: Any) -> Field:
    kind, choices = _shape(info.annotation)
    if kind == "text" and isinstance(value, list):
        value = ", ".join(map(str, value))
    words = _REQUIREMENT.sub("", info.description or "")
    return Field(name, kind, words, value, value, choices)


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
