"""One line per event on stderr, for people and for collectors alike."""

from __future__ import annotations

import logging
import sys

import structlog


def write_logs(level: int = logging.INFO) -> None:
    """Send structlog's and the standard library's events to stderr as ``key=value`` lines.

    Tracebacks name places and never local variables, which may hold secrets; their line breaks are escaped, so that an
    event stays one line.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
    ]
    order = ["at", "level", "event"]
    structlog.configure(
        processors=[*shared, structlog.processors.LogfmtRenderer(key_order=order, drop_missing=True)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.LogfmtRenderer(key_order=order, drop_missing=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
