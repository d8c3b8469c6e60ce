"""A small strategy and a campaign that uses every key, and ways to read changed copies of them."""

from collections.abc import Callable

import pytest

from optimizer.errors import DocumentError, Finding
from optimizer.strategy.workspace import Workspace, read_workspace

STRATEGY = """\
strategy: acme-retail
why: Grow without annoying anyone
currency: USD
time_zone: America/New_York
objectives:
  - id: repeat_purchase
    why: Existing customers buy again
    reward: {outcome: purchase, value: first}
    attribution_window: P7D
    counts_from: delivered
  - id: clicks
    reward: {outcome: clicked, value: count}
    attribution_window: P1DT12H
attributes:
  country: {type: category, values: [US, CA, GB]}
  days: {type: number, minimum: 0, maximum: 5000}
  newsletter: {type: boolean, why: They asked for it}
  age: {type: category, values: ["18-24", "25+"], sensitive: true}
approval: {required: false}
holdout: {share: 0.05}
policy_defaults: {floor: 0.04, half_life: P30D}
"""

CAMPAIGN = """\
campaign: winback
serves: repeat_purchase
why: Bring people back
journey_stage: re-engagement
channel: email
starts: 2026-12-01
ends: 2027-01-15
messages:
  - id: ten-percent
    subject: "We saved you 10%"
    body: "Hi {{first_name|there}}"
    notes: legal said yes
  - id: new-arrivals
    subject: See what is new
    fields: {image: hero.png}
targetings:
  - {id: morning, fields: {slot: "08:00-11:00"}}
  - {id: evening, only_segments: [lapsed, everyone-else], notes: after work}
control: {message: new-arrivals, targeting: morning}
segments:
  - id: loyal
    why: They know us
    when: {days: {at_least: 90, below: 400}, newsletter: true}
  - id: lapsed
    when: {days: {at_least: 90}, country: {in: [US, CA]}}
everyone_else: include
policy: {cap: 0.9, refresh: PT5M, prior: {successes: 2, failures: 20}}
holdout: {share: 0.1}
"""


@pytest.fixture(scope="session")
def strategy_text() -> str:
    return STRATEGY


@pytest.fixture(scope="session")
def campaign_text() -> str:
    return CAMPAIGN


def changed(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} must stand in the text exactly once"
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="session")
def read() -> Callable[..., Workspace]:
    """Reads the sample with changes, each a pair of texts, in its strategy and its campaign."""

    def reading(strategy: tuple[tuple[str, str], ...] = (), campaign: tuple[tuple[str, str], ...] = ()) -> Workspace:
        return read_workspace(
            {
                "strategy.yaml": changed(STRATEGY, *strategy),
                "campaigns/winback.yaml": changed(CAMPAIGN, *campaign),
            }
        )

    return reading


@pytest.fixture(scope="session")
def findings_of(read: Callable[..., Workspace]) -> Callable[..., list[Finding]]:
    """Findings of the sample with changes; none when it can be used."""

    def finding(*args: object, **kwargs: object) -> list[Finding]:
        try:
            read(*args, **kwargs)
        except DocumentError as error:
            return list(error.findings)
        return []

    return finding
