"""Rollouts: on where they do good and nothing is amiss, back where they do harm."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.insights.proposing.made_up import FILES, START, changed, look

from optimizer.domain.controls import Controls
from optimizer.domain.instants import DAY
from optimizer.domain.proposals import Confidence, ProposalKind
from optimizer.insights.proposing.looked import Looked, Watched
from optimizer.insights.proposing.staging import stages

ROLLOUT = "holdout: {share: 0.1}\nrollout:\n  - {share: 0.25, for: P7D}\n  - {share: 1.0, requires: [approval]}"
STAGED = changed(FILES, "campaigns/mail.yaml", ("holdout: {share: 0.1}", ROLLOUT))


def first_stage(control: float = 0.05, **rest: object) -> Looked:
    controls = Controls(reviewed_at=START, stage_since=START, **rest)  # type: ignore[arg-type]
    return look(0.10, control=control, files=STAGED, controls=controls)


def test_a_rollout_that_does_good_and_waits_for_a_yes_goes_on() -> None:
    (one,) = stages(first_stage())
    assert (one.kind, one.steering, one.confidence) == (ProposalKind.ADVANCE_STAGE, "advance", Confidence.HIGH)
    assert one.subject == "stage 2"
    assert one.expected is not None
    assert one.expected.value == pytest.approx(600 * 3 * 0.05)  # three times as many more, 5 points each
    assert not one.edits


def test_it_stays_while_nobody_is_asked() -> None:
    early = first_stage()
    assert not list(stages(replace(early, controls=Controls(reviewed_at=START, stage_since=early.now - DAY))))
    assert not list(stages(first_stage(stage_approved=1)))
    assert not list(stages(first_stage(held=True)))


def test_it_stays_while_its_effect_is_not_known() -> None:
    assert not list(stages(first_stage(control=0.10)))


def test_it_stays_while_a_guardrail_metric_speaks_up() -> None:
    looked = first_stage()
    (rule,) = looked.tactic.metrics
    quiet = replace(looked, watched=(Watched(rule, 10, 10_000),))
    loud = replace(looked, watched=(Watched(rule, 60, 10_000),))
    assert [one.kind for one in stages(quiet)] == [ProposalKind.ADVANCE_STAGE]
    assert not list(stages(loud))
    assert not list(stages(first_stage(alerted={"unsubscribed": "too many"})))


def at_the_second(control: float, **rest: object) -> Looked:
    controls = Controls(reviewed_at=START, stage=1, stage_since=START, **rest)  # type: ignore[arg-type]
    return look(0.10, control=control, files=STAGED, controls=controls)


def test_a_rollout_that_does_harm_goes_back() -> None:
    (one,) = stages(at_the_second(0.15))
    assert (one.kind, one.steering, one.confidence) == (ProposalKind.ROLL_BACK_STAGE, "roll_back", Confidence.HIGH)
    assert one.expected is not None
    assert one.expected.value == pytest.approx(600 * 0.75 * 0.05)


def test_a_breach_is_a_reason_to_go_back_but_says_nothing_of_the_objective() -> None:
    (one,) = stages(at_the_second(0.05, alerted={"unsubscribed": "unsubscribed 60 of 10,000 is above 0.5 %"}))
    assert (one.kind, one.confidence) == (ProposalKind.ROLL_BACK_STAGE, Confidence.MEDIUM)
    assert one.evidence[0].startswith("unsubscribed 60 of")


def test_nobody_goes_back_behind_the_first_stage_or_for_nothing() -> None:
    assert not list(stages(first_stage(control=0.15)))
    assert not list(stages(at_the_second(0.05)))
