"""A strategy in words: every section says what it says, and what follows where it is silent."""

from __future__ import annotations

import pytest

from optimizer.domain.instants import DAY, HOUR, MINUTE, SECOND
from optimizer.insights.strategy_words import chapters, span_words
from optimizer.strategy.workspace import read_workspace

CAMPAIGN = """\
campaign: winback
serves: buy
channel: email
messages: [{id: one, subject: One}]
control: nothing
"""
SHORT = """\
strategy: acme
currency: USD
time_zone: Europe/London
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
approval: {required: false}
"""
LONG = """\
strategy: acme
currency: USD
time_zone: Europe/London
objectives:
  - id: buy
    why: Existing customers buy again
    reward: {outcome: purchase, value: amount, at_most: 400 USD}
    penalties: {unsubscribed: 5, complained: 12.5}
    attribution_window: P1DT12H
    counts_from: delivered
  - {id: visits, proxy_for: buy, reward: {outcome: site_visit, value: count}, attribution_window: PT90M}
attributes:
  country: {type: category, values: [US, GB]}
  age: {type: number, sensitive: true}
  vip: {type: boolean, why: They asked for it}
sources: [crm, {id: site, api_keys: [shop]}]
channels:
  email: {quiet_hours: "21:00-08:00", sends_per_day: 5000, cost: "0.002 USD per delivery"}
  sms: {quiet_hours: "20:00-09:00", unknown_time_zone: use_strategy_zone}
contact_policy:
  - {at_most: 1, per: P1D}
  - {at_most: 4, per: P7D, channels: [email, sms]}
  - {at_most: 2, per: P7D, channels: [sms]}
brand:
  banned_phrases: ["risk-free"]
  required: {sms: ["STOP"]}
  requires_disclaimer: [{when: free, then: Terms apply}]
  limits: {subject: 60, fields: {headline: 30}, capitals: 0.3, exclamations: 1}
  link_domains: [acme.example]
guardrail_metrics:
  - {outcome: unsubscribed, at_most: 0.005, then: pause_variant}
  - {outcome: spam_report, at_most: 0.001, confidence: 0.99, then: stop_campaign}
budget: {total: 5000 USD, per: month, daily: 400 USD, sends: {total: 90000}}
capacity: {live_campaigns: 5, approvals_per_week: 3}
approval: {required: true, approvers: [brand, legal]}
review: {every: P14D, when_overdue: freeze}
holdout: {share: 0.05}
policy_defaults: {model: hurdle}
data: {consent_required: [sms], retention: {decisions: P400D}}
hygiene: {fastest: PT1S, honeypot: hidden_clicked, largest_value: {purchase: 5000 USD}}
notify: [{id: ops, about: [guardrail_breach, budget_80]}]
"""


def sentences(strategy: str) -> dict[str, list[str]]:
    files = {"strategy.yaml": strategy, "campaigns/winback.yaml": CAMPAIGN}
    workspace = read_workspace(files)
    return {one.key: [rule.sentence for rule in one.rules] for one in chapters(workspace.strategy)}


def test_every_section_is_said_in_sentences() -> None:
    said = sentences(LONG)
    assert said["objectives"] == [
        "buy: the value of every purchase, 400.00 USD of one decision at most, within 1 day and 12 hours of the "
        "delivery, less 5 USD for unsubscribed and 12.5 USD for complained.",
        "visits: each site visit within 90 minutes of the decision. It stands in for buy.",
    ]
    assert said["budget"] == [
        "All campaigns together: 5000.00 USD a calendar month at most.",
        "All campaigns together: 400.00 USD a day at most.",
        "All campaigns together: 90,000 messages in all at most.",
        "On email: 5,000 messages a day at most.",
        "On email: each message costs 0.002 USD, due when it is delivered.",
    ]
    assert said["contact_policy"] == [
        "Nobody gets more than 1 message in any 1 day on all channels together.",
        "Nobody gets more than 4 messages in any 7 days on email and sms together.",
        "Nobody gets more than 2 messages in any 7 days on sms.",
    ]
    assert said["channels"] == [
        "On email nothing is sent between 21:00 and 08:00 where the recipient lives; somebody whose time zone is "
        "unknown gets nothing.",
        "On sms nothing is sent between 20:00 and 09:00 where the recipient lives; somebody whose time zone is "
        "unknown is taken to live in the strategy's.",
    ]
    assert said["brand"][:2] == ["Never said: “risk-free”.", "Every message on sms holds “STOP”."]
    assert said["brand"][2] == "Where a message says “free” it also says “Terms apply”."
    assert said["brand"][-1] == "Links lead to acme.example only."
    assert said["approval"] == [
        "A message is served only once brand or legal has approved its words; words that change are approved anew."
    ]
    assert said["review"][0].startswith("Somebody looks at each campaign every 14 days; a campaign nobody has looked")
    assert said["guardrail_metrics"] == [
        "When more than 0.5 % of decisions have the outcome unsubscribed, with 95 % confidence, its variant is paused "
        "until a person resumes it.",
        "When more than 0.1 % of decisions have the outcome spam report, with 99 % confidence, the campaign is "
        "stopped until a person resumes it.",
    ]
    assert said["holdout"] == ["5 % of all recipients are held out of every campaign, to measure what the rest gains."]
    assert said["data"] == [
        "Known of recipients: country.",
        "Known of recipients: age, which is sensitive: no segment and no message may use it.",
        "Known of recipients: vip.",
        "Said by crm.",
        "Said by site, for which only shop may speak.",
        "Where several say something of one thing, the first of them is believed.",
        "Nothing is sent on sms without the recipient's consent.",
        "Decisions and outcomes are about nobody after 400 days.",
        "Kept until somebody is erased: profiles that nobody writes or needs and reports that could not be used.",
    ]
    assert len(said["hygiene"]) == 3
    assert said["capacity"] == ["At most 5 campaigns in force at once.", "At most 3 messages read in a week."]
    assert said["notify"] == ["ops is told of guardrail breach and budget 80."]


def test_what_is_left_out_is_said_too() -> None:
    said = sentences(SHORT)
    assert all(said.values()), "a chapter without a sentence"
    assert said["budget"] == ["No limit for all campaigns together; each campaign has its own, or none."]
    assert said["contact_policy"] == ["No limit on how often a recipient is contacted."]
    assert said["channels"] == ["No channel has quiet hours."]
    assert said["approval"] == ["Words are served without anybody's approval."]
    assert said["review"] == ["Nobody has to look at a campaign while it runs."]
    assert said["holdout"] == ["Nobody is held out of every campaign; each campaign may hold out its own."]
    assert said["data"][0] == "Nothing is known of recipients."


def test_reasons_stand_beside_their_rules() -> None:
    files = {"strategy.yaml": LONG, "campaigns/winback.yaml": CAMPAIGN}
    found = {one.key: one.rules for one in chapters(read_workspace(files).strategy)}
    assert [rule.why for rule in found["objectives"]] == ["Existing customers buy again", None]
    assert "They asked for it" in [rule.why for rule in found["data"]]


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (7 * DAY, "7 days"),
        (DAY, "1 day"),
        (DAY + 12 * HOUR, "1 day and 12 hours"),
        (90 * MINUTE, "90 minutes"),
        (2 * HOUR, "2 hours"),
        (SECOND, "1 second"),
        (0, "no time"),
    ],
)
def test_a_duration_is_said_as_people_say_it(length: int, words: str) -> None:
    assert span_words(length) == words
