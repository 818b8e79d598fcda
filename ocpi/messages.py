"""Log lines: one per exchange in either direction among them, without secrets."""

import asyncio
import logging
import re
import sys
import threading
import unicodedata
from collections.abc import MutableMapping
from contextvars import ContextVar
from functools import partial
from typing import Any, TextIO

import msgspec
import structlog

from ocpi.headers import MessageIDs

log: structlog.stdlib.BoundLogger = structlog.get_logger("ocpi")

# The uid of a driver's Token, in a path as `tokens/DE/MSP/UID` and in a key as `tokens/de*msp*uid`.
_UID = re.compile(r"(?<=tokens/)((?:[^/*]{2}[/*][^/*]{3}[/*])?)[^/?]+")
_ids: ContextVar[MessageIDs | None] = ContextVar("message_ids", default=None)


class about:  # noqa: N801 - It reads as the word that it is: `with about(ids)`.
    """Every line that is logged within the block bears the ids of this message.

    No generator, since it is on the way of each request.
    """

    __slots__ = ("_before", "_given")

    def __init__(self, ids: MessageIDs) -> None:
        self._given = ids

    def __enter__(self) -> None:
        self._before = _ids.set(self._given)

    def __exit__(self, *_: object) -> None:
        _ids.reset(self._before)


def go_on_about(ids: MessageIDs) -> None:
    """The same from here to the end of this task."""
    _ids.set(ids)


def _with_ids(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    ids = _ids.get()
    if ids is not None:
        event.setdefault("request_id", ids.request_id)
        event.setdefault("correlation_id", ids.correlation_id)
    return event


def plain(text: str) -> str:
    """The text with control and direction characters spelled out (TA-23)."""
    return "".join(
        each if each == "\n" or unicodedata.category(each)[0] != "C" else f"\\x{ord(each):02x}"
        for each in text
    )


def set_up_logging(level: str) -> None:
    """Lines for people on a terminal, JSON elsewhere."""
    renderers: list[Any] = (
        # A plain trace: one with local variables would show tokens.
        [
            _spell_out,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
        if sys.stderr.isatty()
        else [structlog.processors.JSONRenderer(serializer=_in_json)]
    )
    structlog.configure(
        processors=[
            _without_uids,
            _with_ids,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=partial(_same, _Lines(sys.stderr)),
    )


def _same(lines: "_Lines", *_names: object) -> "_Lines":
    return lines


class _Lines:
    """Writes lines once a turn of the event loop: a write for each took a tenth of a request.

    What is a warning or worse is written at once, so that no crash loses it.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lines: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """The one that is about to write; one that has ended meanwhile will not."""
        self._lock = threading.Lock()

    def info(self, line: str) -> None:
        """Have a line written soon, where no event loop runs now."""
        with self._lock:
            self._lines.append(line)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write()
            return
        if self._loop is not loop:
            self._loop = loop
            loop.call_soon(self._write)

    debug = info

    def warning(self, line: str) -> None:
        """Write a line now, behind those that wait."""
        with self._lock:
            self._lines.append(line)
        self._write()

    error = critical = warning

    def _write(self) -> None:
        with self._lock:
            lines, self._lines, self._loop = self._lines, [], None
            if lines:
                self._file.write("\n".join((*lines, "")))
                self._file.flush()


def _without_uids(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Which driver it is about is no matter of a log; the message log has a mark of it."""
    for name in ("path", "key", "page", "place"):
        value = event.get(name)
        if isinstance(value, str) and "tokens/" in value:
            event[name] = _UID.sub(r"\1***", value)
    return event


def _spell_out(_logger: Any, _name: str, event: Any) -> Any:
    """Nothing that a partner wrote may steer the terminal that shows the log."""
    return {key: plain(each) if isinstance(each, str) else each for key, each in event.items()}


def _in_json(event: Any, **_options: Any) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()
