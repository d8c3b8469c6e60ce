"""Evaluate: what fixed policies would have earned on a log, by sums over its chunks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.betting import BettingSequence
from optimizer.evaluation.bounded import Bets, value_ranges
from optimizer.evaluation.diagnostics import Diagnostics, diagnosed
from optimizer.evaluation.empirical_bernstein import empirical_bernstein
from optimizer.evaluation.estimates import Estimate, Interval, estimates
from optimizer.evaluation.estimators.every import ESTIMATORS
from optimizer.evaluation.estimators.lift import Lift
from optimizer.evaluation.estimators.logged_mean import LoggedMean
from optimizer.evaluation.normal import normal_interval
from optimizer.evaluation.partials import Partial, sums_of
from optimizer.evaluation.reward_models import RewardModel
from optimizer.evaluation.settings import BOUNDED, Settings
from optimizer.evaluation.targets import TargetPolicy
from optimizer.evaluation.verdicts import Claim, Verdict, verdict

__all__ = ["Estimate", "Evaluation", "Judgement", "Partial", "Settings", "concluded", "evaluate", "sums_of"]

HEADLINES = ("dr", "snips", "ips")  # estimators that are right on average, the one to quote first


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the log says about one policy.

    Attributes:
        estimates: by estimator.
        lifts: how much more that is than the log's own mean reward, by estimator.
        headline: the estimator to quote, and the one that the verdict is about.
        diagnostics: what to know before it is believed.
        verdict: whether it may be acted upon.
    """

    estimates: Mapping[str, Estimate]
    lifts: Mapping[str, Estimate]
    headline: str
    diagnostics: Diagnostics
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a log says about policies.

    Attributes:
        n: decisions in the log.
        logged: mean reward of the log itself.
        judgements: by target policy.
    """

    n: int
    logged: Estimate
    judgements: Mapping[str, Judgement]


def evaluate(
    chunks: Iterable[LoggedFeedback],
    targets: Mapping[str, TargetPolicy],
    settings: Settings = Settings(),  # noqa: B008 -- frozen
    reward_model: RewardModel | None = None,
) -> Evaluation:
    """Estimates of the reward per decision that each target policy would have had, from a log of another.

    Never holds more than a chunk. Chunks may be of any size: how the log is cut makes no difference but rounding.

    Args:
        chunks: the log, one or more rows.
        targets: policies to judge, by name; one or more.
        settings: which estimators and intervals.
        reward_model: for ``dm``, ``dr``, ``sndr`` and ``switch_dr``; without it they are left out.

    Raises:
        ValueError: the log or the targets are empty, an estimator was asked for that needs a model, or an interval that
            needs independent rows or bounds that the log does not keep to.
    """
    total: Partial | None = None
    bets = Bets.begin(targets, settings) if "betting" in settings.intervals else None
    first_row = 0
    for chunk in chunks:
        if len(chunk) == 0:
            continue
        part = sums_of(chunk, targets, settings, reward_model, first_row)
        total = part if total is None else total + part
        bets = None if bets is None else bets.after(chunk, targets)
        first_row += len(chunk)
    if total is None:
        raise ValueError("chunks: found no rows; allowed one or more")
    return concluded(total, settings, bets)


def concluded(partial: Partial, settings: Settings, bets: Bets | None = None) -> Evaluation:
    """The evaluation of all rows that were summed.

    Args:
        partial: of the whole log.
        settings: which intervals; all else was settled when the chunks were summed.
        bets: for ``betting`` intervals, which follow the rows in their order and so are no sums.

    Raises:
        ValueError: an interval was asked for that needs bets, independent rows, or bounds that the log does not keep
            to.
    """
    _check_bounded(partial, settings, bets)
    chosen = [ESTIMATORS[name] for name in partial.estimators]
    asked = [LoggedMean(), *chosen, *map(Lift, chosen)]
    judgements = {}
    for target, sums in partial.sums.items():
        logged, *found = estimates(asked, partial.columns, sums, settings)
        values = dict(zip(partial.estimators, found[: len(chosen)], strict=True))
        lifts = dict(zip(partial.estimators, found[len(chosen) :], strict=True))
        for name, value_range in value_ranges(settings).items():
            if name in values:
                sequence = None if bets is None else bets.sequences[target][name]
                values[name] = _with_bounded(values[name], sums.n, value_range, sequence, settings)
        judgements[target] = _judgement(values, lifts, diagnosed(partial.diagnostics[target]), settings)
    return Evaluation(sums.n, logged, judgements)


def _check_bounded(partial: Partial, settings: Settings, bets: Bets | None) -> None:
    asked = [name for name in settings.intervals if name in BOUNDED]
    if not asked:
        return
    if "betting" in asked and bets is None:
        raise ValueError("intervals: found betting without bets; allowed other intervals, or `evaluate` in one go")
    if any(sums.clustered for sums in partial.sums.values()):
        allowed = "normal, bootstrap, where a log knows recipients: rows of one are not independent"
        raise ValueError(f"intervals: found {asked[0]}; allowed {allowed}")
    for target, sums in partial.diagnostics.items():
        if sums.largest_weight > settings.largest_weight * (1.0 + 1e-9):
            found = f"an importance weight of {sums.largest_weight:g} for {target}"
            raise ValueError(f"largest_weight: found {found}; allowed {settings.largest_weight:g}, as the settings say")


def _with_bounded(
    estimate: Estimate, n: int, value_range: Interval, sequence: BettingSequence | None, settings: Settings
) -> Estimate:
    """The estimate with those intervals of bounded means that were asked for."""
    intervals = dict(estimate.intervals)
    if "empirical_bernstein" in settings.intervals:
        variance = n * estimate.standard_error**2
        bounds = empirical_bernstein(n, estimate.value, variance, value_range, settings.level)
        intervals["empirical_bernstein"] = (float(bounds.low), float(bounds.high))
    if sequence is not None:
        intervals["betting"] = sequence.interval
    return replace(estimate, intervals=intervals)


def _judgement(
    values: Mapping[str, Estimate], lifts: Mapping[str, Estimate], diagnostics: Diagnostics, settings: Settings
) -> Judgement:
    """Values with a verdict on the one to quote, which the others that are right on average should agree with."""
    unbiased = [name for name in HEADLINES if name in values]
    headline = unbiased[0] if unbiased else next(iter(values))
    claims = []
    for name in dict.fromkeys([headline, *unbiased]):
        estimate = values[name]
        low, high = normal_interval(estimate.value, estimate.standard_error, settings.level)
        claims.append(Claim(name, estimate.value, estimate.standard_error, low, high))
    lift = normal_interval(lifts[headline].value, lifts[headline].standard_error, settings.level)
    return Judgement(values, lifts, headline, diagnostics, verdict(diagnostics, claims, lift))
