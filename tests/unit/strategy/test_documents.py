from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import ValidationError

from optimizer.domain.instants import DAY, HOUR, MINUTE, SECOND, isoformat
from optimizer.strategy.documents import Campaign, campaign_period, effective_policy
from optimizer.strategy.fields import parsed_duration
from optimizer.strategy.policy_settings import PolicySettings, resolved_policy
from optimizer.strategy.workspace import Workspace, read_workspace

Read = Callable[..., Workspace]


def test_a_workspace_holds_what_was_written(read: Read, strategy_text: str, campaign_text: str) -> None:
    workspace = read()
    assert workspace.strategy.strategy == "acme-retail"
    assert workspace.strategy.objectives[0].attribution_window == 7 * DAY
    assert workspace.strategy.objectives[1].attribution_window == DAY + 12 * HOUR
    assert workspace.strategy.objectives[1].counts_from == "decision"
    assert workspace.strategy.attributes["age"].sensitive
    assert list(workspace.campaigns) == ["winback"]
    assert workspace.campaigns["winback"].messages[0].subject == "We saved you 10%"
    assert workspace.files == {"strategy.yaml": strategy_text, "campaigns/winback.yaml": campaign_text}


def test_a_workspace_cannot_be_changed(read: Read) -> None:
    workspace = read()
    with pytest.raises(ValidationError):
        workspace.strategy.currency = "EUR"
    with pytest.raises(TypeError):
        workspace.campaigns["other"] = workspace.campaigns["winback"]  # type: ignore[index]


def test_the_least_that_can_be_written() -> None:
    objective = "{id: o, reward: {outcome: p, value: count}, attribution_window: P1D}"
    strategy = f"strategy: s\ncurrency: EUR\ntime_zone: UTC\nobjectives: [{objective}]\n"
    campaign = "campaign: c\nserves: o\nchannel: email\nmessages: [{id: m, body: x}]\n"
    workspace = read_workspace({"strategy.yaml": strategy, "campaigns/c.yaml": campaign})
    assert workspace.strategy.approval.required
    assert workspace.strategy.holdout.share == 0
    read_campaign = workspace.campaigns["c"]
    assert read_campaign.everyone_else == "include"
    assert campaign_period(workspace.strategy, read_campaign) == (None, None)
    policy = effective_policy(workspace.strategy, read_campaign)
    assert (policy.model, policy.floor, policy.cap, policy.top_two) == ("beta_bernoulli", 0.02, 1.0, 1.0)
    assert (policy.refresh, policy.half_life, policy.minimum_trials, policy.largest_change) == (MINUTE, None, 0, 1.0)
    assert (policy.prior_successes, policy.prior_failures, policy.warm_start) == (1.0, 1.0, None)
    assert (policy.estimates_delay, policy.delay_median) == (True, None)
    assert (policy.alarms, policy.attributes, policy.interactions) == (("silence", "collapse"), (), ())


def test_a_strategy_without_campaigns_can_be_used(strategy_text: str) -> None:
    assert read_workspace({"strategy.yaml": strategy_text}).campaigns == {}


def test_policy_keys_fall_back_one_by_one(read: Read) -> None:
    workspace = read()
    policy = effective_policy(workspace.strategy, workspace.campaigns["winback"])
    assert policy == replace(
        resolved_policy(),
        model="beta_bernoulli",
        floor=0.04,  # policy_defaults
        cap=0.9,  # the campaign
        refresh=5 * MINUTE,
        half_life=30 * DAY,
        prior_successes=2.0,
        prior_failures=20.0,
    )


def test_what_the_campaign_says_wins_over_the_strategy(read: Read) -> None:
    workspace = read(campaign=(("cap: 0.9", "floor: 0.1"),))
    assert effective_policy(workspace.strategy, workspace.campaigns["winback"]).floor == 0.1


def test_a_campaign_can_choose_to_forget_nothing_where_the_strategy_forgets() -> None:
    never = PolicySettings.model_validate({"half_life": "never"})
    month = PolicySettings.model_validate({"half_life": "P30D"})
    assert resolved_policy(never, month).half_life is None
    assert resolved_policy(PolicySettings(), month).half_life == 30 * DAY


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [
        ("P1W", 7 * DAY),
        ("P2W3D", 17 * DAY),
        ("PT90M", 90 * MINUTE),
        ("P1DT1H1M1S", DAY + HOUR + MINUTE + SECOND),
        ("PT0S", 0),
    ],
)
def test_durations_are_microseconds(written: str, microseconds: int) -> None:
    assert parsed_duration(written) == microseconds


@pytest.mark.parametrize(
    "written", ["P", "PT", "P1", "1D", "p1d", "P1H", "PT1D", "P-1D", "P1.5D", "P1DT", "P٣D", " P1D"]
)
def test_what_is_no_duration_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        parsed_duration(written)


@pytest.mark.parametrize(
    ("zone", "starts", "ends", "period"),
    [
        ("America/New_York", "2026-12-01", "2026-12-01", ("2026-12-01T05:00", "2026-12-02T05:00")),
        ("America/New_York", "2026-03-08", "2026-03-08", ("2026-03-08T05:00", "2026-03-09T04:00")),
        ("America/New_York", "2026-11-01", "2026-11-01", ("2026-11-01T04:00", "2026-11-02T05:00")),
        ("Africa/Cairo", "2026-04-24", "2026-04-24", ("2026-04-23T22:00", "2026-04-24T21:00")),  # no midnight
        ("Asia/Tokyo", "2026-12-01T09:00:00Z", "2026-12-01T10:00+01:00", None),
        ("Asia/Tokyo", "2026-12-01T09:00:00-05:00", "2027-01-01", ("2026-12-01T14:00", "2027-01-01T15:00")),
    ],
)
def test_a_period_is_whole_days_in_the_time_zone_of_the_strategy(
    read: Read, zone: str, starts: str, ends: str, period: tuple[str, str] | None
) -> None:
    def reading() -> Workspace:
        return read(
            strategy=(("America/New_York", zone),),
            campaign=(("starts: 2026-12-01", f"starts: {starts}"), ("ends: 2027-01-15", f"ends: {ends}")),
        )

    if period is None:
        with pytest.raises(Exception, match="allowed a time after 2026-12-01T09:00:00Z"):
            reading()
        return
    workspace = reading()
    bounds = campaign_period(workspace.strategy, workspace.campaigns["winback"])
    assert tuple(isoformat(at)[:16] for at in bounds if at is not None) == period


def test_the_digest_is_of_what_is_said_not_of_how(read: Read, strategy_text: str, campaign_text: str) -> None:
    digest = read().digest
    assert len(digest) == 64
    spaced = "# a comment\n" + strategy_text.replace("currency: USD", "currency:   'USD'  # dollars")
    renamed = read_workspace({"strategy.yaml": spaced, "campaigns/other.yaml": campaign_text})
    assert renamed.digest == digest
    assert read(campaign=(("{cap: 0.9, refresh: PT5M,", "{refresh: PT5M, cap: 0.9,"),)).digest == digest
    assert read(campaign=(("See what is new", "See what's new"),)).digest != digest
    assert read(strategy=(("why: Grow without", "why: grow without"),)).digest != digest
    assert read_workspace({"strategy.yaml": strategy_text}).digest != digest


def test_text_that_yaml_1_1_would_turn_into_something_else_stays_text(read: Read) -> None:
    campaign: Campaign = read(campaign=(("subject: See what is new", "subject: no"),)).campaigns["winback"]
    assert campaign.messages[1].subject == "no"
