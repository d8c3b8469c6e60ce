"""Judge a scenario's fixed policies on its history: chunks of it are summed wherever there is room, and add."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import inf, isfinite
from typing import Literal

import numpy as np

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.bounded import Bets
from optimizer.evaluation.diagnostics import Diagnostics
from optimizer.evaluation.evaluating import Estimate, Judgement, Partial, concluded, sums_of
from optimizer.evaluation.fitted_models import reward_model
from optimizer.evaluation.policy_learning import LearnedPolicy, best_by_model, best_by_segment
from optimizer.evaluation.propensities import PropensityModel, propensity_model, with_estimated
from optimizer.evaluation.reward_models import RewardModel
from optimizer.evaluation.settings import BOUNDED, Settings
from optimizer.evaluation.targets import Logged, SegmentShares, TargetPolicy
from optimizer.history.columns import RECIPIENT
from optimizer.history.opening import History
from optimizer.scenarios.choosers import fixed_shares
from optimizer.scenarios.documents import Evaluate, PolicyEntry
from optimizer.scenarios.result import Estimated, Judged
from optimizer.scenarios.spreading import Workers


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """Policies that are judged together, and on what rows.

    Attributes:
        targets: by name.
        settings: how.
        on_numbered: whether they must know which rows they were not learned from. Numbers stand for recipients, and
            rows of recipients are taken for dependent: others are judged without.
    """

    targets: Mapping[str, TargetPolicy]
    settings: Settings
    on_numbered: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Unit:
    chunk: LoggedFeedback
    questions: tuple[_Question, ...]
    model: RewardModel | None
    first_row: int


@dataclass(frozen=True, slots=True, eq=False)
class _Chunks:
    """The history in chunks, as often as it is asked for.

    Attributes:
        size: rows of a chunk, at most.
        propensities: what estimates them where the history has none; each row's by a model that never saw it.
    """

    history: History
    size: int
    propensities: PropensityModel | None = None

    def __iter__(self) -> Iterator[LoggedFeedback]:
        first_row = 0
        for chunk in self.history.chunks(self.size):
            if len(chunk):
                model = self.propensities
                yield chunk if model is None else with_estimated(chunk, first_row, model).feedback
                first_row += len(chunk)

    def estimated(self, folds: int, seed: int) -> _Chunks:
        """The same with propensities by segment and features, or by segment alone where there are none."""
        has_features = any(chunk.feature_names for chunk in islice(self, 1))
        kind: Literal["features", "segments"] = "features" if has_features else "segments"
        return replace(self, propensities=propensity_model(self, kind, folds, seed))


def judgements(
    history: History, policies: Sequence[PolicyEntry], written: Evaluate, seed: int, workers: Workers
) -> tuple[tuple[Judged, ...], float]:
    """What the history says about each policy, and its own mean reward; holds a few chunks at a time.

    Raises:
        ValueError: a policy names what the history does not have, or a setting does not fit it.
    """
    chunks = _Chunks(history, written.chunk_rows)
    if history.mapping.propensity.estimate:
        chunks = chunks.estimated(written.folds, seed)
    learned = {policy.name: _learned(policy, chunks, written, seed) for policy in policies}
    targets = {policy.name: _target(policy, history, learned[policy.name]) for policy in policies}
    questions = _questions(targets, learned, _settings(written, history, seed))
    model = None
    if written.reward_model != "none":
        kind = None if written.reward_model == "auto" else written.reward_model
        model = reward_model(chunks, kind, written.folds, seed)
    bets = {
        place: Bets.begin(question.targets, question.settings)
        for place, question in enumerate(questions)
        if "betting" in question.settings.intervals
    }
    totals: list[Partial] = []
    units = _units(chunks, questions, model, bets)
    for parts in workers.results("judging", _partials, units, _n_chunks(history, written.chunk_rows)):
        totals = [one + other for one, other in zip(totals, parts, strict=True)] if totals else list(parts)
    if not totals:
        raise ValueError("history: found no rows; allowed some that can be used")
    found: dict[str, Judgement] = {}
    for place, (question, total) in enumerate(zip(questions, totals, strict=True)):
        evaluation = concluded(total, question.settings, bets.get(place))
        found |= evaluation.judgements
    judged = [_judged(policy, history, found[policy.name], learned[policy.name], written.level) for policy in policies]
    return tuple(judged), evaluation.logged.value


def _questions(
    targets: Mapping[str, TargetPolicy], learned: Mapping[str, LearnedPolicy | None], settings: Settings
) -> tuple[_Question, ...]:
    unbounded = tuple(name for name in settings.intervals if name not in BOUNDED) or ("normal",)
    plain = {name: target for name, target in targets.items() if learned[name] is None}
    others = {name: target for name, target in targets.items() if learned[name] is not None}
    questions = (
        _Question(plain, settings, on_numbered=False),
        _Question(others, replace(settings, intervals=unbounded), on_numbered=True),
    )
    return tuple(question for question in questions if question.targets)


def _units(
    chunks: Iterable[LoggedFeedback],
    questions: tuple[_Question, ...],
    model: RewardModel | None,
    bets: dict[int, Bets],
) -> Iterator[_Unit]:
    """A unit for each chunk; betting sequences follow the rows in order, so they are kept here, as chunks go by."""
    first_row = 0
    for chunk in chunks:
        for place, sequence in bets.items():
            bets[place] = sequence.after(chunk, questions[place].targets)
        yield _Unit(chunk, questions, model, first_row)
        first_row += len(chunk)


def _partials(unit: _Unit) -> tuple[Partial, ...]:
    return tuple(
        sums_of(
            _numbered(unit.chunk, unit.first_row) if question.on_numbered else unit.chunk,
            question.targets,
            question.settings,
            unit.model,
            unit.first_row,
        )
        for question in unit.questions
    )


def _numbered(chunk: LoggedFeedback, first_row: int) -> LoggedFeedback:
    """The chunk with recipients: its own, or each row's place in the log, which settles its fold."""
    if chunk.recipients is not None:
        return chunk
    return replace(chunk, recipients=np.arange(first_row, first_row + len(chunk), dtype=np.uint64))


def _n_chunks(history: History, size: int) -> int:
    found = history.contents
    return -(-(found.rows - sum(found.unusable.values())) // size)


def _settings(written: Evaluate, history: History, seed: int) -> Settings:
    has_recipients = RECIPIENT in history.frame.collect_schema()
    bounded = () if written.reward_range is None or has_recipients else BOUNDED
    said = history.mapping.propensity
    smallest = min(said.shares.values()) if said.shares else said.constant
    return Settings(
        level=written.level,
        bootstraps=written.bootstraps,
        seed=seed,
        weight_clip=written.clip,
        switch_at=written.switch_at,
        estimators=tuple(written.estimators or ()),
        intervals=tuple(written.intervals or ("normal", "bootstrap", *bounded)),
        reward_range=written.reward_range,
        largest_weight=inf if smallest is None else 1.0 / smallest,
    )


def _learned(policy: PolicyEntry, chunks: _Chunks, written: Evaluate, seed: int) -> LearnedPolicy | None:
    if policy.learned is None:
        return None
    kind = None if written.reward_model in ("auto", "none") else written.reward_model
    if policy.learned.by == "segment":
        return best_by_segment(chunks, kind or "cells", written.folds, seed)
    return best_by_model(chunks, kind, written.folds, seed)


def _target(policy: PolicyEntry, history: History, learned: LearnedPolicy | None) -> TargetPolicy:
    if learned is not None:
        return learned.cross_fitted
    found = history.contents
    shares = fixed_shares(policy, found.segment_ids, found.variant_ids)
    return Logged() if shares is None else SegmentShares(shares)


def _judged(
    policy: PolicyEntry, history: History, found: Judgement, learned: LearnedPolicy | None, level: float
) -> Judged:
    contents = history.contents
    shares = fixed_shares(policy, contents.segment_ids, contents.variant_ids)
    return Judged(
        policy=policy.name,
        word=found.verdict.word,
        sentence=found.verdict.sentence,
        reasons=found.verdict.reasons,
        headline=found.headline,
        estimates={name: _estimated(one) for name, one in found.estimates.items()},
        lift={name: _estimated(one) for name, one in found.lifts.items()},
        diagnostics=_diagnostics(found.diagnostics),
        plug_in=None if learned is None else learned.plug_in.value,
        shares={}
        if shares is None
        else {
            segment: {v: float(share) for v, share in zip(contents.variant_ids, shares[place], strict=True)}
            for place, segment in enumerate(contents.segment_ids)
        },
        level=level,
    )


def _estimated(one: Estimate) -> Estimated:
    known = {name: ends for name, ends in one.intervals.items() if all(map(isfinite, ends))}
    return Estimated(one.value, one.standard_error, known)


def _diagnostics(found: Diagnostics) -> dict[str, object]:
    """Numbers by their names in `Diagnostics`, and small tables as lists."""
    numbers = (
        "n",
        "effective_sample_size",
        "largest_weight",
        "largest_share",
        "top_share",
        "mean_weight",
        "mean_weight_z",
        "smallest_propensity",
        "unsupported_mass",
        "ratio_mismatch",
    )
    tables = {
        "unsupported": [(one.segment_id, one.variant_id, one.target_share, one.shown) for one in found.unsupported],
        "calibration": [(one.segment_id, one.variant_id, one.recovered, one.z) for one in found.calibration],
    }
    histogram = found.weights
    used = [place for place, count in enumerate(histogram.counts.tolist()) if count] or [0]
    first, last = used[0], used[-1] + 1
    weights = {
        "zeros": histogram.zeros,
        "edges": tuple(histogram.edges[first : last + 1].tolist()),
        "counts": tuple(histogram.counts[first:last].tolist()),
    }
    return {**{name: getattr(found, name) for name in numbers}, **tables, "weights": weights}
