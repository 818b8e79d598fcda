"""What of a document who sees: a driver's token is shown whole to operators and above alone."""

from typing import Any

import msgspec

from ocpi.console.staff import Person, Role
from ocpi.editing import Document
from ocpi.spec.document import encode

_LAST = 4
# What names a driver, wherever it stands in a Session or CDR.
_NAMES = ("uid", "contract_id")


class Told(dict[str, Any]):
    """A part of a document; for templates, which are strict, an optional field is None at least."""

    def __missing__(self, name: str) -> None:
        return None


def told(value: Any) -> Any:
    """A document, or a part of one, in which what is absent is None."""
    if isinstance(value, dict):
        return Told({name: told(each) for name, each in value.items()})
    if isinstance(value, list):
        return [told(each) for each in value]
    return value


def shown(person: Person, document: Document) -> Document:
    """A Session or CDR as somebody may see it."""
    token = document.get("cdr_token")
    if person.role >= Role.OPERATOR or not isinstance(token, dict):
        return document
    hidden = {name: _masked(token[name]) for name in _NAMES if name in token}
    return {**document, "cdr_token": {**token, **hidden}}


def _masked(text: Any) -> str:
    """The last four characters; nothing of what is hardly longer."""
    kept = str(text)[-_LAST:] if len(str(text)) > 2 * _LAST else ""
    return f"••••{kept}"


def raw(document: Document) -> str:
    """A document as JSON text that is indented for people, its numbers as they are."""
    return msgspec.json.format(encode(document))
