"""Operations: how sending goes, as rates of what was sent, and how late rewards come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.domain.delays import DELAY_STARTS
from optimizer.domain.instants import Duration
from optimizer.evaluation.rates import rate_interval

# Kinds that say how sending goes, in the order of the way a message takes; those a strategy watches come with them.
FUNNEL: Final = ("delivered", "bounced", "withdrawn", "opened", "clicked", "unsubscribed", "complained")


@dataclass(frozen=True, slots=True)
class Kpi:
    """Share of the messages with an outcome of one kind, as far as has been heard.

    Attributes:
        kind: of the outcome.
        n: messages with at least one.
        of: messages sent.
        rate: n / of.
        low: lower end of the 95 % credible interval, see `evaluation.rates`.
        high: upper end.
        limit: largest rate the strategy allows; None where it watches none.
    """

    kind: str
    n: int
    of: int
    rate: float
    low: float
    high: float
    limit: float | None


@dataclass(frozen=True, slots=True)
class Operations:
    """How sending goes.

    Attributes:
        sent: messages decided, of every group.
        rates: one for each kind that has been heard of or is watched.
        per_day: days in UTC, as days since 1970, and the decisions of each.
        median_delay: of matured rewarded trials, microseconds from exposure to reward; None without any.
        late_delay: nine of ten came within this.
    """

    sent: int
    rates: tuple[Kpi, ...]
    per_day: tuple[tuple[int, int], ...]
    median_delay: Duration | None
    late_delay: Duration | None


def rates(sent: int, heard: Mapping[str, int], limits: Mapping[str, float]) -> tuple[Kpi, ...]:
    """Rates of the kinds that say how sending goes; none before anything was sent.

    Args:
        sent: messages.
        heard: messages with at least one outcome, by kind.
        limits: of the kinds the strategy watches.
    """
    if not sent:
        return ()
    kinds = [kind for kind in FUNNEL if kind in heard or kind in limits]
    kinds += sorted(limits.keys() - set(kinds))
    found = []
    for kind in kinds:
        n = min(heard.get(kind, 0), sent)
        found.append(Kpi(kind, n, sent, n / sent, *rate_interval(n, sent), limits.get(kind)))
    return tuple(found)


def delay_quantile(delays: Iterable[tuple[int, int]], share: float) -> Duration | None:
    """The delay within which this share of the rewards came; None without any.

    Args:
        delays: bins, see `domain.delays`, and how many fell into each.
        share: 0 to 1.
    """
    counts = np.zeros(len(DELAY_STARTS))
    for place, n in delays:
        counts[place] += n
    if not counts.sum() > 0.0:
        return None
    place = int(np.searchsorted(np.cumsum(counts) / counts.sum(), share))
    return int(DELAY_STARTS[min(place + 1, len(DELAY_STARTS) - 1)])
