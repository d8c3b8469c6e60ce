"""Journeys of recipients as comparisons: what they were worth, whether they came back, and what each contact adds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from optimizer.domain.instants import DAY, Instant
from optimizer.engine.assessment import RewardRule
from optimizer.engine.comparing import counts_successes
from optimizer.evaluation.clusters import Clusters, design_effect
from optimizer.insights.measures.comparison import comparison
from optimizer.insights.measures.measurement import People
from optimizer.insights.measures.money import Money, money
from optimizer.insights.measures.trend import Step, Trend, stretches, trend
from optimizer.storage.journeys import MOST_CONTACTS, DaySums, Journeys, PeopleSums, Question
from optimizer.storage.store import Ledger

OF_RECIPIENTS = "share of recipients"
What = Literal["reward", "worth", "net"]
_OF_MONEY: tuple[What, ...] = ("worth", "net")
Stratum = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Found:
    """Journeys and what they were asked for."""

    question: Question
    journeys: Journeys

    @property
    def worth_of(self) -> str:
        """What a decision is worth is counted in: ``rewards``, an outcome kind, or nothing."""
        if self.question.rule.in_amounts:
            return "rewards"
        has_any = any(one.worth for one in self.journeys.people)
        return self.question.valued or "" if has_any else ""

    def design(self, what: What) -> float:
        """By how many times the variance of a difference of means over trials is larger; see `evaluation.clusters`."""
        sides = [_clusters((one for one in self.journeys.people if one.held is held), what) for held in (False, True)]
        return design_effect(*sides)


def found_journeys(ledger: Ledger, question: Question) -> Found:
    """The journeys a question asks for."""
    return Found(question, ledger.journeys.of(question))


def money_of(found: Found, rule: RewardRule, *, currency: str, against: str, until: Instant) -> Money | None:
    """What matured trials were worth; None where nothing has an amount, or nothing can be compared yet."""
    if not found.worth_of:
        return None
    over = [one for one in found.journeys.days if (one.day + 1) * DAY + rule.window <= until]
    sides = [[one for one in over if one.held is held] for held in (False, True)]
    both = []
    for what in _OF_MONEY:
        sums = [{_stratum(one): _sums(one, what) for one in side} for side in sides]
        both.append(comparison(*sums, against=against, unit=currency, successes=False, design=found.design(what)))
    worth, net = both
    if worth is None or net is None:
        return None
    costs = [{_stratum(one): (one.n, one.cost) for one in side} for side in sides]
    return money(worth, net, *costs, currency=currency, worth_of=found.worth_of)


def people_of(found: Found, against: str, *, currency: str) -> People | None:
    """What recipients came to; None before there are any."""
    everybody = found.journeys.people
    if not everybody:
        return None
    sides = [[one for one in everybody if one.held is held] for held in (False, True)]

    def shares(n: str, some: str) -> list[dict[str, tuple[float, float, float]]]:
        return [
            {one.place: (getattr(one, n), getattr(one, some), getattr(one, some)) for one in side} for side in sides
        ]

    recipients = [sum(one.n for one in side) for side in sides]
    decisions = [sum(one.decisions for one in side) for side in sides]
    each = [total / n if n else 0.0 for total, n in zip(decisions, recipients, strict=True)]
    worth = None
    if found.worth_of:
        amounts = [{one.place: (one.n, one.worth, one.worth_squares) for one in side} for side in sides]
        worth = comparison(*amounts, against=against, unit=currency, successes=False)
    return People(
        against,
        round(recipients[0]),
        round(recipients[1]),
        each[0],
        each[1],
        found.question.known_for,
        comparison(*shares("n", "rewarded"), against=against, unit=OF_RECIPIENTS, successes=True),
        comparison(*shares("known", "again"), against=against, unit=OF_RECIPIENTS, successes=True),
        worth,
    )


def by_contact(found: Found, rule: RewardRule, *, unit: str, against: str) -> Trend | None:
    """The effect of matured trials by how many contacts their recipients had had; None where nothing is compared."""
    steps = []
    for first, last in stretches(1, MOST_CONTACTS):
        sides = []
        for held in (False, True):
            inside = [
                one
                for one in found.journeys.contacts
                if one.held is held and one.contact >= first and (last is None or one.contact <= last)
            ]
            sides.append({(one.place, one.contact): (one.n, one.reward, one.reward_squares) for one in inside})
        compared = comparison(*sides, against=against, unit=unit, successes=counts_successes(rule))
        if compared is not None:
            steps.append(Step(first, last, compared))
    return trend(steps) if steps else None


def _stratum(one: DaySums) -> Stratum:
    return one.place, int(one.day)


def _sums(one: DaySums, what: str) -> tuple[float, float, float]:
    return one.n, getattr(one, what), getattr(one, f"{what}_squares")


def _clusters(people: Iterable[PeopleSums], what: What) -> Clusters:
    columns = [
        (
            one.trials,
            one.trials_squares,
            getattr(one, f"trials_{what}s"),
            getattr(one, f"{what}s"),
            getattr(one, f"{what}s_squares"),
            getattr(one, f"single_{what}s_squares"),
        )
        for one in people
    ]
    return Clusters(*np.array(columns, np.float64).reshape(-1, 6).T)
