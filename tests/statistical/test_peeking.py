"""Peeking is safe: whoever looks at a lift every few hours is not fooled more often than the level says."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.evaluation.stratified import Side, stratified_difference

WORLDS, DAYS, LOOKS_A_DAY = 2_000, 42, 3
pytestmark = pytest.mark.slow


def looked_at(lift: float, rng: np.random.Generator) -> tuple[bool, bool, bool]:
    """Whether the interval for one look, and that for every look, ever lay beside zero; whether it did in the end."""
    rate, share = np.exp(rng.uniform(np.log(0.004), np.log(0.15))), rng.choice([0.05, 0.1, 0.2])
    daily = np.exp(rng.uniform(np.log(60), np.log(5_000)))
    season = 1 + 0.5 * np.sin(2 * np.pi * np.arange(DAYS) / 7) + 0.3 * np.sin(np.arange(DAYS) / 9)
    sent, held = np.zeros((3, DAYS)), np.zeros((3, DAYS))  # trials, rewards, squares
    once, always, found = False, False, False
    for day in range(DAYS):
        chance = min(0.6, rate * season[day])
        for _ in range(LOOKS_A_DAY):
            n = rng.poisson(daily * season[day] / LOOKS_A_DAY)
            n_held = rng.binomial(n, share)
            held[:, day] += [n_held, *[rng.binomial(n_held, chance)] * 2]
            # Learning changes what is sent all the time; under no effect it changes nothing, else a rate that climbs.
            better = chance * (1 + lift * min(1.0, (day + 1) / 7))
            sent[:, day] += [n - n_held, *[rng.binomial(n - n_held, min(0.9, better))] * 2]
            until = slice(0, day + 1)
            compared = stratified_difference(Side(*sent[:, until]), Side(*held[:, until]), successes=True)
            (low, high), (lowest, highest) = compared.interval(), compared.anytime_interval()
            once |= low > 0.0 or high < 0.0
            always |= lowest > 0.0 or highest < 0.0
            found = lowest > 0.0
    return once, always, found


def test_a_lift_that_is_none_is_hardly_ever_seen_however_often_one_looks() -> None:
    rng = np.random.default_rng(20261122)
    once, always, _ = np.mean([looked_at(0.0, rng) for _ in range(WORLDS)], axis=0)
    print(f"{WORLDS} campaigns without effect, {DAYS * LOOKS_A_DAY} looks each: an interval for one look is fooled in")
    print(f"{once:.1%} of them, the one for every look in {always:.1%}")
    assert once > 0.2, "else nothing is shown"
    assert always <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / WORLDS)


def test_a_lift_that_is_there_is_found() -> None:
    rng = np.random.default_rng(7)
    found = np.mean([looked_at(0.5, rng)[2] for _ in range(200)])
    print(f"a lift of half is found after {DAYS} days in {found:.0%} of campaigns of 60 to 5,000 trials a day")
    assert found > 0.5
