"""What a rehearsal says of each variant, and of the days on which guardrails and people did something."""

from itertools import pairwise
from pathlib import Path

import pytest

from optimizer.scenarios.reading import checked_scenario
from optimizer.scenarios.result import Rehearsed, Result
from optimizer.scenarios.running import rehearse_scenario
from optimizer.scenarios.spreading import Workers

METRIC = "{outcome: unsubscribed, at_most: 0.05, confidence: 0.9, then: pause_variant}"
CHANGES = (
    ("  holdout: {share: 0.1}\n", f"  guardrail_metrics: [{METRIC}]\n"),
    (
        "    control: {message: news}\n",
        "    control: {message: news}\n    rollout: [{share: 0.5, for: P1D}, {share: 1.0, requires: [approval]}]\n",
    ),
    ("    arrivals:", "      unsubscribed: {rates: {offer: 0.5, news: 0.01}}\n    arrivals:"),
    ("  - {name: no-holdout, strategy: {holdout: {share: 0}}}\n", "  - {name: at-once, campaign: {rollout: []}}\n"),
    ("    budget: {total: \"400 USD\"}\n", ""),
)  # fmt: skip
IN_TURN = (
    "begin rollout mail",
    "pause mail/offer",
    "hold rollout mail",
    "release rollout mail",
    "advance rollout mail",
)


def found(small: str, rehearse: str) -> Result:
    for old, new in (*CHANGES, ("rehearse: {for: P6D, step: P1D}", f"rehearse: {rehearse}")):
        assert small.count(old) == 1
        small = small.replace(old, new)
    return rehearse_scenario(checked_scenario("small.yaml", small, Path()), Workers())


def case(result: Result, policy: str, guardrails: str = "as_written") -> Rehearsed:
    return next(one for one in result.rehearsed if (one.policy, one.guardrails) == (policy, guardrails))


@pytest.fixture(scope="module")
def released(small: str) -> Result:
    return found(small, "{for: P8D, step: PT6H, reaction: PT12H, release: P1D}")


def test_what_is_done_has_a_day_and_a_release_comes_a_while_after_the_hold(released: Result) -> None:
    one = case(released, "equal")
    days = [one.first_done[what].median for what in IN_TURN]
    assert all(one.first_done[what].share == 1.0 for what in IN_TURN)
    known = [day for day in days if day is not None]
    assert len(known) == len(days)
    assert all(before <= after for before, after in pairwise(known))
    assert known[3] == known[2] + 1.0 + 0.25  # people see the hold at the next step, and take a day
    assert known[4] >= known[3] + 0.5  # then they approve
    at_once = case(released, "equal", "at-once").first_done
    assert set(at_once) == {"pause mail/offer"}


@pytest.mark.slow
def test_nobody_releases_unless_the_scenario_says_so(small: str) -> None:
    one = case(found(small, "{for: P8D, step: PT6H, reaction: PT12H}"), "equal")
    assert one.first_done["hold rollout mail"].share == 1.0
    assert not {"release rollout mail", "advance rollout mail"} & set(one.first_done)


def test_variants_add_up_to_all_and_have_their_own_outcomes(released: Result) -> None:
    for one in released.rehearsed:
        of = one.by_variant
        assert list(of) == ["offer", "news"]
        assert sum(counts["sends"].mean for counts in of.values()) == pytest.approx(one.measures["sends"].mean)
        for kind, all_of_it in one.outcomes.items():  # control is a message, so everybody is sent something
            assert sum(counts[kind].mean for counts in of.values()) == pytest.approx(all_of_it.mean)
    offer = case(released, "offer-only", "at-once").by_variant["offer"]
    n = 3 * offer["sends"].mean
    assert offer["unsubscribed"].mean / offer["sends"].mean == pytest.approx(0.5, abs=4 * (0.25 / n) ** 0.5)
    news = case(released, "equal", "at-once").by_variant["news"]
    assert news["unsubscribed"].mean / news["sends"].mean < 0.05
