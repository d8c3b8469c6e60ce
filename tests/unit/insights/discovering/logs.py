"""Logs with one planted segment, for tests."""

from typing import Any

import numpy as np

from optimizer.domain.feedback import LoggedFeedback
from optimizer.insights.discovering.columns import Column, Kind

HOSTILE = '<script>alert("x")</script>{{7*7}}\u202e'


def planted(
    n: int = 4_000, seed: int = 1, names: tuple[str, str, str] = ("country", "days_since_purchase", "vip"), **rest: Any
) -> tuple[LoggedFeedback, list[Column]]:
    """Recipients of the first country are suited by ``two``, all others by ``one``; nothing else matters."""
    rng = np.random.default_rng(seed)
    values = rest.get("values", ("US", "CA", "GB"))
    country = rng.integers(0, 3, n).astype(float)
    columns = [
        Column(names[0], Kind.CATEGORY, country, values),
        Column(names[1], Kind.RECENCY, np.floor(rng.exponential(80, n))),
        Column(names[2], Kind.BOOLEAN, (rng.random(n) < 0.5).astype(float)),
    ]
    arms = rng.integers(0, 2, n)
    rates = np.where((arms == 1) == (country == 0), 0.5, 0.2)
    rewards = (rng.random(n) < rates).astype(float)
    feedback = LoggedFeedback(
        rest.get("variants", ("one", "two")), ("all",), arms, np.zeros(n, dtype=np.int64), np.full(n, 0.5), rewards
    )
    return feedback, columns
