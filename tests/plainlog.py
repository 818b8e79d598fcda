"""The log of what runs within a test."""

import structlog


def log_plainly() -> None:
    """Have it printed as it is by default, but for traces.

    Those in colours, with every variable, take seconds in which nothing else happens.
    """
    structlog.reset_defaults()
    *others, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, plain])
