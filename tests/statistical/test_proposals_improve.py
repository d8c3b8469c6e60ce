"""The study of simulations/proposals in short, with other seeds: what is proposed with high confidence is right."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scripts import loaded_script

from optimizer.domain.proposals import Confidence, Proposal, ProposalKind
from optimizer.insights.proposing.segment_edits import put_together

RUN = Path(__file__).parents[2] / "simulations" / "proposals" / "run.py"
SEEDS = range(5_000, 5_015)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study() -> Any:
    return loaded_script(RUN, "proposals_study")


@pytest.fixture(scope="module")
def found(study: Any) -> dict[str, Any]:
    """Some two hundred campaigns, of which only what is proposed with high confidence is carried out."""
    table: dict[str, Any] = study.table(study.seen(kind, seed, ("high",)) for seed, kind in product(SEEDS, study.KINDS))
    print(table)
    return table


def test_four_of_five_that_are_sure_improve_the_true_objective(found: dict[str, Any]) -> None:
    every = found["improved"]["all kinds"]["high"]
    assert every["made"] >= 60, "else nothing is shown"
    assert every["improved"] - 2.0 * every["standard_error"] >= 0.8


def test_so_do_those_of_each_kind(found: dict[str, Any]) -> None:
    for kind, sure in found["improved"].items():
        high = sure["high"]
        if high["made"] >= 5:
            assert high["improved"] >= 0.8, kind


def test_where_nothing_is_better_hardly_anything_is_sure(found: dict[str, Any]) -> None:
    nulls = found["null_worlds"]
    assert nulls["campaigns"] == len(SEEDS)
    assert sum(nulls["made"].values()) <= 2  # of 15, looked at five times each by all makers: 5 % would be one


def test_it_is_not_silence_that_is_right(found: dict[str, Any]) -> None:
    """Power: of the variants that should go, a good part is found in five weeks."""
    variants = found["worse_variants"]
    assert variants["found_with_high"] >= 0.15 * variants["there"]


def test_a_change_for_the_worse_is_judged_as_one(study: Any) -> None:
    """The judge can say no: the best variant of a campaign retires."""
    kind, seed = "plain", 5_000
    rng = np.random.default_rng([seed, study.KINDS.index(kind)])
    truth = study.world(kind, rng)
    play = study.Play(truth, study.documents(truth, rng), 70, seed)
    play.play(31)
    arms = truth.n_arms
    gains = [study.retired_gain(play, [arm]) for arm in range(arms)]
    shares = np.mean([row[:arms] for row in play.allocations()], axis=0)
    assert gains[int(np.argmax(shares))] < 0.0
    assert max(gains) > 0.0


def test_merging_segments_that_differ_is_judged_as_harm(study: Any) -> None:
    """Early is served best by the second variant, everyone else by the third."""
    kind, seed = "unlike", 5_003
    rng = np.random.default_rng([seed, study.KINDS.index(kind)])
    truth = study.world(kind, rng)
    play = study.Play(truth, study.documents(truth, rng), 70, seed)
    play.play(24)
    edits = put_together(play.looked(), stays="everyone-else", leaves="early")
    assert edits is not None
    merged = Proposal(ProposalKind.MERGE_SEGMENTS, "mail", "early", "", (), None, "", Confidence.LOW, edits)
    found = study.judged(kind, play, None, merged, {})
    assert found.gain < 0.0
    assert not found.harmless
