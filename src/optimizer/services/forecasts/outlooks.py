"""Outlooks: whom campaigns reach, and what they can learn there before they end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.domain.instants import DAY, Duration, Instant
from optimizer.domain.reasons import Group
from optimizer.domain.statistics import DECIDED, NOTHING, Cell, Sums, reward_metric
from optimizer.engine.tactic import Tactic
from optimizer.errors import Finding
from optimizer.insights.audience import Advice, Audience, Outlook, horizon_of, is_hopeless, outlooks
from optimizer.services.live import tactics_of
from optimizer.storage.store import Ledger
from optimizer.strategy.audience import Attribute
from optimizer.strategy.workspace import Workspace, document_of
from optimizer.strategy.yaml.source import read_source

HISTORY: Duration = 28 * DAY  # four whole weeks: every weekday counts the same
SAMPLED = 5_000  # decisions a campaign's new segments are tried on
ENOUGH_TRIALS = 100  # a segment with fewer is taken to succeed as often as its campaign


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What people expect where the ledger does not know.

    Attributes:
        decisions_per_day: of each campaign.
        rate: successes per trial.
    """

    decisions_per_day: float | None = None
    rate: float | None = None


NO_ASSUMPTIONS = Assumptions()


@dataclass(frozen=True, slots=True)
class SegmentOutlook:
    """Who is in one segment, and what it takes to find its best variant.

    Attributes:
        n_variants: variants meant for the segment.
        share: of the campaign's decisions that fall into it; None when not known, as for the next ones.
        decisions_per_day: decisions of the segment, holdouts included.
        rate: successes per trial.
        trials_per_variant: trials each variant needs until P(best) is .9, in four of five cases.
        days: until there is an answer: to have the trials and then wait for the last outcomes.
        detectable_lift: smallest lift that a test at the campaign's end finds with probability .8.
        suggested_variants: the most variants whose best one is found before the end.
        advice: ``enough``, ``fewer variants``, ``pool``, ``too small`` …; see `insights.audience.Advice`.
        advice_why: what to do, in words; empty when nothing has to be done.
        unknown: why `days` is not known; empty when it is.
        assumed: what is assumed, in words, rather than read from the ledger.
    """

    campaign_id: str
    segment_id: str
    n_variants: int
    share: float | None
    decisions_per_day: float | None
    rate: float | None
    trials_per_variant: int | None
    days: float | None
    detectable_lift: float | None
    suggested_variants: int | None
    advice: Advice
    advice_why: str
    unknown: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Traffic:
    """Decisions a day of a campaign, and each segment's share of them; None where not known."""

    per_day: float | None
    shares: Sequence[float] | None
    rates: Sequence[float | None]
    said: tuple[str, ...] = ()


def campaign_outlook(
    ledger: Ledger,
    tactic: Tactic,
    declared: Mapping[str, Attribute],
    now: Instant,
    assumptions: Assumptions = NO_ASSUMPTIONS,
) -> list[SegmentOutlook]:
    """What a campaign can learn, by segment: as the ledger knows it, else as is assumed, else as the campaign expects.

    Args:
        ledger: the ledger.
        tactic: the campaign.
        declared: attributes declared so far: what is not declared was never stored.
        now: the instant up to which the ledger is read.
        assumptions: what the caller expects.
    """
    cells = list(ledger.statistics.of_campaign(tactic.campaign_id))
    traffic = _Traffic(
        per_day=_decisions_per_day(cells, now),
        shares=_shares(ledger, tactic, declared, now),
        rates=[_rate(tactic, segment_id, cells, now) for segment_id in tactic.rules.segment_ids],
    )
    return _outlook(tactic, _assumed(tactic, traffic, assumptions), tactic.shares.rollout)


def expected_outlook(workspace: Workspace) -> list[SegmentOutlook]:
    """What campaigns can learn if they are as they expect to be, once their rollout is complete; no ledger is read."""
    found: list[SegmentOutlook] = []
    for tactic in tactics_of(workspace, 1, frozenset(), {}).values():
        if tactic.campaign.expects is not None:
            nothing_known = _Traffic(None, None, [None] * len(tactic.rules.segment_ids))
            rollout = max((stage.share for stage in tactic.stages), default=1.0)
            found += _outlook(tactic, _assumed(tactic, nothing_known, NO_ASSUMPTIONS), rollout)
    return found


def hopeless_findings(workspace: Workspace, expected: Sequence[SegmentOutlook]) -> Iterator[Finding]:
    """A finding for every campaign that expects an audience too small to learn anything from before it ends."""
    for campaign_id in dict.fromkeys(row.campaign_id for row in expected):
        rows = [row for row in expected if row.campaign_id == campaign_id]
        if is_hopeless([row.advice for row in rows]):
            file = document_of(workspace, campaign_id)
            days = min((row.days for row in rows if row.days is not None), default=None)
            found = "an audience that learns nothing" if days is None else f"an answer after {days:,.0f} days at best"
            allowed = (
                "one before the campaign ends: with more decisions a day, more time, or fewer variants and segments; "
                "a single variant, which learns nothing; or no such key"
            )
            yield read_source(file, workspace.files[file]).finding(("expects",), allowed, on_key=True, found=found)


def _assumed(tactic: Tactic, known: _Traffic, assumptions: Assumptions) -> _Traffic:
    """The traffic with what is not known filled in by what is assumed or expected."""
    expects, names = tactic.campaign.expects, tactic.rules.segment_ids
    per_day, shares, rate, said = known.per_day, known.shares, assumptions.rate, []
    if per_day is None:
        per_day = assumptions.decisions_per_day
        if per_day is None and expects is not None:
            per_day = expects.decisions_per_day
        said += [] if per_day is None else [f"{per_day:g} decisions a day"]
    if rate is None and expects is not None:
        rate = expects.success_rate
    if shares is None and expects is not None and expects.segments:
        rest = max(1.0 - sum(expects.segments.values()), 0.0) / max(len(set(names) - set(expects.segments)), 1)
        shares = [expects.segments.get(name, rest) for name in names]
        said += ["segments as expected"]
    elif shares is None and per_day is not None:
        shares = [1.0 / max(len(names), 1)] * len(names)
        said += ["segments of the same size"] if len(names) > 1 else []
    if rate is not None and None in known.rates:
        said += [f"{100 * rate:g} % succeed"]
    return _Traffic(per_day, shares, [rate if seen is None else seen for seen in known.rates], tuple(said))


def _outlook(tactic: Tactic, traffic: _Traffic, rollout: float) -> list[SegmentOutlook]:
    names, shares = tactic.rules.segment_ids, tactic.shares
    learning_share = (1.0 - shares.strategy_holdout) * (1.0 - shares.campaign_holdout) * rollout
    daily = [
        None if traffic.shares is None or traffic.per_day is None else traffic.shares[segment] * traffic.per_day
        for segment in range(len(names))
    ]
    counts = tactic.limits.meant.sum(axis=1).tolist()
    audiences = [
        Audience(name, n, None if each is None else each * learning_share, rate)
        for name, n, each, rate in zip(names, counts, daily, traffic.rates, strict=True)
    ]
    found = outlooks(audiences, horizon_of(tactic))
    return [
        _row(
            tactic,
            one,
            counts[n],
            None if traffic.shares is None else traffic.shares[n],
            daily[n],
            traffic.rates[n],
            traffic.said,
        )
        for n, one in enumerate(found)
    ]


def _row(
    tactic: Tactic,
    found: Outlook,
    n_variants: int,
    share: float | None,
    daily: float | None,
    rate: float | None,
    said: tuple[str, ...],
) -> SegmentOutlook:
    return SegmentOutlook(
        campaign_id=tactic.campaign_id,
        segment_id=found.segment_id,
        n_variants=n_variants,
        share=share,
        decisions_per_day=daily,
        rate=rate,
        trials_per_variant=found.trials_per_variant,
        days=found.days,
        detectable_lift=found.detectable_lift,
        suggested_variants=found.suggested_variants,
        advice=found.advice,
        advice_why=found.sentence,
        unknown=found.unknown,
        assumed=said,
    )


def _decisions_per_day(cells: Iterable[tuple[Cell, Sums]], now: Instant) -> float | None:
    """Decisions of a campaign a day, over the last four weeks or since its first decision in them."""
    made = [(c.bucket, sums.n) for c, sums in cells if c.metric == DECIDED and now - HISTORY <= c.bucket <= now]
    n = sum(count for _, count in made)
    if not n:
        return None
    return n * DAY / max(now - min(at for at, _ in made), DAY)


def _rate(tactic: Tactic, segment_id: str, cells: Sequence[tuple[Cell, Sums]], now: Instant) -> float | None:
    """Successes per trial of what the campaign serves, over four weeks of trials whose outcomes have come in."""
    last = now - tactic.reward_rule.window
    metric = reward_metric(tactic.reward_rule.objective_id)
    mature = [
        (cell, sums)
        for cell, sums in cells
        if cell.metric == metric
        and cell.group == Group.LEARNING
        and cell.variant_id != NOTHING
        and last - HISTORY <= cell.bucket < last
    ]
    for some in ([s for cell, s in mature if cell.segment_id == segment_id], [s for _, s in mature]):
        trials, positives = sum(s.n for s in some), sum(s.positives for s in some)
        if trials >= ENOUGH_TRIALS and positives:
            return positives / trials
    return None


def _shares(ledger: Ledger, tactic: Tactic, declared: Mapping[str, Attribute], now: Instant) -> list[float] | None:
    """Share of the campaign's decisions in each new segment, by the attributes of recent ones; None if not known."""
    if any(name not in declared for name in tactic.rules.attribute_names):
        return None  # what is not declared yet was never stored
    recent = ledger.decisions.recent(tactic.campaign_id, now - HISTORY, SAMPLED)
    if not recent:
        return None
    rows = [decision.attributes for decision in recent]
    found = tactic.rules.of_many(tactic.rules.columns_of(rows), len(rows))
    counts = np.bincount(found[found >= 0], minlength=len(tactic.rules.segment_ids))
    return [float(share) for share in counts / len(rows)]
