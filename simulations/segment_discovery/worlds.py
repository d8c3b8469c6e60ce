"""Worlds with segments of known shape, and worlds without any; a log of each, and what is true in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.insights.discovering.columns import Column, Kind
from optimizer.insights.discovering.rules import Rule, segment_of

COUNTRIES = ("US", "CA", "GB", "DE")
COLOURS = ("amber", "blue", "coral", "denim", "ebony", "fawn")
ARMS = ("offer", "news", "thanks")
PLANTED = {
    "one attribute": {"country"},
    "a threshold": {"days_since_purchase"},
    "two together": {"days_since_purchase", "newsletter"},
    "crossed": {"days_since_purchase", "newsletter"},
    "two segments": {"country", "days_since_purchase"},
}
"""Shapes, and the attributes that matter in each; all others are noise."""


@dataclass(frozen=True, slots=True)
class World:
    """One log.

    Attributes:
        feedback: what was logged.
        columns: what was known of the recipients.
        rates: ``[N, A]``, true expected reward of each variant in each row.
    """

    feedback: LoggedFeedback
    columns: list[Column]
    rates: NDArray[np.float64]

    def gain(self, rules: list[Rule], best: list[str]) -> float:
        """What choosing by rules truly earns more per decision than the best single variant."""
        named = {column.name: column for column in self.columns}
        arms = np.array([ARMS.index(name) for name in best])
        chosen = arms[segment_of(rules, named, len(self.rates))]
        earned = self.rates[np.arange(len(chosen)), chosen].mean()
        return float(earned - self.rates.mean(axis=0).max())


def world(seed: int, rows: int, shape: str | None, effect: float = 0.12, *, logged: str = "even") -> World:
    """A log of one decision for each recipient, or of two.

    Args:
        seed: another seed, other people and other chance.
        rows: decisions.
        shape: one of `PLANTED`, or None: attributes matter to all variants alike.
        effect: how much better a variant is where it suits; where it does not, it is about as much worse, so that
            over everybody no variant stands out.
        logged: ``even`` shares, shares ``learned`` from rewards as they came in, or two ``repeated`` decisions each.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 7]))
    people = rows // 2 if logged == "repeated" else rows
    columns = _people(rng, people)
    who = np.tile(np.arange(people), rows // people)
    columns = [column.taken(who) for column in columns]
    rates = _rates({column.name: column.values for column in columns}, shape, effect)
    every = np.arange(rows)
    if logged == "learned":
        arms, shares, rewards = _run(rng, rates)
    else:
        shares = np.full(rates.shape, 1.0 / len(ARMS))
        arms = rng.integers(0, len(ARMS), rows)
        rewards = (rng.random(rows) < rates[every, arms]).astype(np.float64)
    feedback = LoggedFeedback(
        ARMS,
        ("all",),
        arms,
        np.zeros(rows, dtype=np.int64),
        shares[every, arms],
        rewards,
        recipients=who.astype(np.uint64),
    )
    return World(feedback, columns, rates)


def _people(rng: np.random.Generator, n: int) -> list[Column]:
    return [
        Column("country", Kind.CATEGORY, rng.choice(4, n, p=(0.4, 0.3, 0.2, 0.1)).astype(np.float64), COUNTRIES),
        Column("days_since_purchase", Kind.RECENCY, np.floor(rng.exponential(90.0, n))),
        Column("lifetime_value", Kind.NUMBER, np.round(rng.gamma(2.0, 100.0, n), 2)),
        Column("newsletter", Kind.BOOLEAN, (rng.random(n) < 0.5).astype(np.float64)),
        Column("visits", Kind.NUMBER, rng.poisson(4.0, n).astype(np.float64)),
        Column("colour", Kind.CATEGORY, rng.integers(0, 6, n).astype(np.float64), COLOURS),
    ]


def _rates(known: dict[str, NDArray[np.float64]], shape: str | None, effect: float) -> NDArray[np.float64]:
    """True rates, ``[N, A]``: what attributes do to all variants alike, and what only to one."""
    country, days, newsletter = known["country"], known["days_since_purchase"], known["newsletter"] == 1.0
    common = 0.15 + 0.06 * newsletter + 0.05 * (country == 1) + 0.03 * (days < 30)
    rates = np.repeat(common[:, None], len(ARMS), axis=1)
    suits = {
        None: np.zeros(len(days), dtype=bool),
        "one attribute": country == 0,
        "a threshold": days >= 90,
        "two together": (days < 90) & newsletter,
        "crossed": (days < 60) ^ newsletter,
        "two segments": country == 0,
    }[shape]
    if shape is not None:
        rates[:, 1] += np.where(suits, effect, -effect * suits.mean() / (1.0 - suits.mean()))
    if shape == "two segments":
        also = (country != 0) & (days >= 90)
        rates[:, 2] += np.where(also, effect, -effect * also.mean() / (1.0 - also.mean()))
    return np.clip(rates, 0.01, 0.99)


def _run(
    rng: np.random.Generator, rates: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Arms, shares and rewards of a policy that learns: twenty times it gives more to whoever looks best so far."""
    n, n_arms = rates.shape
    arms, rewards, shares = np.zeros(n, dtype=np.int64), np.zeros(n), np.zeros(rates.shape)
    wins, losses = np.ones(n_arms), np.ones(n_arms)
    for rows in np.array_split(np.arange(n), 20):
        draws = rng.beta(wins, losses, size=(400, n_arms)).argmax(axis=1)
        share = 0.1 + 0.7 * np.bincount(draws, minlength=n_arms) / 400
        shares[rows] = share
        arms[rows] = rng.choice(n_arms, len(rows), p=share / share.sum())
        rewards[rows] = rng.random(len(rows)) < rates[rows, arms[rows]]
        wins += np.bincount(arms[rows], weights=rewards[rows], minlength=n_arms)
        losses += np.bincount(arms[rows], weights=1.0 - rewards[rows], minlength=n_arms)
    return arms, shares, rewards
