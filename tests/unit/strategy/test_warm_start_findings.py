from typing import Any

import pytest

from optimizer.errors import DocumentError
from optimizer.strategy.workspace import read_workspace

STRATEGY = """\
strategy: acme
currency: USD
time_zone: UTC
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
  - {id: earn, reward: {outcome: purchase, value: amount}, attribution_window: P7D}
  - {id: calm, reward: {outcome: purchase, value: first}, penalties: {unsubscribed: 2}, attribution_window: P7D}
attributes: {days: {type: number}}
approval: {required: false}
"""
CAMPAIGN = """\
campaign: %(id)s
serves: %(serves)s
channel: email
messages:
  - {id: hello, subject: Hello}
  - {id: %(second)s, subject: Bye}
policy: %(policy)s
"""


def files(policy: str, strategy: str = STRATEGY, mine: str = "buy", **other: str) -> dict[str, str]:
    """Campaigns `mine`, which serves `mine`, and `other`, which may be told in other words."""
    theirs = {"id": "other", "serves": "buy", "second": "bye", "policy": "{}"} | other
    ours = {"id": "mine", "serves": mine, "second": "bye", "policy": policy}
    return {
        "strategy.yaml": strategy,
        "campaigns/mine.yaml": CAMPAIGN % ours,
        "campaigns/other.yaml": CAMPAIGN % theirs,
    }


@pytest.mark.parametrize(
    "policy",
    [
        "{warm_start: {campaign: other}}",
        "{warm_start: {campaign: other, weight: 0.1, variants: {hello: {trials: 12000, successes: 240}}}}",
        "{warm_start: {variants: {hello: {trials: 0, successes: 0}}}}",
        "{largest_change: 0.1, top_two: 0.5, minimum_trials: 100}",
    ],
)
def test_what_can_be_begun_with_is_read(policy: str) -> None:
    assert read_workspace(files(policy)).campaigns["mine"]


@pytest.mark.parametrize(
    ("policy", "others", "said"),
    [
        ("{warm_start: {weight: 0.5}}", {}, "policy.warm_start: found neither; allowed this key with campaign"),
        ("{warm_start: {variants: {helo: {trials: 9, successes: 1}}}}", {}, "variants.helo: found .*hello"),
        (
            "{warm_start: {variants: {hello: {trials: 9, successes: 10}}}}",
            {},
            "hello.successes: found 10; allowed at most 9",
        ),
        ("{warm_start: {campaign: mine}}", {}, "campaign: found mine; allowed another campaign, one of: other"),
        ("{warm_start: {campaign: othr}}", {}, "campaign: found othr; allowed one of: other"),
        ("{warm_start: {campaign: other}}", {"serves": "calm"}, "a campaign that serves buy"),
        (
            "{warm_start: {variants: {hello: {trials: 9, successes: 1}}}}",
            {"mine": "earn"},
            "allowed the key campaign instead: successes alone say nothing about rewards that are amounts",
        ),
        (
            "{warm_start: {variants: {hello: {trials: 9, successes: 1}}}}",
            {"mine": "calm"},
            "successes alone say nothing about penalties",
        ),
        (
            "{model: contextual, attributes: [days], largest_change: 0.2}",
            {},
            "largest_change: found 0.2; allowed 1 with",
        ),
        (
            "{model: contextual, attributes: [days], warm_start: {campaign: other}}",
            {},
            "no such key with model contextual",
        ),
        ("{warm_start: {campaign: other, weight: 0}}", {}, "weight: found 0; allowed"),
    ],
)
def test_what_cannot_is_said_in_a_sentence(policy: str, others: dict[str, Any], said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        read_workspace(files(policy, **others))


def test_another_campaign_without_a_variant_of_the_same_id_teaches_nothing() -> None:
    written = files("{warm_start: {campaign: other}}")
    written["campaigns/other.yaml"] = written["campaigns/other.yaml"].replace("hello", "hi").replace("bye", "ciao")
    with pytest.raises(DocumentError, match="a variant of the same id"):
        read_workspace(written)


def test_defaults_of_all_campaigns_begin_with_nothing() -> None:
    with pytest.raises(DocumentError, match=r"policy_defaults.warm_start: .*each campaign says in its own policy"):
        read_workspace(files("{}", STRATEGY + "policy_defaults: {warm_start: {campaign: other}}\n"))
