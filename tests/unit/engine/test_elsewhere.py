from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR
from optimizer.domain.statistics import Cell, Sums, delay_metric
from optimizer.engine.elsewhere import evidence_elsewhere
from optimizer.engine.gathering import evidence_of
from optimizer.engine.learning import next_snapshot
from optimizer.engine.tactic import Tactic
from optimizer.strategy.policy_settings import PriorTrials, WarmStart

MakeTactic = Callable[..., Tactic]
NOW = 20_700 * DAY  # in 2026, after the campaign has begun


def warm(make_tactic: MakeTactic, **written: object) -> Tactic:
    tactic = make_tactic()
    return replace(tactic, policy=replace(tactic.policy, warm_start=WarmStart.model_validate(written)))


def told(trials: float, successes: float) -> Mapping[str, PriorTrials]:
    return {"womens": PriorTrials(trials=trials, successes=successes)}


def nothing(tactic: Tactic) -> Evidence:
    return evidence_of(tactic, [])


def tried(segment: str, variant: str, n: int, k: int, **changes: object) -> tuple[Cell, Sums]:
    fields = {
        "group": "learning",
        "metric": "reward:visits",
        "bucket": 5 * HOUR,
        "content_hash": "other words",
    } | changes
    cell = Cell("other", segment, variant, **fields)  # type: ignore[arg-type]
    return cell, Sums(n, k, k * 1_000_000, k * 1_000_000)


def test_what_is_told_counts_as_much_as_it_should_and_is_shared_by_the_segments(make_tactic: MakeTactic) -> None:
    tactic = warm(make_tactic, variants=told(12_000, 240), weight=0.2)
    found = evidence_elsewhere(tactic, nothing(tactic), [], NOW)
    assert found.trials.sum(axis=(0, 2)) == pytest.approx([0, 2_400, 0])
    assert found.positives[:, 1, 0] == pytest.approx([16, 16, 16])


def test_what_is_told_waits_for_no_reward_and_ages_from_the_beginning(make_tactic: MakeTactic) -> None:
    tactic = warm(make_tactic, variants=told(100, 10))
    (at,) = evidence_elsewhere(tactic, nothing(tactic), [], NOW).buckets
    starts_at = tactic.limits.starts_at
    assert starts_at is not None
    assert starts_at - at >= tactic.reward_rule.window
    open_ended = replace(tactic, limits=replace(tactic.limits, starts_at=None))
    seen = evidence_of(tactic, [tried("new", "mens", 5, 1, bucket=7 * DAY, content_hash=tactic.content_hashes[0])])
    (from_now,) = evidence_elsewhere(open_ended, nothing(tactic), [], NOW).buckets
    assert NOW - from_now >= tactic.reward_rule.window
    (from_first,) = evidence_elsewhere(open_ended, seen, [], NOW).buckets
    assert 7 * DAY - from_first >= tactic.reward_rule.window


def test_another_campaign_counts_by_segment_and_variant_whatever_its_words(make_tactic: MakeTactic) -> None:
    tactic = warm(make_tactic, campaign="other", weight=0.5)
    others = [
        tried("new", "mens", 100, 10),
        tried("new", "unknown", 900, 90),
        tried("gone", "mens", 200, 40),
        tried("new", "mens", 70, 7, group="campaign_holdout"),
        tried("new", "mens", 70, 7, metric="reward:clicks"),
    ]
    found = evidence_elsewhere(tactic, nothing(tactic), others, NOW)
    assert found.buckets.tolist() == [5 * HOUR]
    assert found.trials[0, :, 0].tolist() == [50.0, 0.0, 0.0]
    assert found.positives[0, 0, 0] == 5.0
    share = 0.5 / len(tactic.rules.segment_ids)
    assert found.trials[1:, 0, 0] == pytest.approx([300 * share] * 2)
    assert found.positives[1:, 0, 0] == pytest.approx([50 * share] * 2)


def test_how_late_rewards_come_is_only_seen_here(make_tactic: MakeTactic) -> None:
    tactic = warm(make_tactic, campaign="other")
    others = [tried("new", "mens", 100, 10), tried("new", "mens", 10, 10, metric=delay_metric("visits", 3))]
    assert not evidence_elsewhere(tactic, nothing(tactic), others, NOW).delays.any()


def test_a_snapshot_knows_what_it_rests_on(make_tactic: MakeTactic) -> None:
    """The belief has both, the trials are its own; the minimum of trials asks for those."""
    tactic = warm(make_tactic, variants=told(1_000, 500), weight=0.3)
    snapshot = next_snapshot(tactic, nothing(tactic), [], {}, None, NOW)
    assert not snapshot.trials.any()
    assert snapshot.elsewhere == pytest.approx(np.tile([0.0, 100.0, 0.0], (3, 1)))
    assert snapshot.belief.arrays["alpha"] == pytest.approx(np.tile([1.0, 51.0, 1.0], (3, 1)))
    cold = make_tactic()
    assert next_snapshot(cold, nothing(cold), [], {}, None, NOW).elsewhere.size == 0


def test_with_a_half_life_what_is_from_elsewhere_fades(make_tactic: MakeTactic) -> None:
    tactic = warm(make_tactic, variants=told(1_000, 500), weight=0.3)
    tactic = replace(tactic, policy=replace(tactic.policy, half_life=30 * DAY))
    early, late = (
        next_snapshot(tactic, nothing(tactic), [], {}, None, now).belief.arrays["alpha"][0, 1]
        for now in (NOW, NOW + 30 * DAY)
    )
    assert late - 1 == pytest.approx((early - 1) / 2)
