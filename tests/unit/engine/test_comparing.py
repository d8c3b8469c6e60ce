"""Sides that are added up once and compared with many say what each pair of them says alone."""

from __future__ import annotations

import random

import pytest

from optimizer.domain.instants import DAY, HOUR
from optimizer.domain.micros import MICRO
from optimizer.domain.statistics import DECIDED, Cell, Sums
from optimizer.engine.assessment import RewardRule
from optimizer.engine.comparing import added, by_stratum, compared, compared_strata, without

FIRST = RewardRule("buy", "purchase", "first", 7 * DAY, "delivered")
AMOUNTS = RewardRule("buy", "purchase", "amount", 7 * DAY, "delivered")


def some_cells(chance: random.Random, variant: str) -> list[tuple[Cell, Sums]]:
    """Rewards of a variant in two segments, in some hours of five days, and its decisions."""
    found = []
    for segment in ("one", "two"):
        for hour in chance.sample(range(5 * 24), 12):
            n = chance.randint(1, 9)
            positives = chance.randint(0, n)
            rewards = Sums(n, positives, positives * MICRO, positives * MICRO)
            found += [
                (Cell("winback", segment, variant, "words", "learning", metric, hour * HOUR), rewards)
                for metric in ("reward:buy", DECIDED)
            ]
    return found


@pytest.mark.parametrize("rule", [FIRST, AMOUNTS], ids=["first", "amount"])
@pytest.mark.parametrize("seed", range(5))
def test_what_is_left_of_all_without_one_is_what_the_others_say(rule: RewardRule, seed: int) -> None:
    chance = random.Random(seed)
    arms = [some_cells(chance, f"variant-{n}") for n in range(6)] + [[]]
    strata = [by_stratum(rule, cells) for cells in arms]
    everything = added(strata)
    for arm, mine in enumerate(strata):
        others = [one for other, cells in enumerate(arms) if other != arm for one in cells]
        told = compared_strata(rule, mine, without(everything, mine))
        assert repr(told) == repr(compared(rule, arms[arm], others)), "to the last digit"
        assert repr(compared_strata(rule, mine, strata[0])) == repr(compared(rule, arms[arm], arms[0]))
