"""What is proposed at once: few things, the surest first, and none that contradict each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.insights.proposing.made_up import FILES, START, changed, look
from tests.unit.insights.proposing.test_segments import ALIKE, found

from optimizer.domain.controls import Controls, Status
from optimizer.domain.proposals import Confidence, ProposalKind
from optimizer.evaluation.stratified import StratifiedDifference
from optimizer.insights.proposing.all import MOST, proposals
from optimizer.insights.proposing.certainty import certainty, combined

MANY = "\n".join(f"  - {{id: bad-{n}, subject: Bad {n}}}" for n in range(7))
CROWDED = changed(FILES, "campaigns/mail.yaml", ("  - {id: third, subject: Three}", MANY))


def test_no_more_than_people_read_the_surest_first() -> None:
    rates = [[0.10, 0.10, *[0.05] * 6, 0.085]] * 2
    made = proposals(look(rates, files=CROWDED, n=80))
    assert len(made) == MOST
    assert {one.confidence for one in made} == {Confidence.HIGH}


def test_no_segment_is_split_and_merged_at_once() -> None:
    alone = {one.kind for one in proposals(look(**ALIKE))}
    both = {one.kind for one in proposals(look(**ALIKE, parts={"low": found()}))}
    assert ProposalKind.MERGE_SEGMENTS in alone
    assert both & {ProposalKind.MERGE_SEGMENTS, ProposalKind.SPLIT_SEGMENT} == {ProposalKind.SPLIT_SEGMENT}


@pytest.mark.parametrize("controls", [{"status": Status.STOPPED}, {"silent_since": START}])
def test_nothing_about_a_campaign_that_is_stopped_or_silent(controls: dict[str, object]) -> None:
    worse = [[0.10, 0.10, 0.05]] * 2
    assert proposals(look(worse))
    assert not proposals(look(worse, controls=Controls(reviewed_at=START, **controls)))  # type: ignore[arg-type]


def test_nothing_about_a_campaign_that_is_over() -> None:
    ended = changed(FILES, "campaigns/mail.yaml", ("channel: email", "channel: email\nends: 2024-10-20"))
    assert not proposals(look([[0.10, 0.10, 0.05]] * 2, files=ended))


def test_a_campaign_without_a_trial_is_left_alone() -> None:
    looked = look(0.10, n=100)
    nothing = replace(
        looked.learning,
        **{name: np.zeros_like(looked.learning.trials) for name in ("trials", "positives", "rewards", "squares")},
    )
    assert not proposals(replace(looked, learning=nothing))


def difference(value: float, error: float) -> StratifiedDifference:
    return StratifiedDifference(value, value, error, 0.0, 500.0, 100.0)


def test_high_holds_at_every_look_for_all_comparisons_medium_for_one_low_for_one_look() -> None:
    error = 0.01
    at_once, always = 1.96, -difference(0.0, error).anytime_interval()[0] / error
    for_ten = -difference(0.0, error).anytime_interval(1.0 - 0.05 / 10)[0] / error
    assert at_once < always < for_ten
    said = {
        z: certainty(difference(z * error, error), difference(z * error, error), 10)
        for z in (1.9, 2.5, always + 0.1, for_ten + 0.1)
    }
    assert list(said.values()) == [None, Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH]


def test_without_settled_trials_nothing_is_high() -> None:
    assert certainty(None, difference(1.0, 0.01), 1) is Confidence.MEDIUM


def test_what_segments_gain_adds_and_so_do_its_variances() -> None:
    both = combined([(3.0, difference(0.01, 0.003)), (4.0, difference(0.02, 0.004))])
    assert both is not None
    assert both.value == pytest.approx(0.11)
    assert both.standard_error == pytest.approx((0.009**2 + 0.016**2) ** 0.5)
    assert combined([]) is None
