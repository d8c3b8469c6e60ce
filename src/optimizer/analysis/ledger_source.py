"""Tables of a ledger in reach: a workspace's own, or the database that OPTIMIZER_DATABASE_URL names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from optimizer.analysis.sources import Asked, Read
from optimizer.deployment import ReadOnlyDeployment, now
from optimizer.domain.instants import isoformat
from optimizer.errors import ConfigurationError
from optimizer.services.decisions.explaining import Explanation, explain
from optimizer.services.exports.ledger_rows import LeftOut, mapping_of, page_of, schema_of, view_of
from optimizer.services.exports.portions import (
    Portion,
    Wanted,
    decisions_portion,
    decisions_wanted,
    outcomes_portion,
    parsed_instant,
)
from optimizer.services.reports.tabulating import allocation_table, campaigns_table, groups_table, variants_table
from optimizer.settings import read_settings


class LedgerSource:
    """Reads a ledger, and cannot write into it.

    A walk in portions is one transaction: all of its portions show the same moment. On SQLite a long one keeps the
    write-ahead log from being emptied meanwhile; on PostgreSQL it keeps dead rows from being vacuumed.

    Args:
        folder: the workspace.

    Raises:
        ConfigurationError: there is no workspace or no ledger, or it is not for this release or this secret.
        Unavailable: the database cannot be read now.
    """

    def __init__(self, folder: Path) -> None:
        settings = read_settings()
        if settings.database_url is None and not (folder / "strategy.yaml").is_file():
            raise ConfigurationError(
                f"workspace: found no strategy.yaml in {folder.resolve()}; allowed a folder that `optimizer init DIR` "
                "made, or the URL of a service"
            )
        self._deployment = ReadOnlyDeployment(folder, settings)
        self._store, self._live = self._deployment.store, self._deployment.live
        self._folder = folder

    @property
    def name(self) -> str:
        """What it reads, in words."""
        return f"the ledger of {self._folder.resolve().name}"

    def campaigns(self) -> pl.DataFrame:
        """A row for each campaign in force."""
        with self._store.reading() as ledger:
            return campaigns_table(ledger, self._live, now())

    def allocation(self, campaign: str, points: int) -> pl.DataFrame:
        """How the shares of each segment moved."""
        with self._store.reading() as ledger:
            return allocation_table(ledger, self._live, campaign, points)

    def variants(self, campaign: str) -> pl.DataFrame:
        """The report's variants."""
        with self._store.reading() as ledger:
            return variants_table(ledger, self._live, campaign, now())

    def groups(self, campaign: str) -> pl.DataFrame:
        """The report's groups."""
        with self._store.reading() as ledger:
            return groups_table(ledger, self._live, campaign, now())

    def decisions(self, asked: Asked, size: int) -> Iterator[Read]:
        """Decisions in portions."""
        return self._walk(decisions_portion, asked, size)

    def outcomes(self, asked: Asked, size: int) -> Iterator[Read]:
        """Outcomes of so many decisions at a time."""
        return self._walk(outcomes_portion, asked, size)

    def trials(self, campaign: str, size: int) -> Iterator[Read]:
        """Trials in the standard columns."""
        with self._store.reading() as ledger:
            view, at, counts = view_of(ledger, self._live, campaign, everything=False), now(), LeftOut()
            total, schema = ledger.decisions.count(campaign), schema_of(view)
            mapping = mapping_of(view).model_dump_json(exclude_defaults=True)
            after: str | None = ""
            while after is not None:
                rows, after = page_of(ledger, self._live, view, at, after, size, counts)
                yield Read(pl.DataFrame(rows, schema=schema, orient="row"), counts.decisions, total, mapping)

    def explanation(self, decision_id: str) -> Mapping[str, Any]:
        """Why a decision came out as it did."""
        with self._store.reading() as ledger:
            return _told(explain(ledger, self._live, decision_id))

    def close(self) -> None:
        """Close the database."""
        self._deployment.close()

    def _walk(self, portion_of: Callable[..., Portion], asked: Asked, size: int) -> Iterator[Read]:
        ends = {name: getattr(asked, name) for name in ("since", "until") if getattr(asked, name) is not None}
        wanted = Wanted(asked.campaign, **{name: parsed_instant(name, text) for name, text in ends.items()})
        with self._store.reading() as ledger:
            at, read, total = now(), 0, decisions_wanted(ledger, self._live, wanted)
            portion = portion_of(ledger, self._live, wanted, at, most=size)
            while True:
                read += portion.decisions
                yield Read(portion.rows, read, total)
                if portion.place is None:
                    return
                portion = portion_of(ledger, self._live, wanted, at, after=portion.place, most=size)


def _told(found: Explanation) -> dict[str, Any]:
    """As much of the answer of ``/explain`` as is shown."""
    decision = found.decision
    return {
        "decision": {
            "decision_id": decision.decision_id,
            "campaign": decision.campaign_id,
            "variant": decision.variant_id,
            "segment": decision.segment_id,
            "group": decision.group.value,
            "reason": decision.reason.value,
            "propensity": decision.propensity,
            "snapshot": decision.snapshot_id,
            "decided_at": isoformat(decision.decided_at),
        },
        "variants": [asdict(one) for one in found.variants],
        "steps": [
            {"step": step.name, "removed": list(step.removed), "shares": dict(step.shares), "withheld": step.withheld}
            for step in found.steps
        ],
        "u": found.u,
        "recomputed": {"same": found.same},
    }
