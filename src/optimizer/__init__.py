"""Adaptive campaign optimizer: Thompson sampling inside the limits that marketers write."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.analysis.rooms import ReadingRoom

__version__ = "0.1.0"


def open(where: str | Path = ".", *, key: str | None = None) -> ReadingRoom:
    """A reading room: decisions, outcomes, allocation and reports as frames and figures, for notebooks.

    Nothing is migrated or written: of a ledger in reach only reading transactions are begun, and of a service only
    what an API key with scope `analyse` may read is asked for.

    Args:
        where: a workspace's folder (its own ledger, or the one OPTIMIZER_DATABASE_URL names), or the URL of a service.
        key: an API key of the service, with scope `analyse`.

    Raises:
        ConfigurationError: there is no ledger or no key, or another release wrote the ledger.
        Unavailable: the database cannot be read now.
    """
    from optimizer.analysis.opening import opened  # noqa: PLC0415 - `import optimizer` stays instant

    return opened(where, key)
