"""Where a reading room gets its tables from: what a ledger in reach and a service behind a URL have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import polars as pl


@dataclass(frozen=True, slots=True)
class Asked:
    """Which decisions, and whose outcomes.

    Attributes:
        campaign: id of a campaign; None for all.
        since, until: a date or a time with a zone, as text; the first that is wanted, and the first that is not.
    """

    campaign: str | None = None
    since: str | None = None
    until: str | None = None


class Read(NamedTuple):
    """A portion of a table.

    Attributes:
        rows: the portion.
        decisions: how many decisions have been read up to here.
        total: how many there are to read.
        mapping: of trials, how they are read as a history, as JSON.
    """

    rows: pl.DataFrame
    decisions: int
    total: int
    mapping: str = ""


class Source(Protocol):
    """Gives the same tables, whatever it reads; every method may raise what `errors` lists."""

    @property
    def name(self) -> str:
        """What it reads, in words."""

    def campaigns(self) -> pl.DataFrame:
        """See `services.tabulating.CAMPAIGNS`."""

    def allocation(self, campaign: str, points: int) -> pl.DataFrame:
        """See `services.tabulating.ALLOCATION`."""

    def variants(self, campaign: str) -> pl.DataFrame:
        """See `services.tabulating.VARIANTS`."""

    def groups(self, campaign: str) -> pl.DataFrame:
        """See `services.tabulating.GROUPS`."""

    def decisions(self, asked: Asked, size: int) -> Iterator[Read]:
        """Decisions in portions, one at least; see `services.portions.DECISIONS`."""

    def outcomes(self, asked: Asked, size: int) -> Iterator[Read]:
        """Outcomes of so many decisions at a time; see `services.portions.OUTCOMES`."""

    def trials(self, campaign: str, size: int) -> Iterator[Read]:
        """Trials in the standard columns of a history; see `history.columns`."""

    def explanation(self, decision_id: str) -> Mapping[str, Any]:
        """Why a decision came out as it did, as ``GET /v1/decisions/{id}/explain`` tells it."""

    def close(self) -> None:
        """Give back what it holds."""
