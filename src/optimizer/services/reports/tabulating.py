"""Small tables for analysts: the campaigns, how a campaign's shares moved, and its report, a row for each variant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from optimizer.domain.instants import Instant
from optimizer.domain.snapshot import Snapshot, snapshot_id
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.tactic import Tactic
from optimizer.services.live import Live
from optimizer.services.reports.reporting import CampaignReport, Difference, Rate, SegmentReport, VariantReport, report
from optimizer.services.reports.summaries import summarise
from optimizer.storage.store import Ledger

POINTS: Final = 100  # snapshots in a table of allocations, unless more are asked for
EVERY_SEGMENT: Final = "all segments"
_TIME: Final = pl.Datetime("us", "UTC")

CAMPAIGNS: Final[Mapping[str, Any]] = {
    "campaign": pl.String,
    "serves": pl.String,
    "why": pl.String,
    "state": pl.String,
    "learning": pl.String,
    "variants": pl.List(pl.String),
    "segments": pl.List(pl.String),
    "awaiting_approval": pl.List(pl.String),
    "rollout_share": pl.Float64,
    "strategy_version": pl.Int64,
    "snapshot": pl.String,
    "currency": pl.String,
}
ALLOCATION: Final[Mapping[str, Any]] = {
    "at": _TIME,
    "snapshot": pl.String,
    "segment": pl.String,
    "variant": pl.String,
    "allocation": pl.Float64,
    "p_best": pl.Float64,
    "withheld": pl.Float64,
}
_LIFT: Final[Mapping[str, Any]] = {
    "against": pl.String,
    "raw_difference": pl.Float64,
    "difference": pl.Float64,
    "difference_low": pl.Float64,
    "difference_high": pl.Float64,
    "design": pl.Float64,
}
_RATE: Final[Mapping[str, Any]] = {
    "trials": pl.Int64,
    "positives": pl.Int64,
    "rate": pl.Float64,
    "rate_low": pl.Float64,
    "rate_high": pl.Float64,
    "mean_reward": pl.Float64,
}
VARIANTS: Final[Mapping[str, Any]] = {
    "campaign": pl.String,
    "as_of": _TIME,
    "unit": pl.String,
    "segment": pl.String,
    "variant": pl.String,
    "removed_by": pl.String,
    "decisions": pl.Int64,
    **_RATE,
    "believed": pl.Float64,
    "believed_low": pl.Float64,
    "believed_high": pl.Float64,
    "p_best": pl.Float64,
    "allocation": pl.Float64,
    **_LIFT,
}
"""Columns of a report's variants: the learning group's trials, what is believed, and the difference to `against`.

`design`: times by which the difference's variance is larger because recipients have several trials; null where nobody
has looked, so that trials are taken as independent.
"""

GROUPS: Final[Mapping[str, Any]] = {
    "campaign": pl.String,
    "as_of": _TIME,
    "unit": pl.String,
    "segment": pl.String,
    "group": pl.String,
    **_RATE,
    **_LIFT,
}
"""Columns of a report's groups: the learning group and the holdout of each segment, and the lift of the former."""


def campaigns_table(ledger: Ledger, live: Live, now: Instant) -> pl.DataFrame:
    """A row of `CAMPAIGNS` for each campaign in force."""
    workspace = live.at(ledger).workspace
    currency = None if workspace is None else workspace.strategy.currency
    rows = [
        (
            one.campaign_id,
            one.serves,
            one.why,
            one.state.value,
            one.learning.value,
            list(one.variants),
            list(one.segments),
            list(one.awaiting_approval),
            one.rollout_share,
            one.strategy_version,
            one.snapshot_id,
            currency,
        )
        for one in summarise(ledger, live, now)
    ]
    return pl.DataFrame(rows, schema=dict(CAMPAIGNS), orient="row")


def allocation_table(ledger: Ledger, live: Live, campaign_id: str, points: int = POINTS) -> pl.DataFrame:
    """How a campaign's shares moved: rows of `ALLOCATION` for at most `points` of its snapshots, the newest among them.

    Shares are those of a recipient of whom nothing special is known, among the variants that may be chosen now, where
    they are still what they were, and all others that the snapshot knows.

    Raises:
        NotFound: no such campaign.
    """
    loaded = live.at(ledger)
    tactic = loaded.tactic(campaign_id)
    newest = ledger.snapshots.latest_number(campaign_id)
    numbers = sorted({int(number) for number in np.linspace(1, newest, min(points, newest)).round()})
    rows: list[tuple[Any, ...]] = []
    for number in numbers:
        snapshot = ledger.snapshots.get(snapshot_id(campaign_id, number))
        if snapshot is not None:
            rows += _shares(tactic, snapshot)
    numbered = dict(ALLOCATION) | {"at": pl.Int64}
    return pl.DataFrame(rows, schema=numbered, orient="row").cast(pl.Schema(ALLOCATION))


def _shares(tactic: Tactic, snapshot: Snapshot) -> Iterator[tuple[Any, ...]]:
    table = AllocationTable(snapshot)
    for segment, segment_id in enumerate(snapshot.segment_ids):
        row = table.row(segment, _may_be_chosen(tactic, snapshot, segment_id))
        shares = zip(snapshot.variant_ids, row.allocation.tolist(), row.p_best.tolist(), strict=True)
        for variant_id, allocation, p_best in shares:
            place = (snapshot.created_at, snapshot.snapshot_id, segment_id, variant_id)
            yield (*place, allocation, p_best, row.withheld)


def _may_be_chosen(tactic: Tactic, snapshot: Snapshot, segment_id: str) -> NDArray[np.bool_]:
    """Which variants of a snapshot are asked about, ``[A]``; all of them where the segment is no more."""
    possible = np.ones(len(snapshot.variant_ids), np.bool_)
    if segment_id not in tactic.rules.segment_ids:
        return possible
    now = tactic.limits.may_be_chosen[tactic.rules.segment_ids.index(segment_id)]
    arms = {arm: place for place, arm in enumerate(zip(tactic.variant_ids, tactic.content_hashes, strict=True))}
    for arm, known in enumerate(zip(snapshot.variant_ids, snapshot.content_hashes, strict=True)):
        if known in arms:
            possible[arm] = bool(now[arms[known]])
    return possible


def variants_table(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> pl.DataFrame:
    """A row of `VARIANTS` for each segment and variant of a campaign's report.

    Raises:
        NotFound: no such campaign.
    """
    found = report(ledger, live, campaign_id, now)
    rows = [_variant(found, segment, one) for segment in found.segments for one in segment.variants]
    return _typed(rows, VARIANTS)


def groups_table(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> pl.DataFrame:
    """Rows of `GROUPS`: the learning group and the holdout of each segment, then the lift of all segments together.

    Raises:
        NotFound: no such campaign.
    """
    found = report(ledger, live, campaign_id, now)
    common = _common(found)
    rows: list[dict[str, Any]] = []
    for segment in found.segments:
        here = {**common, "segment": segment.segment_id}
        rows.append({**here, "group": "learning", **_rate(segment.learning), **_difference(found, segment.lift)})
        rows.append({**here, "group": "holdout", **_rate(segment.holdout)})
    rows.append({**common, "segment": EVERY_SEGMENT, "group": "learning", **_difference(found, found.lift)})
    return _typed(rows, GROUPS)


def _common(found: CampaignReport) -> dict[str, Any]:
    return {"campaign": found.campaign.campaign_id, "as_of": found.as_of, "unit": found.unit}


def _variant(found: CampaignReport, segment: SegmentReport, one: VariantReport) -> dict[str, Any]:
    return {
        **_common(found),
        "segment": segment.segment_id,
        "variant": one.variant_id,
        "removed_by": None if one.removed_by is None else one.removed_by.value,
        "decisions": one.decisions,
        **_rate(one.rate),
        "believed": one.believed.value,
        "believed_low": one.believed.low,
        "believed_high": one.believed.high,
        "p_best": one.p_best,
        "allocation": one.allocation,
        **_difference(found, one.difference),
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {
        "trials": rate.trials,
        "positives": rate.positives,
        "rate": rate.rate,
        "rate_low": rate.low,
        "rate_high": rate.high,
        "mean_reward": rate.mean_reward,
    }


def _difference(found: CampaignReport, difference: Difference | None) -> dict[str, Any]:
    if difference is None:
        return {}
    low, high = difference.found.anytime_interval()
    return {
        "against": difference.against,
        "raw_difference": difference.found.raw,
        "difference": difference.found.value,
        "difference_low": None if np.isnan(low) else low,
        "difference_high": None if np.isnan(high) else high,
        "design": found.alike.design,
    }


def _typed(rows: list[dict[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
    listed = [tuple(row.get(name) for name in schema) for row in rows]
    return pl.DataFrame(listed, schema=dict(schema) | {"as_of": pl.Int64}, orient="row").cast(pl.Schema(schema))
