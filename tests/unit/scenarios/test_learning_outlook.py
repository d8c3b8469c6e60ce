"""What an audience can learn, by what came of it in rehearsals."""

from collections.abc import Mapping

import numpy as np
import pytest

from optimizer.insights.learning_time import detectable_lift, trials_to_best
from optimizer.scenarios.learning_outlook import SegmentLearning, learning_outlook, refusal
from optimizer.strategy.workspace import Workspace, read_workspace

STRATEGY = """\
strategy: corner-shop
currency: USD
time_zone: Europe/London
objectives: [{id: buy, reward: {outcome: purchase, value: first}, attribution_window: P2D}]
attributes: {loyal: {type: boolean}}
channels: {email: {}}
approval: {required: false}
"""
CAMPAIGN = """\
campaign: winback
serves: buy
channel: email
messages: [{id: one, subject: One}, {id: two, subject: Two}, {id: three, subject: Three}]
segments: [{id: loyal, when: {loyal: true}}]
"""


def outlook(
    trials: float, campaign: str = CAMPAIGN, days: float = 28.0, rate: float = 0.05
) -> Mapping[str, SegmentLearning]:
    documents: Workspace = read_workspace({"strategy.yaml": STRATEGY, "campaigns/winback.yaml": campaign})
    of_arm = np.array([[trials, 0.0, 0.0], [trials / 3] * 3])
    return learning_outlook(documents.strategy, documents.campaigns["winback"], of_arm, rate * of_arm, days)


def test_the_days_follow_from_what_was_seen() -> None:
    found = outlook(56_000.0)["everyone-else"]
    needed = trials_to_best(3, 0.05)
    assert needed is not None
    assert (found.n_variants, found.trials_per_day, found.rate) == (3, 2_000.0, pytest.approx(0.05))
    assert found.days == pytest.approx(needed * 3 / 2_000.0 + 2)
    assert found.detectable_lift == pytest.approx(detectable_lift(0.05, 2_000.0 / 3 * 28))
    assert (found.advice, found.sentence) == ("enough", "")


def test_the_campaigns_own_period_and_lift_count() -> None:
    longer = f"{CAMPAIGN}starts: 2026-03-01\nends: 2026-12-31\n"
    assert outlook(5_600.0)["loyal"].advice == "pool"
    assert outlook(5_600.0, longer)["loyal"].advice == "enough"
    expecting = f"{CAMPAIGN}expects: {{decisions_per_day: 400, success_rate: 0.05, lift: 0.6}}\n"
    assert outlook(5_600.0, expecting)["loyal"].advice == "enough"


def test_an_audience_that_teaches_nothing_is_refused() -> None:
    refused = refusal(dict(outlook(300.0)))
    assert refused is not None
    assert refused.startswith("refuse: no segment is large enough")
    assert refusal(dict(outlook(56_000.0))) is None


def test_where_nothing_came_of_it_nothing_can_be_said() -> None:
    found = outlook(300.0, rate=0.0)["loyal"]
    assert (found.rate, found.days, found.advice) == (None, None, "unknown")
