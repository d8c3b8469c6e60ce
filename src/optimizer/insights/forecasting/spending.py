"""Spend to come: what would be sent meets the limits, day by day on every path; none of them ever crosses one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TRICKLE = 0.05  # share of even spend that goes on while spend is ahead of its course; see `policy.pacing`
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Ceiling:
    """One limit on money or sends over ``H`` days to come.

    Attributes:
        amount: the most that may be in use in a period, in units of currency or in sends.
        in_sends: whether it counts sends.
        used: what is in use in the period of the first day.
        renews: whether a period begins with each day, ``[H]``; never for the first day.
        others: what other campaigns that share the limit use of it a day.
        course: what may be in use by the end of each day where the budget is spread over its period, ``[H]``; None
            where it is not.
    """

    amount: float
    in_sends: bool
    used: float
    renews: NDArray[np.bool_]
    others: float = 0.0
    course: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """What a send costs, in units of currency.

    Attributes:
        most: what it reserves.
        due: what is expected to become due of that in the end.
        lasts: days after which what did not become due is free again.
        reserved: what earlier sends reserve now.
        released: what is expected to become free of that, a day over the next `lasts` days.
    """

    most: float
    due: float
    lasts: int
    reserved: float = 0.0
    released: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Spent:
    """What ``N`` paths send and spend over ``H`` days.

    Attributes:
        sends: on each day, ``[N, H]``.
        money: in use beyond what is in use now, by the end of each day, ``[N, H]``: reserved or settled.
        due: of the day's sends, what becomes due in the end, ``[N, H]``.
        exhausted: for each ceiling, the place of the day on which the period of the first day has no room for what was
            asked, ``[C, N]``; ``H`` where it always has.
    """

    sends: Floats
    money: Floats
    due: Floats
    exhausted: NDArray[np.int64]


def spent(wanted: Floats, costs: Costs, ceilings: Sequence[Ceiling]) -> Spent:
    """What is sent of what is wanted, ``[N, H]``: as much as there is room for under every limit.

    A day's sends share what room there is at its beginning; what is reserved for them and does not become due makes
    room again after `Costs.lasts` days.
    """
    n, n_days = wanted.shape
    sends, money, used_now = np.zeros((n, n_days)), np.zeros((n, n_days)), np.zeros(n)
    exhausted = np.full((len(ceilings), n), n_days)
    used = [np.full(n, ceiling.used) for ceiling in ceilings]
    first_period = [True] * len(ceilings)
    for day in range(n_days):
        freed = np.full(n, costs.released if day < costs.lasts else 0.0)
        if day >= costs.lasts:
            freed = freed + sends[:, day - costs.lasts] * (costs.most - costs.due)
        room = np.full(n, np.inf)
        for place, ceiling in enumerate(ceilings):
            if ceiling.renews[day]:
                used[place], first_period[place] = np.zeros(n), False
            elif not ceiling.in_sends:
                used[place] = np.maximum(used[place] - freed, 0.0)
            used[place] = np.minimum(used[place] + ceiling.others, np.maximum(ceiling.amount, used[place]))
            each = 1.0 if ceiling.in_sends else costs.most
            left = np.full(n, np.inf) if each <= _NOTHING else np.maximum(ceiling.amount - used[place], 0.0) / each
            lacks = (wanted[:, day] > left + _NOTHING) & (exhausted[place] == n_days)
            if first_period[place]:
                exhausted[place][lacks] = day
            room = np.minimum(room, np.minimum(left, _on_course(ceiling, used[place], each, day, n_days)))
        sends[:, day] = np.minimum(wanted[:, day], room)
        used_now = used_now - freed + sends[:, day] * costs.most
        money[:, day] = used_now
        for place, ceiling in enumerate(ceilings):
            used[place] = used[place] + sends[:, day] * (1.0 if ceiling.in_sends else costs.most)
    return Spent(sends, money, sends * costs.due, exhausted)


def _on_course(ceiling: Ceiling, used: Floats, each: float, day: int, n_days: int) -> Floats:
    """How many sends keep a paced budget on its course today, ``[N]``; a trickle goes on where it is ahead."""
    if ceiling.course is None or each <= _NOTHING:
        return np.full(len(used), np.inf)
    before = ceiling.course[day - 1] if day else ceiling.course[0] - (ceiling.course[-1] - ceiling.course[0]) / n_days
    trickle = max(TRICKLE * (ceiling.course[day] - before), 0.0)
    return np.maximum(ceiling.course[day] - used, trickle) / each
