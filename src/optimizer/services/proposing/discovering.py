"""Segments that a campaign's decisions suggest: a bounded sample of the ledger, searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice

import polars as pl

from optimizer.domain.instants import Instant
from optimizer.errors import InvalidRequest, NotFound, RequestFinding
from optimizer.history.columns import ATTRIBUTE, SEGMENT
from optimizer.history.feedback import feedback_of
from optimizer.insights.discovering.columns import Column, declared_column
from optimizer.insights.discovering.discovered import USUAL, Bounds, Discovered, segments_and_clusters
from optimizer.insights.discovering.tree import FOLDS
from optimizer.insights.ranking_words import reward_unit
from optimizer.services.exports.exporting import declared_contents
from optimizer.services.exports.ledger_rows import PAGE, LeftOut, View, mapping_of, rows_of, schema_of, view_of
from optimizer.services.live import Live
from optimizer.storage.store import Ledger
from optimizer.strategy.audience import Attribute, TextAttribute

MOST_DECISIONS = 100_000
MOST_FOR_A_PAGE = 20_000  # a few seconds' worth


def discovered(
    ledger: Ledger,
    live: Live,
    campaign_id: str,
    now: Instant,
    *,
    segment_id: str | None = None,
    bounds: Bounds = USUAL,
    most: int = MOST_DECISIONS,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Discovered:
    """Segments whose best variant differs, and recipients who are alike, in what a campaign's ledger knows.

    Decisions count that `exporting.feedback_of` gives: drawn, exposed, matured, of the variants in force. Attributes
    are as they were when each was made; sensitive ones and those that reveal them are not even read.

    Args:
        ledger: a reading transaction.
        live: gives the documents in force and those each decision was made under.
        campaign_id: the campaign.
        now: what is known at this instant.
        segment_id: look within this segment alone.
        bounds: of the search.
        most: decisions looked at; ids are hashes, so that the first of them are as good as chosen by chance.
        progress: told the steps done and how many there are.

    Raises:
        NotFound: no such campaign or segment.
        InvalidRequest: nothing can be looked at, or a bound cannot be kept.
    """
    view = view_of(ledger, live, campaign_id, everything=False)
    if segment_id is not None and segment_id not in view.tactic.rules.segment_ids:
        allowed = ", ".join(view.tactic.rules.segment_ids)
        raise NotFound(f"segment: found {segment_id}; allowed {allowed}")
    loaded = live.at(ledger)
    view = replace(view, attributes=_readable(view.attributes))
    counts, steps = LeftOut(), -(-most // PAGE) + FOLDS + 2
    frame = _frame(ledger, live, view, now, most, counts, progress)
    if segment_id is not None:
        frame = frame.filter(pl.col(SEGMENT) == segment_id)
    if frame.is_empty():
        said = ", ".join(f"{n:,} {reason}" for reason, n in sorted(counts.reasons.items())) or "no decisions"
        allowed = "decisions that were drawn by chance and whose outcomes are all in"
        raise InvalidRequest(RequestFinding(campaign_id, f"nothing to look at: {said}", allowed))
    feedback = feedback_of(frame, declared_contents(mapping_of(view)), "logged")
    columns = _columns(frame, loaded.declared)
    done = steps - FOLDS - 2
    found, clusters = segments_and_clusters(
        feedback, columns, bounds, lambda searches: progress(done + searches, steps)
    )
    progress(steps, steps)
    return Discovered(
        source=campaign_id,
        unit=reward_unit(view.tactic.reward_rule, loaded.currency),
        found=found,
        clusters=clusters,
        most=most,
        is_sample=counts.decisions >= most,
        variant_ids=view.tactic.variant_ids,
        control=None if view.tactic.control is None else view.tactic.variant_ids[view.tactic.control],
    )


def discovered_for_a_page(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> Discovered:
    """The same of fewer decisions, since somebody waits and the process has other things to do."""
    return discovered(ledger, live, campaign_id, now, most=MOST_FOR_A_PAGE)


def _frame(
    ledger: Ledger,
    live: Live,
    view: View,
    now: Instant,
    most: int,
    counts: LeftOut,
    progress: Callable[[int, int], None],
) -> pl.DataFrame:
    """The decisions as rows, read page by page."""
    rows, schema = rows_of(ledger, live, view, now, most, counts), schema_of(view)
    parts = [pl.DataFrame(schema=schema)]
    while some := list(islice(rows, PAGE)):
        parts.append(pl.DataFrame(some, schema=schema, orient="row"))
        progress(min(counts.decisions // PAGE, -(-most // PAGE)), -(-most // PAGE) + FOLDS + 2)
    return pl.concat(parts)


def _readable(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """Attributes that may be read: none that gives a sensitive one away."""
    return {name: one for name, one in attributes.items() if isinstance(one, TextAttribute) or one.reveals is None}


def _columns(frame: pl.DataFrame, declared: Mapping[str, Attribute]) -> list[Column]:
    """A column for each declared attribute; of those that were not read, one that says nothing but why."""
    found = []
    for name, attribute in sorted(declared.items()):
        read = ATTRIBUTE + name in frame.columns
        column = declared_column(name, attribute, frame[ATTRIBUTE + name].to_list() if read else [None] * len(frame))
        if column is not None:
            found.append(column)
    return found
