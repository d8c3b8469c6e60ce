"""Opening a reading room, on a workspace or on a service."""

from __future__ import annotations

from pathlib import Path

from optimizer.analysis.ledger_source import LedgerSource
from optimizer.analysis.rooms import ReadingRoom
from optimizer.analysis.service_source import ServiceSource
from optimizer.errors import ConfigurationError


def opened(where: str | Path, key: str | None) -> ReadingRoom:
    """See `optimizer.open`."""
    if isinstance(where, str) and where.startswith(("http://", "https://")):
        return ReadingRoom(ServiceSource(where, key))
    if key is not None:
        raise ConfigurationError("key: found one with a workspace; allowed only with the URL of a service")
    return ReadingRoom(LedgerSource(Path(where)))
