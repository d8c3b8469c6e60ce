"""Budgets: raised where they keep back what earns something, moved to where they earn more, within all limits."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.insights.proposing.made_up import FILES, carried_out, changed, look

from optimizer.domain.meters import STRATEGY, Allowance, Reading
from optimizer.domain.proposals import Confidence, Edit, Proposal, ProposalKind
from optimizer.guardrails.budget import Span
from optimizer.insights.proposing.looked import Purse, Sibling
from optimizer.insights.proposing.spending import budgets

MESSAGE, SPENT = 50_000, Reading(0, 100_000_000, 2_000)  # 0.05 EUR each; 100 EUR in use
BUDGET = "holdout: {share: 0.1}\nbudget: {daily: 100 EUR}"
MONEY = changed(FILES, "campaigns/mail.yaml", ("holdout: {share: 0.1}", BUDGET))
HURDLE = ("guardrail_metrics:", "policy_defaults: {model: hurdle}\nguardrail_metrics:")
AMOUNTS = changed(
    MONEY,
    "strategy.yaml",
    ("value: first", "value: amount"),
    ("guardrail_metrics:", "policy_defaults: {model: hurdle}\nguardrail_metrics:"),
)
POST = MONEY["campaigns/mail.yaml"].replace("campaign: mail", "campaign: post")
BOTH = {**MONEY, "campaigns/post.yaml": POST}


def purse(scope: str = "campaign:mail", money: int = 100_000_000, used: Reading = SPENT) -> Purse:
    return Purse(scope, Span.DAY, Allowance(money), used, not Allowance(money).admits(used.plus(Reading(1, 0, 1))))


def proposed(rates: Any = 0.10, files: dict[str, str] = MONEY, **rest: Any) -> list[Proposal]:
    return list(budgets(look(rates, files=files, **{"purses": (purse(),), **rest})))


def test_a_budget_that_keeps_back_what_earns_something_is_raised_by_a_fifth() -> None:
    (one,) = proposed()
    assert (one.kind, one.confidence) == (ProposalKind.RAISE_BUDGET, Confidence.HIGH)
    assert one.edits == (Edit("mail", ("budget", "daily"), "set", "120.00 EUR"),)
    assert one.expected is not None
    assert one.expected.value == pytest.approx(20 / 0.05 * 0.05)  # 400 messages more that earn 5 points each
    assert one.expected.per == "day", "the limit is a day's"
    assert one.evidence[1].startswith("Beyond what none earns, or control, a message earns +5 points a trial (")
    assert 'budget: {daily: "120.00 EUR"}' in carried_out(MONEY, one)["campaigns/mail.yaml"]


def test_a_budget_that_does_not_bind_or_earns_nothing_stays() -> None:
    assert not proposed(purses=(purse(used=Reading(0, 50_000_000, 1_000)),))
    assert not proposed(rates=0.05)
    assert not proposed(rates=0.02)


def test_where_rewards_are_money_a_message_must_earn_more_than_it_costs() -> None:
    assert [one.kind for one in proposed(0.15, AMOUNTS)] == [ProposalKind.RAISE_BUDGET]
    assert not proposed(0.09, AMOUNTS)  # 4 cents more than control, at 5 cents


def test_the_strategys_own_limit_is_kept() -> None:
    limits = [purse(), purse(STRATEGY, money=110_000_000)]
    (one,) = proposed(purses=tuple(limits))
    assert one.edits[0].value == "110.00 EUR"
    assert not proposed(purses=(purse(), purse(STRATEGY, money=100_000_000)))


def sibling(rate: float, control: float = 0.05, used: Reading = SPENT) -> Sibling:
    other = look(rate, control=control, files=BOTH, name="post")
    return Sibling(other.campaign, other.lift(other.all_days), (purse("campaign:post", used=used),))


def test_money_moves_from_where_it_earns_less() -> None:
    (one,) = proposed(files=BOTH, siblings=(sibling(0.06),))
    assert (one.kind, one.confidence) == (ProposalKind.MOVE_BUDGET, Confidence.HIGH)
    assert one.expected is not None
    assert one.expected.value == pytest.approx(20 / 0.05 * (0.05 - 0.01))
    after = carried_out(BOTH, one)
    assert '{daily: "80.00 EUR"}' in after["campaigns/post.yaml"]
    assert '{daily: "120.00 EUR"}' in after["campaigns/mail.yaml"]


def test_money_does_not_move_to_where_it_earns_the_same_or_less() -> None:
    for other in (sibling(0.10), sibling(0.13)):
        assert [one.kind for one in proposed(files=BOTH, siblings=(other,))] == [ProposalKind.RAISE_BUDGET]


def test_dear_messages_count_by_what_they_cost() -> None:
    cheap = Reading(0, 100_000_000, 20_000)  # a tenth of the cost for a fifth of the lift: twice as good
    assert [one.kind for one in proposed(files=BOTH, siblings=(sibling(0.06, used=cheap),))] == [
        ProposalKind.RAISE_BUDGET
    ]


def test_sends_are_counted_in_messages() -> None:
    files = changed(
        FILES, "campaigns/mail.yaml", ("holdout: {share: 0.1}", "holdout: {share: 0.1}\nbudget:\n  sends: {daily: 500}")
    )
    used = Purse("campaign:mail", Span.DAY, Allowance(sends=500), Reading(0, 0, 500), exhausted=True)
    (one,) = proposed(files=files, purses=(used,))
    assert one.edits == (Edit("mail", ("budget", "sends", "daily"), "set", 600),)
    carried_out(files, one)
