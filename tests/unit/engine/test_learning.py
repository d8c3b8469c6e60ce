from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.belief import Belief
from optimizer.domain.instants import DAY, HOUR
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.statistics import Cell, Sums
from optimizer.engine.gathering import evidence_of
from optimizer.engine.learning import differs, learn
from optimizer.engine.tactic import Tactic

MakeTactic = Callable[..., Tactic]


def cell(tactic: Tactic, **changes: object) -> Cell:
    fields: dict[str, object] = {
        "campaign_id": "winback",
        "segment_id": "new",
        "variant_id": "mens",
        "content_hash": tactic.content_hashes[0],
        "group": "learning",
        "metric": "reward:visits",
        "bucket": HOUR,
    }
    return Cell(**(fields | changes))  # type: ignore[arg-type]


def test_evidence_lands_in_its_segment_arm_and_bucket(make_tactic: MakeTactic) -> None:
    tactic = make_tactic()
    seen = evidence_of(
        tactic,
        [
            (cell(tactic), Sums(10, 3, 3_000_000, 3_000_000)),
            (cell(tactic, bucket=3 * HOUR), Sums(5, 1, 1_000_000, 1_000_000)),
            (
                cell(tactic, segment_id="stale", variant_id="plain", content_hash=tactic.content_hashes[2]),
                Sums(7, 2, 2_000_000, 2_000_000),
            ),
        ],
    )
    assert seen.buckets.tolist() == [HOUR, 3 * HOUR]
    assert seen.trials[0, 0].tolist() == [10.0, 5.0]
    assert seen.positives[1, 2].tolist() == [2.0, 0.0]
    assert seen.rewards.sum() == 6.0


def test_logarithms_land_in_their_cell_and_delays_of_all_cells_together(make_tactic: MakeTactic) -> None:
    tactic = make_tactic()
    other = {"segment_id": "stale", "variant_id": "plain", "content_hash": tactic.content_hashes[2]}
    seen = evidence_of(
        tactic,
        [
            (cell(tactic), Sums(10, 3, 60_000_000, 0)),
            (cell(tactic, metric="amount:visits"), Sums(3, 3, 8_987_197, 27_000_000)),
            (cell(tactic, metric="delay:visits:17"), Sums(2, 2, 0, 0)),
            (cell(tactic, metric="delay:visits:80", bucket=3 * HOUR), Sums(1, 1, 0, 0)),
            (cell(tactic, metric="delay:visits:17", **other), Sums(4, 4, 0, 0)),
            (cell(tactic, metric="delay:visits:17", group="campaign_holdout"), Sums(9, 9, 0, 0)),
            (cell(tactic, metric="delay:visits:17", content_hash="old words"), Sums(9, 9, 0, 0)),
            (cell(tactic, metric="amount:clicks"), Sums(9, 9, 9, 9)),
        ],
    )
    assert (seen.logs[0, 0].tolist(), seen.log_squares[0, 0].tolist()) == ([8.987197, 0.0], [27.0, 0.0])
    assert (seen.logs.sum(), seen.positives.sum(), seen.rewards.sum()) == (8.987197, 3.0, 60.0)
    assert (seen.delays[17].tolist(), seen.delays[80].tolist(), seen.delays.sum()) == ([6.0, 0.0], [0.0, 1.0], 7.0)


def test_what_cannot_inform_a_choice_is_left_out(make_tactic: MakeTactic) -> None:
    tactic = make_tactic()
    sums = Sums(10, 3, 3_000_000, 3_000_000)
    foreign = [
        cell(tactic, group="campaign_holdout"),
        cell(tactic, group="strategy_holdout"),
        cell(tactic, metric="reward:clicks"),
        cell(tactic, metric="decided"),
        cell(tactic, content_hash="the words before the edit"),
        cell(tactic, segment_id="a segment that is gone"),
        cell(tactic, variant_id="a message that is gone"),
    ]
    assert evidence_of(tactic, [(one, sums) for one in foreign]).trials.sum() == 0


def test_a_snapshot_carries_prior_plus_evidence(make_tactic: MakeTactic) -> None:
    tactic = make_tactic()
    evidence = evidence_of(tactic, [(cell(tactic), Sums(10, 3, 3_000_000, 3_000_000))])
    snapshot = learn(tactic, evidence, 4, DAY)
    assert snapshot.snapshot_id == "winback:4"
    alpha = snapshot.belief.arrays["alpha"]
    assert (alpha[0, 0], snapshot.belief.arrays["beta"][0, 0], snapshot.trials[0, 0]) == (4.0, 8.0, 10.0)
    assert (alpha[1:] == 1.0).all()
    assert snapshot.variant_ids == ("mens", "womens", "plain")


def test_only_a_snapshot_that_says_something_new_differs(make_tactic: MakeTactic) -> None:
    tactic = make_tactic()
    evidence = evidence_of(tactic, [(cell(tactic), Sums(10, 3, 3_000_000, 3_000_000))])
    one, again = learn(tactic, evidence, 1, DAY), learn(tactic, evidence, 2, 2 * DAY)
    assert not differs(one, again)
    alpha, beta = again.belief.arrays["alpha"], again.belief.arrays["beta"]

    def believing(**arrays: NDArray[np.float64]) -> Snapshot:
        return replace(again, belief=Belief(again.belief.model, {**again.belief.arrays, **arrays}))

    assert not differs(one, believing(alpha=alpha * (1 + 1e-6)))
    assert differs(one, believing(alpha=alpha + np.eye(3)))
    assert differs(one, believing(beta=beta * 1.01))
    assert differs(one, replace(again, config_hash="other"))
    assert differs(one, replace(again, strategy_version=2))


def test_the_config_hash_follows_what_the_policy_depends_on(make_tactic: MakeTactic) -> None:
    hashes = {
        make_tactic(**changes).config_hash
        for changes in ({}, {"floor": 0.1}, {"value": "count"}, {"everyone_else": "exclude"})
    }
    assert len(hashes) == 4
    assert make_tactic().config_hash == make_tactic(holdout=0.1).config_hash
