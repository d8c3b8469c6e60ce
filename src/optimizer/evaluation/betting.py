"""Betting confidence sequences: intervals for a mean of bounded values that hold at every time at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LARGEST_LOSS = 0.75  # share of the capital that one bet may lose; the paper suggests 1/2 or 3/4
_GRID = 48  # candidate means: capital between them is bounded by chords, so more of them change little
_SHRUNK = 0.8  # candidates are spread anew when the interval has come down to this share of their span
_LONGEST_BLOCK = 2_048


def weighted_range(reward_range: tuple[float, float], largest_possible_weight: float) -> tuple[float, float]:
    """Lowest and highest value that a reward times an importance weight can have.

    Args:
        reward_range: lowest and highest possible reward.
        largest_possible_weight: what the policies allow (the target's largest share over the log's smallest propensity
            for it), not the largest that happened to be seen: a bound taken from the values voids the guarantee.

    Raises:
        ValueError: the rewards' range is empty, or the weight is not above 0.
    """
    low, high = reward_range
    if not low < high:
        raise ValueError(f"reward_range: found {low:g} to {high:g}; allowed a lowest value below the highest")
    if not 0.0 < largest_possible_weight < np.inf:
        raise ValueError(f"largest_possible_weight: found {largest_possible_weight:g}; allowed above 0 and finite")
    return min(0.0, low) * largest_possible_weight, max(0.0, high) * largest_possible_weight


@dataclass(frozen=True, slots=True, eq=False)
class BettingSequence:
    """What is known of a mean after ``n`` values: the hedged capital process of Waudby-Smith & Ramdas 2024, section 4.

    For every candidate mean ``m`` two gamblers start with a capital of 1 and bet that the mean is above ``m`` and below
    it. With values scaled to [0, 1], after ``t`` of them they own (theorem 3)::

        up_t(m) = product of 1 + bet_i (x_i - m)        down_t(m) = product of 1 - bet_i (x_i - m)

    At the true mean both games are fair, so by Ville's inequality either capital ever passes ``2 / (1 - level)`` with
    probability at most ``(1 - level) / 2``. A candidate against which either has is dropped for ever. Bets are the
    paper's predictable plug-in, from the values before::

        bet_t = sqrt(2 log(2 / (1 - level)) / (s2_{t-1} t log(1 + t)))
        s2_t = (1/4 + sum (x_i - mean_i)^2) / (t + 1),  mean_t = (1/2 + sum x_i) / (t + 1)

    Where the paper caps bets at ``c / m`` and ``c / (1 - m)`` for each candidate, here candidates share the cap of the
    least favourable one that is still in question: ``c / high`` and ``c / (1 - low)``, renewed at fixed times. So bets
    are the same for all candidates, which makes the logarithm of ``up`` concave and falling in ``m``, that of ``down``
    concave and rising. A few dozen candidates are enough then: chords between them bound the capital of all others from
    below, which can only make the interval wider, and by next to nothing.

    The mean must be the same whatever the values before were: rewards that drift, or a log sorted by variant, have no
    such mean, and the interval is of nothing.

    Attributes:
        value_range: lowest and highest possible value.
        level: how often the interval holds at every time at once.
        n: values so far.
        low: lower end, scaled to [0, 1].
        high: upper end, scaled.
        total: sum of the scaled values.
        squares: sum of squared distances of scaled values from the mean at their time.
        candidates: ``[G]``, rising, scaled.
        log_up: ``[G]``, logarithm of (a lower bound of) the capital against each candidate from below.
        log_down: ``[G]``, from above.
        is_contradicted: whether every candidate has been dropped. Unless the values have no constant mean or leave the
            range, that is as rare as missing the mean; the last interval before it stays.
    """

    value_range: tuple[float, float]
    level: float
    n: int
    low: float
    high: float
    total: float
    squares: float
    candidates: Floats
    log_up: Floats
    log_down: Floats
    is_contradicted: bool = False

    @classmethod
    def begin(cls, low: float, high: float, level: float = 0.95, n_grid: int = _GRID) -> BettingSequence:
        """Nothing known yet of a mean of values from `low` to `high`; ``n_grid`` candidates at a time.

        Raises:
            ValueError: the range is empty, the level not between 0 and 1, or there are fewer than two candidates.
        """
        if not -np.inf < low < high < np.inf:
            raise ValueError(f"value_range: found {low:g} to {high:g}; allowed a lowest value below the highest")
        if not 0.0 < level < 1.0:
            raise ValueError(f"level: found {level:g}; allowed above 0 and below 1")
        if n_grid < 2:
            raise ValueError(f"n_grid: found {n_grid}; allowed 2 or more")
        candidates = np.linspace(0.0, 1.0, n_grid)
        none = np.zeros(n_grid)
        return cls((low, high), level, 0, 0.0, 1.0, 0.0, 0.0, candidates, none, none)

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the interval, in the units of the values."""
        lowest, highest = self.value_range
        span = highest - lowest
        return lowest + span * self.low, lowest + span * self.high

    def after(self, values: Floats) -> BettingSequence:
        """What is known after further values, in their order; how they are cut into chunks makes no difference.

        Raises:
            ValueError: a value is outside the range.
        """
        return _followed(self, values)[0]


def intervals_at_every_time(
    values: Floats, value_range: tuple[float, float], level: float = 0.95
) -> tuple[Floats, Floats]:
    """Lower and upper ends ``[N]`` after each of the ``N`` values, which never widen.

    Raises:
        ValueError: as `BettingSequence`.
    """
    low, high = value_range
    _, lows, highs = _followed(BettingSequence.begin(low, high, level), values)
    return low + (high - low) * lows, low + (high - low) * highs


def _followed(sequence: BettingSequence, values: Floats) -> tuple[BettingSequence, Floats, Floats]:
    """The sequence after the values, and its scaled ends ``[N]`` after each of them."""
    scaled = _scaled(np.asarray(values, dtype=np.float64), sequence.value_range)
    lows, highs = np.empty(len(scaled)), np.empty(len(scaled))
    start = 0
    while start < len(scaled):
        stop = min(start + _block_end(sequence.n) - sequence.n, len(scaled))
        sequence, lows[start:stop], highs[start:stop] = _after_block(sequence, scaled[start:stop])
        if sequence.n == _block_end(sequence.n - 1):
            sequence = _narrowed(sequence)
        start = stop
    return sequence, lows, highs


def _scaled(values: Floats, value_range: tuple[float, float]) -> Floats:
    low, high = value_range
    scaled = (values - low) / (high - low)
    if len(scaled) and not (scaled.min() >= -1e-12 and scaled.max() <= 1.0 + 1e-12):
        found = f"{values.min():g} to {values.max():g}"
        raise ValueError(f"values: found {found}; allowed {low:g} to {high:g}, the range they were said to have")
    return np.clip(scaled, 0.0, 1.0)


def _block_end(n: int) -> int:
    """First time after ``n`` at which candidates may be spread anew: fixed times, whatever the chunks are."""
    size = 1
    while size < _LONGEST_BLOCK and n >= 4 * size:
        size *= 2
    return (n // size + 1) * size


def _after_block(sequence: BettingSequence, x: Floats) -> tuple[BettingSequence, Floats, Floats]:
    """After values that are bet on with the same candidates and caps, and the ends after each of them."""
    alpha = 1.0 - sequence.level
    bets, total, squares = _plug_in_bets(sequence, x)
    up_bets = np.minimum(bets, _LARGEST_LOSS / sequence.candidates[-1])
    down_bets = np.minimum(bets, _LARGEST_LOSS / (1.0 - sequence.candidates[0]))
    apart = x[:, None] - sequence.candidates
    log_up = _accumulated(sequence.log_up, np.log1p(up_bets[:, None] * apart))
    log_down = _accumulated(sequence.log_down, np.log1p(-down_bets[:, None] * apart))
    enough = np.log(2.0 / alpha)
    lows = np.maximum.accumulate(np.maximum(_crossing(log_up, sequence.candidates, enough), sequence.low))
    mirrored = _crossing(log_down[:, ::-1], 1.0 - sequence.candidates[::-1], enough)
    highs = np.minimum.accumulate(np.minimum(1.0 - mirrored, sequence.high))
    lows, highs, contradicted = _before_contradiction(sequence, lows, highs)
    after = replace(
        sequence,
        n=sequence.n + len(x),
        low=float(lows[-1]),
        high=float(highs[-1]),
        total=total,
        squares=squares,
        log_up=log_up[-1],
        log_down=log_down[-1],
        is_contradicted=contradicted,
    )
    return after, lows, highs


def _plug_in_bets(sequence: BettingSequence, x: Floats) -> tuple[Floats, float, float]:
    """Bets ``[N]`` on values before they are seen; the sums after them."""
    times = np.arange(sequence.n + 1, sequence.n + len(x) + 1, dtype=np.float64)
    totals = np.cumsum(np.concatenate([[sequence.total], x]))
    means = (0.5 + totals[1:]) / (times + 1.0)
    squares = np.cumsum(np.concatenate([[sequence.squares], (x - means) ** 2]))
    variances = (0.25 + squares[:-1]) / times  # of the values before: there are one fewer
    bets = np.sqrt(2.0 * np.log(2.0 / (1.0 - sequence.level)) / (variances * times * np.log1p(times)))
    return bets, float(totals[-1]), float(squares[-1])


def _accumulated(before: Floats, gains: Floats) -> Floats:
    """Running sums ``[N, G]`` that go on from `before`, added in order so that chunks make no difference."""
    gains[0] += before
    return np.cumsum(gains, axis=0)


def _crossing(log_capital: Floats, candidates: Floats, enough: float) -> Floats:
    """The largest mean ``[N]`` that capital has risen against, where it falls along the candidates; 0 for none.

    Between two candidates the chord is a lower bound of the logarithm of the capital: it is concave.
    """
    passed = log_capital >= enough
    place = passed.sum(axis=1)
    rows = np.flatnonzero(place)
    found = np.zeros(len(log_capital))
    if len(rows) == 0:
        return found
    left = place[rows] - 1
    right = np.minimum(left + 1, len(candidates) - 1)
    above, below = log_capital[rows, left], log_capital[rows, right]
    part = np.divide(above - enough, above - below, out=np.zeros(len(rows)), where=above > below)
    found[rows] = candidates[left] + (candidates[right] - candidates[left]) * np.clip(part, 0.0, 1.0)
    return found


def _before_contradiction(sequence: BettingSequence, lows: Floats, highs: Floats) -> tuple[Floats, Floats, bool]:
    """The ends, which stay where they were before the first time that they pass each other."""
    if sequence.is_contradicted:
        return np.full(len(lows), sequence.low), np.full(len(highs), sequence.high), True
    crossed = np.flatnonzero(lows >= highs)
    if len(crossed) == 0:
        return lows, highs, False
    first = crossed[0]
    lows[first:] = lows[first - 1] if first else sequence.low
    highs[first:] = highs[first - 1] if first else sequence.high
    return lows, highs, True


def _narrowed(sequence: BettingSequence) -> BettingSequence:
    """Candidates spread over what is still in question, if that has shrunk; capital between the old ones by chords."""
    old = sequence.candidates
    if sequence.high - sequence.low > _SHRUNK * (old[-1] - old[0]):
        return sequence
    new = np.linspace(sequence.low, sequence.high, len(old))
    log_up, log_down = np.interp(new, old, sequence.log_up), np.interp(new, old, sequence.log_down)
    return replace(sequence, candidates=new, log_up=log_up, log_down=log_down)
