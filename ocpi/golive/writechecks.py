"""Checks of the round of writes, which a partner has to agree to."""

from collections.abc import Callable, Iterator

from ocpi.golive.judging import Check, Problems
from ocpi.golive.recording import Asked, Recording


def _written(
    judge: Callable[[Asked], Iterator[str]], *, steps: str
) -> Callable[[Recording], Problems]:
    """A judgement of the steps whose names end so; None where none was made."""

    def all_of_them(record: Recording) -> Problems:
        asked = [each for each in record.starting("write/") if each.step.endswith(steps)]
        return [sentence for each in asked for sentence in judge(each)] if asked else None

    return all_of_them


def _taken(asked: Asked) -> Iterator[str]:
    if not asked.ok:
        yield f"{asked}: {asked.codes}"


def _created(asked: Asked) -> Iterator[str]:
    if asked.ok and asked.reply is not None and asked.reply.http_status != 201:
        yield f"{asked}: HTTP {asked.reply.http_status}, where 201 is due for a new object"


def _held(asked: Asked) -> Iterator[str]:
    """What is read back has the member that was told last."""
    if not asked.ok or asked.reply is None:
        yield f"{asked}: {asked.codes}"
        return
    name, _, value = asked.step_value.partition("=")
    data = asked.reply.data
    found = data.get(name) if isinstance(data, dict) else None
    if str(found).lower() != value.lower():
        yield f"{asked}: {name} is {str(found)[:40]!r}, where {value!r} was told"


def _gone(asked: Asked) -> Iterator[str]:
    if asked.reply is not None and asked.reply.http_status != 404:
        yield f"{asked}: {asked.codes}, where HTTP 404 is due"


def _located(asked: Asked) -> Iterator[str]:
    if asked.ok and asked.reply is not None and "location" not in asked.reply.headers:
        yield f"{asked}: no Location header tells where the CDR is"


CHECKS = (
    Check("write.put", ("CO-01",), "A new object is taken", "must", _written(_taken, steps="/put")),
    Check(
        "write.created",
        ("ST-05",),
        "A new object gets HTTP 201",
        "should",
        _written(_created, steps="/put"),
    ),
    Check(
        "write.patch",
        ("PP-04", "PP-05"),
        "A change by PATCH is taken",
        "should",
        _written(_taken, steps="/patch"),
    ),
    Check(
        "write.read",
        ("LO-05", "PP-05"),
        "What was told can be read back",
        "should",
        _written(_held, steps="/get"),
    ),
    Check(
        "write.withdraw",
        ("LO-12", "TA-02"),
        "What was told can be withdrawn again",
        "must",
        _written(_taken, steps="/withdraw"),
    ),
    Check(
        "write.gone",
        ("ST-04",),
        "What was deleted is not there any more",
        "should",
        _written(_gone, steps="/gone"),
    ),
    Check(
        "write.cdr",
        ("CD-03",),
        "A CDR is taken, and its address told",
        "must",
        _written(_located, steps="/post"),
    ),
    Check("write.post", ("CD-02",), "A POST is taken", "must", _written(_taken, steps="/post")),
)
