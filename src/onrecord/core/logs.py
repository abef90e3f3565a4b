"""Structured logs: one event per line, on standard error, JSON or text."""

import logging
import sys

import structlog

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure_logs(level: str, form: str, role: str) -> None:
    """Set up logging for this process; ``role`` (control, media, worker) is on every line."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role)


def mask(address: str) -> str:
    """A number or SIP URI with all but its last two user characters hidden."""
    scheme, colon, rest = address.rpartition(":")
    user, at, host = rest.partition("@")
    hidden = "*" * max(len(user) - 2, 0) + user[-2:]
    return f"{scheme}{colon}{hidden}{at}{host}"
