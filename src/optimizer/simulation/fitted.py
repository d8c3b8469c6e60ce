"""Worlds fitted to a history: what its recipients did, how sure that is, and who they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Attributes, AttributeValue
from optimizer.domain.feedback import LoggedFeedback
from optimizer.simulation.amounts import Amount, ResampledAmounts
from optimizer.simulation.arrivals import Arrivals, HourlyArrivals
from optimizer.simulation.attribution import FROM_DECISION, Timing
from optimizer.simulation.delays import Delay, EmpiricalDelay, NoDelay
from optimizer.simulation.dynamics import Dynamic, Scene, shifts
from optimizer.simulation.patterns import OutcomeTable, checked_tree
from optimizer.simulation.settled import SettledWorld
from optimizer.simulation.world import Population

PRIOR_ROWS = 10.0  # how many rows of a segment the belief in the rates of the whole history is worth
_MOST_TYPES = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """Columns of a history that `LoggedFeedback` has no place, or no one place, for.

    Attributes:
        happened: by outcome kind, ``[N]``, whether it happened; the order is the order of the world's kinds.
        amounts: by outcome kind, ``[N]`` micro-units; looked at where it happened, and left out where not above 0.
        occurred_at: by outcome kind, ``[N]`` instants; looked at where it happened.
        attributes: by attribute, ``[N]``: numbers, text or booleans, of the type the strategy declares; NaN or None
            where missing.
    """

    happened: Mapping[str, NDArray[np.generic]]
    amounts: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    occurred_at: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    attributes: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Circumstances:
    """What a history does not say, or what is to be different from it.

    Attributes:
        n_recipients: ``M``, drawn from the history's, who each come as often as there; None for all, each once.
        arrivals: who comes by when; None: at the hours at which the history's decisions were made.
        delays: by outcome kind, from the decision on; else as observed, and where no times are known, none.
        dynamics: what moves the rates from those of the history.
        zone: everyone's time zone; None for unknown.
        consent: which share agreed to the channel, the others having said no; None when nobody said.
    """

    n_recipients: int | None = None
    arrivals: Arrivals | None = None
    delays: Mapping[str, Delay] = field(default_factory=dict)
    dynamics: Sequence[Dynamic] = ()
    zone: ZoneInfo | None = None
    consent: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FittedWorld:
    """A `WorldModel`: a Dirichlet distribution over the combinations of outcomes for each type and arm.

    Attributes:
        kinds: ``K`` outcome kinds.
        type_ids: ``Z`` names.
        patterns: ``[P, K]``, combinations that the history has, and last that of none.
        evidence: ``[Z, A + 1, P]``, parameters of the distributions: rows seen of each combination, and the prior.
        types: ``[N]``, type of each recipient of the history.
        profiles, profile_of: different attributes, and ``[N]`` which of them each recipient has.
        activity: ``[Z]``, how often recipients came, in proportion.
        timing: how long after the decision each kind happens.
        amounts: ``K``, what each is worth; None where the history knows no amounts.
        arrivals: who comes by when.
        circumstances: what the history did not say.
        uncertain: whether a world draws its rates; else every world has the means.
    """

    kinds: tuple[str, ...]
    type_ids: tuple[str, ...]
    patterns: NDArray[np.bool_]
    evidence: NDArray[np.float64]
    types: NDArray[np.int64]
    profiles: Sequence[Attributes]
    profile_of: NDArray[np.int64]
    activity: NDArray[np.float64]
    timing: Timing
    amounts: Sequence[Amount | None]
    arrivals: Arrivals
    circumstances: Circumstances
    uncertain: bool

    @property
    def chances(self) -> NDArray[np.float64]:
        """Posterior mean of the chance of each combination, ``[Z, A + 1, P]``."""
        return self.evidence / self.evidence.sum(axis=-1, keepdims=True)

    @property
    def rates(self) -> NDArray[np.float64]:
        """Posterior mean of the rate of each kind, ``[K, Z, A + 1]``."""
        return np.moveaxis(self.chances @ self.patterns.astype(np.float64), -1, 0)

    @property
    def errors(self) -> NDArray[np.float64]:
        """Standard deviation of each rate between uncertain worlds, ``[K, Z, A + 1]``: that of a Beta distribution."""
        rates = self.rates
        return np.sqrt(rates * (1.0 - rates) / (self.evidence.sum(axis=-1) + 1.0))

    def certain(self) -> FittedWorld:
        """The same, without uncertainty: every world has the posterior means."""
        return replace(self, uncertain=False)

    def world(self, rng: np.random.Generator) -> SettledWorld:
        """One world: its recipients, its order of coming and, when uncertain, its rates are settled."""
        n, size = len(self.types), self.circumstances.n_recipients
        rows = np.arange(n) if size is None else rng.choice(n, size, replace=size > n)
        consent, zone = self.circumstances.consent, self.circumstances.zone
        m = len(rows)
        agreed = None if consent is None else rng.permutation(m) < round(consent * m)
        population = Population(
            attributes=[self.profiles[place] for place in self.profile_of[rows].tolist()],
            types=self.types[rows],
            zones=[zone] * m,
            consents=[None] * m if agreed is None else agreed.tolist(),
        )
        chances = self.chances
        if self.uncertain:
            weights = rng.standard_gamma(self.evidence)
            chances = weights / weights.sum(axis=-1, keepdims=True)
        return SettledWorld(
            kinds=self.kinds,
            population=population,
            outcomes=OutcomeTable(self.patterns, chances),
            timing=self.timing,
            amounts=self.amounts,
            comings=self.arrivals.of(population, self.activity, rng),
            dynamics=self.circumstances.dynamics,
            zones=[zone] * len(self.type_ids),
            levels=np.zeros(m, dtype=np.int64),
            n_arms=self.evidence.shape[1] - 1,
        )


def fitted(
    feedback: LoggedFeedback,
    observed: Observed,
    *,
    variant_ids: Sequence[str] | None = None,
    nothing: str | None = None,
    by: Sequence[str] | None = None,
    circumstances: Circumstances = Circumstances(),
    prior_rows: float = PRIOR_ROWS,
    uncertain: bool = True,
) -> FittedWorld:
    """A world fitted to a history, all of whose outcomes have had the time to happen.

    The combinations of outcomes are counted in each type and arm, each row as often as its propensity says it should
    have been there (Hájek 1971), so that a policy that chose by what the types do not show biases nothing. Such
    counts stand for ``(sum w)^2 / sum w^2`` rows (Kish 1965); with equal propensities these are just the rows.
    To them `prior_rows` are added that are divided like the arm's rows of all types, and these in turn like the rows
    of all arms: a cell with few rows is like its arm, one with many like itself. The chances of a cell then have a
    Dirichlet distribution, and so the rate of each kind a Beta distribution.

    Args:
        feedback: the history.
        observed: what happened, to whom.
        variant_ids: ``A`` variants in the order of the tactic; None for those of the history.
        nothing: the history's variant that sends nothing, what holdouts are like; None: nothing happens to them.
        by: attributes whose values, crossed, are the types of recipients; None: the segments of the history are.
        circumstances: what the history does not say.
        prior_rows: strength of the prior, at least 1.
        uncertain: whether the worlds differ in their rates as much as the history leaves open.

    Raises:
        ValueError: a name that the history does not have, an outcome column of other values than 0 and 1 or another
            length, too many types, no row, or no way to know when recipients come.
    """
    kinds = tuple(observed.happened)
    checked_tree(kinds, [None] * len(kinds))
    _check(feedback, observed, prior_rows)
    row_types, type_ids = (feedback.segments, feedback.segment_ids) if by is None else _crossed(observed, by)
    arms = [_arm(feedback, variant) for variant in (variant_ids or feedback.variant_ids)]
    arms_of = (*arms, None if nothing is None else _arm(feedback, nothing))
    patterns, pattern_of = _patterns(list(observed.happened.values()))
    counts = _evidence(feedback, row_types, len(type_ids), pattern_of, len(patterns), prior_rows)
    silent = np.zeros(counts.shape[::2])
    silent[:, -1] = 1.0
    rows = _people(feedback)
    profiles, profile_of = _distinct({name: column[rows] for name, column in observed.attributes.items()}, len(rows))
    came = np.bincount(row_types, minlength=len(type_ids))
    people = np.bincount(row_types[rows], minlength=len(type_ids))
    zones = [circumstances.zone] * len(type_ids)
    shifts(circumstances.dynamics, Scene(kinds, zones, len(arms), 0, np.zeros(1, dtype=np.int64)))  # or it raises now
    given = circumstances.arrivals
    if given is None and feedback.decided_at is None:
        raise ValueError("arrivals: found a history without times; allowed one with times, or a law of arrivals")
    return FittedWorld(
        kinds=kinds,
        type_ids=tuple(type_ids),
        patterns=patterns,
        evidence=np.stack([silent if arm is None else counts[:, arm] for arm in arms_of], axis=1),
        types=row_types[rows],
        profiles=[{n: v for n, v in zip(observed.attributes, p, strict=True) if v is not None} for p in profiles],
        profile_of=profile_of,
        activity=came / np.maximum(people, 1),
        timing=Timing((FROM_DECISION,) * len(kinds), [_delay(feedback, observed, circumstances, k) for k in kinds]),
        amounts=[_amount(feedback, observed, kind, arms_of) for kind in kinds],
        arrivals=given or HourlyArrivals.observed(np.asarray(feedback.decided_at), len(rows)),
        circumstances=circumstances,
        uncertain=uncertain,
    )


def _check(feedback: LoggedFeedback, observed: Observed, prior_rows: float) -> None:
    n = len(feedback)
    if not n:
        raise ValueError("history: found no rows; allowed one or more")
    if not prior_rows >= 1.0:
        raise ValueError(f"prior_rows: found {prior_rows:g}; allowed 1 or more")
    for columns in (observed.happened, observed.amounts, observed.occurred_at, observed.attributes):
        for name, column in columns.items():
            if len(column) != n:
                raise ValueError(f"{name}: found {len(column)} rows; allowed {n}, as many as decisions")
    for kind, column in observed.happened.items():
        if not np.isin(column, (0, 1)).all():
            raise ValueError(f"{kind}: found values other than 0 and 1; allowed whether it happened")
    for kind in (*observed.amounts, *observed.occurred_at):
        if kind not in observed.happened:
            raise ValueError(f"observed: found the outcome {kind}; allowed {', '.join(observed.happened)}")


def _arm(feedback: LoggedFeedback, variant_id: str) -> int:
    if variant_id not in feedback.variant_ids:
        raise ValueError(f"variant: found {variant_id}; allowed in this history: {', '.join(feedback.variant_ids)}")
    return feedback.variant_ids.index(variant_id)


def _patterns(columns: Sequence[NDArray[np.generic]]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The combinations there are, ``[P, K]``, last that of none, and which of them each row has, ``[N]``."""
    bits = 2 ** np.arange(len(columns))[::-1]
    codes = np.column_stack([column.astype(np.bool_) for column in columns]) @ bits
    found, places = np.unique(np.append(-codes, 0), return_inverse=True)  # the highest first
    return (-found[:, np.newaxis] & bits) > 0, places[:-1]


def _evidence(
    feedback: LoggedFeedback,
    types: NDArray[np.int64],
    n_types: int,
    pattern_of: NDArray[np.int64],
    n_patterns: int,
    prior_rows: float,
) -> NDArray[np.float64]:
    """Parameters of the Dirichlet distributions, ``[Z, A, P]``."""
    shape = (n_types, feedback.n_arms, n_patterns)
    importance = 1.0 / feedback.propensities
    cells = np.ravel_multi_index((types, feedback.arms, pattern_of), shape)
    n_cells = int(np.prod(shape))
    sums: NDArray[np.float64] = np.bincount(cells, importance, n_cells).astype(np.float64).reshape(shape)
    squares: NDArray[np.float64] = np.bincount(cells, importance**2, n_cells).astype(np.float64).reshape(shape)
    overall = sums.sum(axis=(0, 1)) / sums.sum()
    of_arm = _effective(sums.sum(axis=0), squares.sum(axis=0)) + prior_rows * overall
    of_arm /= of_arm.sum(axis=-1, keepdims=True)
    return _effective(sums, squares) + prior_rows * of_arm


def _effective(sums: NDArray[np.float64], squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of importance, ``[..., P]``, made smaller so that together they are as many rows as they tell as much as."""
    total = squares.sum(axis=-1, keepdims=True)
    return sums * sums.sum(axis=-1, keepdims=True) / np.where(total > 0.0, total, 1.0)


def _people(feedback: LoggedFeedback) -> NDArray[np.intp]:
    """The last row of each recipient."""
    if feedback.recipients is None:
        return np.arange(len(feedback))
    last = np.unique(feedback.recipients[::-1], return_index=True)[1]
    return np.sort(len(feedback) - 1 - last)


def _crossed(observed: Observed, by: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Type of each row, ``[N]``, and a name for each type."""
    for name in by:
        if name not in observed.attributes:
            raise ValueError(f"by: found the attribute {name}; allowed {', '.join(observed.attributes)}")
    n = len(next(iter(observed.happened.values())))
    keys, types = _distinct({name: observed.attributes[name] for name in by}, n)
    if len(keys) > _MOST_TYPES:
        raise ValueError(f"by: found {len(keys):,} types of recipients; allowed at most {_MOST_TYPES:,}")
    return types, tuple(", ".join(f"{n} {v}" for n, v in zip(by, key, strict=True)) or "everyone" for key in keys)


Row = tuple[AttributeValue | None, ...]


def _distinct(columns: Mapping[str, NDArray[np.generic]], n: int) -> tuple[list[Row], NDArray[np.int64]]:
    """Different rows in order of their first coming, and which of them each row is, ``[n]``."""
    values = [[_value(value) for value in column.tolist()] for column in columns.values()]
    places: dict[Row, int] = {}
    which = [places.setdefault(row, len(places)) for row in (zip(*values, strict=True) if values else [()] * n)]
    return list(places), np.array(which, dtype=np.int64)


def _value(value: object) -> AttributeValue | None:
    if isinstance(value, bool | str):
        return value
    number = float(value) if isinstance(value, int | float) else np.nan
    return None if np.isnan(number) else number


def _delay(feedback: LoggedFeedback, observed: Observed, circumstances: Circumstances, kind: str) -> Delay:
    """The given delay, else the observed one; reports that are ahead of the decision's clock took no time."""
    if kind in circumstances.delays:
        return circumstances.delays[kind]
    if kind not in observed.occurred_at or feedback.decided_at is None or not observed.happened[kind].any():
        return NoDelay()
    took = (observed.occurred_at[kind] - feedback.decided_at)[observed.happened[kind].astype(np.bool_)]
    return EmpiricalDelay.observed(np.maximum(took, 0))


def _amount(
    feedback: LoggedFeedback, observed: Observed, kind: str, arms_of: Sequence[int | None]
) -> ResampledAmounts | None:
    """Amounts above 0 of those to whom it happened, by arm; importance makes up for the logging."""
    if kind not in observed.amounts:
        return None
    column = observed.amounts[kind]
    counts = observed.happened[kind].astype(np.bool_) & (column > 0)
    if not counts.any():
        return None
    rows = [np.flatnonzero(counts & (feedback.arms == arm)) for arm in arms_of]
    return ResampledAmounts([column[r].astype(np.int64) for r in rows], [1.0 / feedback.propensities[r] for r in rows])
