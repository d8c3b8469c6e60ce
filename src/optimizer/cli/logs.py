"""One line per event on stderr, for people and for collectors alike."""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson
import structlog

from optimizer.web.observing.request_ids import CURRENT

_FIRST = ["at", "level", "event", "request_id"]


def write_logs(level: int = logging.INFO, written: str = "logfmt") -> None:
    """Send structlog's and the standard library's events to stderr, one line each, with the id of their request.

    Tracebacks name places and never local variables, which may hold secrets; their line breaks are escaped, so that an
    event stays one line.

    Args:
        level: of our own events; of libraries, warnings and worse.
        written: ``logfmt``, key=value pairs, or ``json``, one object.
    """
    shared: list[structlog.typing.Processor] = [
        _with_request_id,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
    ]
    line = _line(written)
    structlog.configure(
        processors=[*shared, line],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, line],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)


def _line(written: str) -> structlog.typing.Processor:
    if written == "json":
        return structlog.processors.JSONRenderer(serializer=_json)
    return structlog.processors.LogfmtRenderer(key_order=_FIRST, drop_missing=True)


def _json(event: dict[str, Any], **_: Any) -> str:
    ordered = {name: event[name] for name in _FIRST if name in event} | event
    return orjson.dumps(ordered, default=str).decode()


def _with_request_id(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    request_id = CURRENT.get()
    if request_id is not None:
        event.setdefault("request_id", request_id)
    return event
