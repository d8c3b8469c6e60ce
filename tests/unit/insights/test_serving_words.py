"""Which tactics serve which objectives, and what nobody serves."""

from __future__ import annotations

from optimizer.insights.serving_words import proxies, served_objectives
from optimizer.strategy.workspace import Workspace, read_workspace

STRATEGY = """\
strategy: acme
currency: USD
time_zone: Europe/London
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
  - {id: visits, proxy_for: buy, reward: {outcome: site_visit, value: first}, attribution_window: P7D}
  - {id: stay, reward: {outcome: renewed, value: first}, attribution_window: P30D}
approval: {required: false}
"""
CAMPAIGN = """\
campaign: winback
serves: visits
accept_proxy: purchases come too late to learn from
channel: email
messages: [{id: one, subject: One}]
control: nothing
"""


def workspace() -> Workspace:
    return read_workspace({"strategy.yaml": STRATEGY, "campaigns/winback.yaml": CAMPAIGN})


def test_an_objective_knows_who_serves_it_and_who_only_through_a_proxy() -> None:
    found = {one.objective.id: one for one in served_objectives(workspace())}
    assert [one.campaign for one in found["visits"].campaigns] == ["winback"]
    assert found["buy"].campaigns == []
    assert [one.campaign for one in found["buy"].through] == ["winback"]
    assert found["buy"].is_served


def test_an_objective_that_nobody_serves_says_so() -> None:
    assert [one.objective.id for one in served_objectives(workspace()) if not one.is_served] == ["stay"]


def test_a_proxy_is_named_with_its_reason() -> None:
    (one,) = proxies(workspace())
    assert (one.campaign_id, one.served, one.meant) == ("winback", "visits", "buy")
    assert one.because == "purchases come too late to learn from"
