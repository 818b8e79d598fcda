"""The message log: one line per exchange in either direction, without secrets."""

import logging
import sys
import unicodedata
from typing import Any

import msgspec
import structlog

log: structlog.stdlib.BoundLogger = structlog.get_logger("ocpi")


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
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        # Each line is one write, which is flushed: a crash loses none.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


def _spell_out(_logger: Any, _name: str, event: Any) -> Any:
    """Nothing that a partner wrote may steer the terminal that shows the log."""
    return {key: plain(each) if isinstance(each, str) else each for key, each in event.items()}


def _in_json(event: Any, **_options: Any) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()
