"""Whether a partner's copy of an object says what ours does: a pure function."""

from typing import Any

from ocpi.spec.moments import parse_moment


def differences(ours: Any, theirs: Any) -> list[str]:
    """The fields in which two objects differ.

    OCPI lets the order of fields, the form of numbers and the form and precision of moments differ;
    and a field that is null or an empty list says no more than one that is not there.
    """
    one, other = _plain(ours), _plain(theirs)
    if not isinstance(other, dict):
        return ["everything"]
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        plain = {name: _plain(member) for name, member in value.items()}
        return {name: member for name, member in plain.items() if member not in (None, [])}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return _whole_second(value) if isinstance(value, str) else value


def _whole_second(text: str) -> Any:
    """A moment to the second, any other text as it is."""
    if not text[:4].isdigit():
        return text
    try:
        return parse_moment(text).replace(microsecond=0)
    except ValueError:
        return text
