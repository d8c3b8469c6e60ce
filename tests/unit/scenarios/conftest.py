"""A small scenario that holds everything it needs, and texts of it with some lines changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from optimizer.errors import DocumentError
from optimizer.scenarios.reading import ScenarioRead, checked_scenario

SMALL = """\
scenario: small
question: Does learning pay?
seed: 5
replications: 3
strategy:
  strategy: shop
  currency: USD
  time_zone: UTC
  objectives:
    - id: buy
      reward: {outcome: purchase, value: first}
      attribution_window: P1D
  attributes:
    vip: {type: boolean}
  approval: {required: false}
  holdout: {share: 0.1}
campaigns:
  - campaign: mail
    serves: buy
    channel: email
    messages:
      - {id: offer, subject: Less}
      - {id: news, subject: New}
    control: {message: news}
    segments:
      - {id: vips, when: {vip: true}}
    policy: {floor: 0.05}
    budget: {total: "400 USD"}
world:
  synthetic:
    recipients: 500
    types:
      - {name: vip, share: 0.5, attributes: {vip: true}}
      - {name: other, share: 0.5}
    outcomes:
      purchase:
        rates: {offer: 0.3, news: 0.1}
        rates_by_type:
          vip: {offer: 0.1, news: 0.3}
        delay: {mean: PT6H}
    arrivals: {per_day: 100}
rehearse: {for: P6D, step: P1D}
policies:
  - {name: learning, learning: as_written}
  - {name: equal, uniform: true}
  - {name: offer-only, always: offer}
guardrails:
  - {name: no-holdout, strategy: {holdout: {share: 0}}}
"""


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """The text with some pieces of it replaced, each of which must be there exactly once."""
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} must be there exactly once"
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="session")
def small() -> str:
    return SMALL


@pytest.fixture
def reading() -> Callable[..., ScenarioRead]:
    """Reads the small scenario with changes: ``reading((old, new), …)``."""

    def read(*changes: tuple[str, str], folder: Path = Path()) -> ScenarioRead:
        return checked_scenario("small.yaml", replaced(SMALL, *changes), folder)

    return read


@pytest.fixture
def mistakes(reading: Callable[..., ScenarioRead]) -> Callable[..., list[str]]:
    """What is found wrong with the small scenario once it is changed."""

    def find(*changes: tuple[str, str]) -> list[str]:
        with pytest.raises(DocumentError) as refused:
            reading(*changes)
        return [str(found) for found in refused.value.findings]

    return find
