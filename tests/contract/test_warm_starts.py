"""What a campaign begins with from elsewhere: discounted, visible, and gone again when the documents say so."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from optimizer.domain.instants import MINUTE
from optimizer.services.decisions.explaining import explain
from optimizer.services.documents.planning import plan
from optimizer.strategy.workspace import read_workspace

Files = Mapping[str, str]
Edit = Callable[..., dict[str, str]]
WINBACK, SECOND = "campaigns/winback.yaml", "campaigns/second.yaml"


def second(warm_start: str) -> str:
    """Another campaign with a message of the same id, one of its own, and a segment of the same id."""
    return f"""\
campaign: second
serves: buy
channel: email
messages:
  - {{id: hello, subject: Hello again}}
  - {{id: other, subject: Something else}}
control: {{message: other}}
segments:
  - id: lapsed
    when: {{days: {{at_least: 90}}}}
policy: {{floor: 0.05, delay: ignored, warm_start: {warm_start}}}
"""


@pytest.fixture
def quick(files: Files, edited: Edit) -> dict[str, str]:
    return edited(files, WINBACK, ("{floor: 0.05}", "{floor: 0.05, delay: ignored}"))


@pytest.fixture
def experienced(house: Any, quick: Files) -> Any:
    """A house whose campaign winback has sent `hello`, in two of its segments."""
    house.apply(quick)
    for days in (100, 1):
        for answer in house.learning(30, attributes={"days": days}):
            if answer.decision.variant_id == "hello":
                house.recorded(answer.decision.decision_id)
    house.later(MINUTE)
    house.learn()
    return house


def latest(house: Any, campaign: str) -> Any:
    with house.deployment.store.reading() as ledger:
        return ledger.snapshots.latest(campaign)


def test_a_campaign_begins_with_what_another_has_seen(experienced: Any, quick: Files) -> None:
    experienced.apply({**quick, SECOND: second("{campaign: winback, weight: 0.5}")})
    seen, begun = latest(experienced, "winback"), latest(experienced, "second")
    hello = seen.variant_ids.index("hello")
    by_segment = dict(zip(seen.segment_ids, seen.trials[:, hello], strict=True))
    assert by_segment["lapsed"] > 0
    assert begun.segment_ids == ("lapsed", "everyone-else")
    # everyone-else is known too: those who had been away for a day fell into it.
    assert begun.elsewhere[:, 0] == pytest.approx([0.5 * by_segment["lapsed"], 0.5 * by_segment["everyone-else"]])
    assert begun.elsewhere[:, 1].tolist() == [0.0, 0.0]
    assert not begun.trials.any()
    assert begun.belief.arrays["alpha"][0, 0] == pytest.approx(1 + 0.5 * by_segment["lapsed"])

    answer = experienced.learning(1, campaign="second", attributes={"days": 100})[0]
    with experienced.deployment.store.reading() as ledger:
        found = explain(ledger, experienced.deployment.live, answer.decision.decision_id)
    explained = {variant.variant_id: (variant.trials, variant.elsewhere) for variant in found.variants}
    assert explained == {"hello": (0.0, 0.5 * by_segment["lapsed"]), "other": (0.0, 0.0)}
    assert found.same


def test_what_the_other_learns_later_counts_too_and_ends_with_the_key(experienced: Any, quick: Files) -> None:
    warm = {**quick, SECOND: second("{campaign: winback, weight: 0.5}")}
    experienced.apply(warm)
    before = latest(experienced, "second").elsewhere.sum()
    experienced.learning(30, attributes={"days": 100})
    experienced.later(MINUTE)
    experienced.learn("second")
    assert latest(experienced, "second").elsewhere.sum() > before
    experienced.apply({**quick, SECOND: second("{campaign: winback, weight: 0.5}").replace(", warm_start", " } #")})
    cold = latest(experienced, "second")
    assert cold.elsewhere.sum() == 0
    assert (cold.belief.arrays["alpha"] == 1.0).all()


def test_plan_says_what_a_campaign_begins_with(experienced: Any, quick: Files) -> None:
    told = "{variants: {hello: {trials: 12000, successes: 240}}}"

    def said(warm_start: str) -> tuple[str, ...]:
        workspace = read_workspace({**quick, SECOND: second(warm_start)})
        with experienced.deployment.store.reading() as ledger:
            found = plan(ledger, experienced.deployment.live, workspace, experienced.now)
        return found.warm_starts

    (from_history,) = said(told)
    assert (
        from_history
        == "campaign second begins with 2,400 trials of hello from a history: each counts as 0.2 of one made here"
    )
    (from_campaign,) = said("{campaign: winback}")
    assert "trials of hello from campaign winback" in from_campaign
