"""The message log: one line per exchange in either direction, without secrets."""

import logging
import sys
from typing import Any

import msgspec
import structlog

log: structlog.stdlib.BoundLogger = structlog.get_logger("ocpi")


def set_up_logging(level: str) -> None:
    """Lines for people on a terminal, JSON elsewhere."""
    renderer: Any = (
        # A plain trace: one with local variables would show tokens.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(serializer=_in_json)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        # Each line is one write, which is flushed: a crash loses none.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


def _in_json(event: Any, **_options: Any) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()
