"""What a scenario found: every number of its tables and figures, written so that equal runs give equal bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from optimizer.errors import ConfigurationError
from optimizer.scenarios.learning_outlook import SegmentLearning
from optimizer.scenarios.whole_files import write_whole

Kind = Literal["rehearsal", "replay", "evaluation"]

FORMAT = 1  # of the file; another number, another meaning
LIBRARIES = ("optimizer", "numpy", "scipy", "polars", "scikit-learn")


@dataclass(frozen=True, slots=True)
class Measured:
    """A mean over replications.

    Attributes:
        mean: the mean.
        standard_error: of the mean; None with fewer than two replications.
        low, high: 95 % interval of the mean by Student's t; None with fewer than two.
    """

    mean: float
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """Days until something happened, where in some replications it never did.

    Attributes:
        share: share of the replications in which it happened.
        median: days by which it had happened in half of all of them; None when in fewer.
        low, high: the same for 5 % and 95 % of them.
    """

    share: float
    median: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """Something over time.

    Attributes:
        at: days since the rehearsal began, or rows that were kept; ``T``, increasing.
        mean: over replications, ``T``.
        low, high: 5 % and 95 % of the replications lie below, ``T``.
    """

    at: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Belief:
    """What was believed of a variant in the end, of replications together.

    Attributes:
        mean: expected net reward, in reward units, a mean over replications; likewise all that follows.
        low, high: 90 % of the posterior lies between them.
        quantiles: of the posterior, at `optimizer.simulation.runs.QUANTILES`.
        prob_best: probability of being the best.
    """

    mean: float
    low: float
    high: float
    quantiles: tuple[float, ...]
    prob_best: float


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One policy under one set of guardrails.

    Attributes:
        policy, guardrails: their names.
        measures: by name, per rehearsal: reward, expected_reward, regret, spend, decisions, sends,
            reward_per_decision, snapshots, over_budget (steps after which a limit was exceeded: 0), and where there
            are holdouts lift_true, lift_measured, lift_standard_error.
        reasons: decisions by reason.
        blocks: decisions from which a rule removed at least one variant, by rule.
        events: what guardrails did and people answered, by action.
        outcomes: how many of each kind.
        by_variant: ``sends``, and the outcomes of those, by variant.
        first_done: days until something was first done to the campaign, by action and subject, such as
            ``pause winback/ten-percent``.
        days_to_answer: until one variant was best with a probability of .9, by segment.
        learning: what the audience can learn before the campaign ends, by segment.
        curves: by name, over days: reward, regret, spend, sends, price, paced_spend, pacing_target. The first four
            count from the beginning. What a replication does not know somewhere is left out there.
        allocation: share of each variant over days, by segment and variant.
        beliefs: in the end, by segment and variant.
    """

    policy: str
    guardrails: str
    measures: Mapping[str, Measured]
    reasons: Mapping[str, Measured] = field(default_factory=dict)
    blocks: Mapping[str, Measured] = field(default_factory=dict)
    events: Mapping[str, Measured] = field(default_factory=dict)
    outcomes: Mapping[str, Measured] = field(default_factory=dict)
    by_variant: Mapping[str, Mapping[str, Measured]] = field(default_factory=dict)
    first_done: Mapping[str, Reached] = field(default_factory=dict)
    days_to_answer: Mapping[str, Reached] = field(default_factory=dict)
    learning: Mapping[str, SegmentLearning] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    allocation: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)
    beliefs: Mapping[str, Mapping[str, Belief]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One case less another, paired by replication: both met the same world and the same chance.

    Attributes:
        policy, guardrails: the case.
        than_policy, than_guardrails: the case it is compared with.
        measure: of what.
        difference: the mean difference.
        relative: that, as a share of the other's mean; None when that is zero.
    """

    policy: str
    guardrails: str
    than_policy: str
    than_guardrails: str
    measure: str
    difference: Measured
    relative: float | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """One learning policy, replayed on the history.

    Attributes:
        policy: its name.
        method: rejection or doubly_robust.
        reward: mean reward of a decision, over permutations; its interval is of their chance alone.
        accepted: share of the rows on which policy and log agreed, over permutations.
        standard_error_of_one: of one permutation's mean reward: by how much another log might have differed.
        equal_split: mean reward of a decision with an equal split; None where only rejection replay would know.
        best_fixed, best_variant: of the variant that did best alone, in hindsight; likewise.
        curve: mean reward so far, over rows of the log.
        allocation: in the end, a mean over permutations, by segment and variant.
    """

    policy: str
    method: str
    reward: Measured
    accepted: Measured
    standard_error_of_one: float
    equal_split: float | None = None
    best_fixed: float | None = None
    best_variant: str | None = None
    curve: Curve | None = None
    allocation: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Estimated:
    """One estimator's value of a policy: reward per decision."""

    value: float | None
    standard_error: float | None
    intervals: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Judged:
    """One fixed policy, judged on the history.

    Attributes:
        policy: its name.
        word: trust, weak or refuse.
        sentence: the verdict, for people.
        reasons: what speaks against it.
        headline: the estimator to quote, and the one the verdict is about.
        estimates: by estimator.
        lift: how much more that is than what was logged, by estimator.
        diagnostics: numbers by their names in `optimizer.evaluation.diagnostics.Diagnostics`; ``unsupported`` and
            ``calibration`` are lists of (segment, variant, share, times shown) and (segment, variant, recovered, z);
            ``weights`` has the number of ``zeros``, and of weights between each two ``edges`` their ``counts``.
        plug_in: value of a learned policy on the rows it was learned from, which flatters it; None for others.
        shares: of each variant, by segment, where the policy has fixed shares.
        level: how often each interval is to hold the truth.
    """

    policy: str
    word: str
    sentence: str
    reasons: tuple[str, ...]
    estimates: Mapping[str, Estimated]
    lift: Mapping[str, Estimated] = field(default_factory=dict)
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    headline: str = ""
    plug_in: float | None = None
    shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class HistoryRead:
    """What became of the rows of a history.

    Attributes:
        file: its name.
        rows: rows in it.
        usable: those that were used.
        unusable: the others, by reason.
        propensity_source: logged, constant or estimated.
        mean_reward: of the usable rows; None where nobody has added it up.
        decisions: usable rows, by segment and variant.
    """

    file: str
    rows: int
    usable: int
    unusable: Mapping[str, int]
    propensity_source: str
    mean_reward: float | None = None
    decisions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """Everything a scenario found.

    Attributes:
        kind: which question was asked.
        scenario, question: of the scenario.
        seed, replications: that were used.
        config_hash: 64 hex digits over what the scenario and the documents say, and the seed and replications used.
        versions: of the libraries that computed it.
        campaign, objective, currency: None where the scenario has no campaign.
        reward_currency: of a rehearsal's rewards where they are amounts; None where they are counted.
        variants, segments: ids.
        days: how long the rehearsals lasted; None for the other kinds.
        notes: what the reader should know, such as policies that this question cannot be asked of.
        history: what was read; None without a history.
        rehearsed, differences: of a rehearsal.
        replayed: of a replay.
        judged: of an evaluation.
    """

    kind: Kind
    scenario: str
    question: str | None
    seed: int
    replications: int
    config_hash: str
    versions: Mapping[str, str]
    campaign: str | None
    objective: str | None
    currency: str | None
    variants: tuple[str, ...]
    segments: tuple[str, ...]
    days: float | None = None
    notes: tuple[str, ...] = ()
    history: HistoryRead | None = None
    rehearsed: tuple[Rehearsed, ...] = ()
    differences: tuple[Difference, ...] = ()
    replayed: tuple[Replayed, ...] = ()
    judged: tuple[Judged, ...] = ()
    reward_currency: str | None = None
    format: int = FORMAT


def versions() -> dict[str, str]:
    """Versions of the libraries whose numbers these are."""
    return {name: version(name) for name in LIBRARIES}


def result_bytes(result: Result) -> bytes:
    """The result as JSON: keys in the documents' order, floats short yet exact, None for what is not a number."""
    text = json.dumps(_finite(asdict(result)), indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def write_result(result: Result, path: Path) -> None:
    """Write the result, all of it or nothing."""
    write_whole(path, result_bytes(result))


def read_result(path: Path) -> Result:
    """A result that was written.

    Raises:
        ConfigurationError: there is none, or it is not a result of this format.
    """
    allowed = "a result.json that `optimizer simulate` or `optimizer evaluate` wrote"
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: found {error.strerror}; allowed {allowed}") from None
    except ValueError:
        raise ConfigurationError(f"{path}: found something that is not JSON; allowed {allowed}") from None
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise ConfigurationError(f"{path}: format: found {found}; allowed {FORMAT}: {allowed}")
    try:
        return _adapter().validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigurationError(f"{path}: {place}: found {first['msg']}; allowed {allowed}") from None


@cache
def _adapter() -> TypeAdapter[Result]:
    return TypeAdapter(Result)


def _finite(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _finite(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_finite(item) for item in node]
    if isinstance(node, float) and not math.isfinite(node):
        return None
    return node
