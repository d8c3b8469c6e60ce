"""Campaigns with a season, traffic of their own and Thompson sampling over several variants, many of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.policy.allocation import allocation
from optimizer.policy.prob_best import prob_best

DAYS, STEPS, FLOOR = 42, 4, 0.02  # learning, and looking, four times a day
WINDOW = 7  # days after which no reward counts any more
SHARES = (0.05, 0.1, 0.2)  # of the holdout
DAILY = 1.0 + 0.6 * np.sin(2 * np.pi * np.arange(STEPS) / STEPS)  # of rates, by the time of the day: .4 to 1.6
BUSY = 1.0 + 0.5 * np.cos(2 * np.pi * np.arange(STEPS) / STEPS)  # of traffic

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Case:
    """What a campaign is like.

    Attributes:
        lift: of each variant over control, times the campaign's own rate; control is the first.
        median: days until half of the rewards have come; None: they come at once.
        spread: of the logarithm of amounts of money; None where a reward is 0 or 1.
    """

    name: str
    lift: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    median: float | None = None
    spread: float | None = None


@dataclass(frozen=True)
class Seen:
    """What is known at one look, in ``W`` campaigns, by the day of the decision.

    Attributes:
        trials, rewards, squares: ``[W, DAYS, A + 1]``; the last column is the holdout.
        gain: expected reward of those trials that is not the season's: what they would have without it is the same for
            all sides of a day, so differences of its means are the truth. ``[W, DAYS, A + 1]``.
        step: how many looks there were before.
    """

    trials: Whole
    rewards: Floats
    squares: Floats
    gain: Floats
    step: int


def campaigns(case: Case, n: int, rng: np.random.Generator) -> Iterator[Seen]:
    """`n` campaigns of one case, look by look. Arrays are filled on and on: a look is over when the next one comes."""
    n_arms = len(case.lift)
    rate = np.exp(rng.uniform(np.log(0.004), np.log(0.12), n))
    share, traffic = rng.choice(SHARES, n), np.exp(rng.uniform(np.log(100), np.log(5_000), n))
    phase = rng.uniform(0, 2 * np.pi, (2, n))
    lifts = np.append(np.array(case.lift), 0.0) * rate[:, None]
    trials = np.zeros((n, DAYS, n_arms + 1), np.int64)
    rewards, squares, gain = (np.zeros(trials.shape) for _ in range(3))
    waiting = np.zeros((WINDOW * STEPS + 1, *trials.shape), np.int64) if case.median is not None else None
    lags = None if case.median is None else _lags(case.median)
    worth = np.exp(0.5 * case.spread**2) if case.spread is not None else 1.0
    for step in range(DAYS * STEPS):
        day, hour = divmod(step, STEPS)
        won, tried = rewards[..., :n_arms].sum(axis=1), trials[..., :n_arms].sum(axis=1)
        won = np.minimum(won / worth, tried)
        shares = allocation(prob_best(1.0 + won, 1.0 + tried - won), np.ones(won.shape, np.bool_), FLOOR, 1.0)
        week = 1.0 + 0.4 * np.sin(2 * np.pi * day / 7 + phase[0]) + 0.3 * np.sin(day / 9 + phase[1])
        n_now = rng.poisson(traffic * week * BUSY[hour] / STEPS)
        held = rng.binomial(n_now, share)
        tried = np.column_stack([rng.multinomial(n_now - held, shares), held])
        chance = np.clip((rate * week * DAILY[hour])[:, None] + lifts, 0.0, 0.9)
        earned = rng.binomial(tried, chance)
        trials[:, day] += tried
        gain[:, day] += tried * lifts * worth
        if waiting is not None and lags is not None:
            late = rng.multinomial(earned, lags)  # [W, A + 1, L]
            for lag in range(waiting.shape[0]):
                waiting[(step + lag) % len(waiting), :, day] += late[..., lag]
            rewards += waiting[step % len(waiting)]
            squares[...] = rewards
            waiting[step % len(waiting)] = 0
        elif case.spread is not None:
            amounts = np.exp(case.spread * rng.standard_normal(int(earned.sum())))
            at = np.repeat(np.arange(earned.size), earned.ravel())
            for sums, power in ((rewards, 1), (squares, 2)):
                sums[:, day] += np.bincount(at, amounts**power, earned.size).reshape(earned.shape)
        else:
            rewards[:, day] += earned
            squares[:, day] += earned
        yield Seen(trials, rewards, squares, gain, step)


def _lags(median: float) -> Floats:
    """Share of the rewards that comes after so many steps, ``[L]``: log-normal delays, those within the window."""
    edges = np.arange(WINDOW * STEPS + 2) / STEPS
    quantile = np.log(np.maximum(edges, 1e-9) / median)
    below = 1.0 / (1.0 + np.exp(-1.7 * quantile))
    shares = np.diff(below)
    return shares / shares.sum()
