"""Alarms in words: what they propose is something that is not done yet."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import DAY
from optimizer.engine.alarms import alarmed
from optimizer.engine.gathering import evidence_of
from optimizer.engine.tactic import Tactic
from optimizer.policy.beta_bernoulli import beta_posterior

SENT = 20_700 * DAY  # in 2026


@pytest.mark.parametrize(
    ("estimates", "proposal"), [(True, "wait until they have come"), (False, "set `policy.delay: estimated`")]
)
def test_whoever_estimates_delays_already_is_told_to_wait(
    make_tactic: Callable[..., Tactic], estimates: bool, proposal: str
) -> None:
    tactic = make_tactic()
    policy = replace(tactic.policy, alarms=("collapse",), estimates_delay=estimates, delay_median=5 * DAY)
    tactic = replace(tactic, policy=policy)
    window, n_variants = tactic.reward_rule.window, len(tactic.variant_ids)
    nothing = evidence_of(tactic, [])
    shape = (len(tactic.rules.segment_ids), n_variants, 2)
    trials, positives = np.zeros(shape), np.zeros(shape)
    trials[0, :, 1], positives[0, :, 1] = 400.0, 2.0  # young: nearly all their rewards are still to come
    trials[0, 0], positives[0, 0] = (400.0, 0.0), (24.0, 0.0)
    now = SENT + window + DAY
    evidence = replace(
        nothing,
        buckets=np.array([SENT, now - DAY // 4], np.int64),
        trials=trials,
        positives=positives,
        rewards=positives,
        squares=positives,
        penalty_counts=np.zeros((len(nothing.penalty_counts), *shape)),
        logs=np.zeros(shape),
        log_squares=np.zeros(shape),
        delays=np.zeros((len(nothing.delays), 2)),
    )
    plain = beta_posterior(replace(evidence, penalty_counts=evidence.penalty_counts[:0]), now, None)
    controls, _ = alarmed(tactic, UNTOUCHED, evidence, plain, now)
    sentence = controls.alerted["collapse"]
    assert "outcomes of the others are still to come" in sentence
    assert sentence.endswith(proposal)
