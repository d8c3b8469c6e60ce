"""What a history teaches a campaign before it begins: counts of each variant, or a prior learned from all of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.counts import Counts
from optimizer.history.mapping import Mapping
from optimizer.history.opening import History, open_history
from optimizer.policy.learned_prior import LearnedPrior, learned_prior
from optimizer.scenarios.histories import open_part
from optimizer.scenarios.reading import SCENARIOS, read_scenario
from optimizer.strategy.fields import ID_PATTERN


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """What was tried, and how often it succeeded.

    Attributes:
        variant_ids: ``A`` names.
        trials, successes: ``[A, G]``, by variant and by group: the segments of a log, or the tests of an archive.
    """

    variant_ids: tuple[str, ...]
    trials: NDArray[np.float64]
    successes: NDArray[np.float64]

    def prior(self) -> LearnedPrior:
        """The Beta that the rates of all these arms look drawn from.

        Raises:
            InvalidRequest: they are too few, or all alike in never or always succeeding.
        """
        try:
            return learned_prior(self.trials.ravel(), self.successes.ravel())
        except ValueError as error:
            found, _, allowed = str(error).partition("; allowed ")
            raise InvalidRequest(RequestFinding("history", found.partition("found ")[2], allowed)) from error


def named_history(what: Path, data: Path | None, columns: dict[str, str]) -> History:
    """The history of a scenario, or a log alone of which some columns are named.

    Args:
        what: a scenario or a log.
        data: where else to look for a scenario's history.
        columns: `variant` and `reward`, and `segment` perhaps; none where the file says so itself.

    Raises:
        InvalidRequest: the scenario has no history, a column is missing, or the file cannot be read.
    """
    if what.suffix in SCENARIOS:
        read = read_scenario(what)
        if read.document.history is None:
            raise InvalidRequest(RequestFinding("history", "a scenario without one", f"the key history in {what.name}"))
        return open_part(read.document.history, read.folder, data)
    if not columns:
        return open_history(what)
    missing = [name for name in ("variant", "reward") if name not in columns]
    if missing:
        raise InvalidRequest(RequestFinding(f"--{missing[0]}", "none", f"a column of {what}, as others are named"))
    return open_history(what, Mapping.model_validate({**columns, "propensity": "estimate"}))


def tried_in(history: History) -> Tried:
    """What a log has tried, by variant and segment; read in flat memory. A success is a reward above 0."""
    found = history.contents
    shape = (len(found.variant_ids), len(found.segment_ids))
    trials, successes = np.zeros(shape), np.zeros(shape)
    for chunk in history.chunks():
        places = (chunk.arms, chunk.segments)
        np.add.at(trials, places, 1.0)
        np.add.at(successes, places, (chunk.rewards > 0.0).astype(np.float64))
    return Tried(found.variant_ids, trials, successes)


def tried_in_counts(counts: Counts) -> Tried:
    """What an archive of tests has tried: each variant of each test, in its order."""
    variant_ids = tuple(dict.fromkeys(counts.variant_ids))
    arm_of = {name: arm for arm, name in enumerate(variant_ids)}
    arms = np.array([arm_of[name] for name in counts.variant_ids], np.int64)
    trials, successes = (np.zeros((len(variant_ids), len(counts))) for _ in range(2))
    np.add.at(trials, (arms, counts.tests), counts.trials)
    np.add.at(successes, (arms, counts.tests), counts.successes)
    return Tried(variant_ids, trials, successes)


def warm_start_block(tried: Tried, weight: float) -> str:
    """The part of a campaign's document that begins with these counts, in YAML."""
    totals = zip(tried.variant_ids, tried.trials.sum(axis=1), tried.successes.sum(axis=1), strict=True)
    lines = ["policy:", "  warm_start:", f"    weight: {weight:g}", "    variants:"]
    lines += [f"      {_name(name)}: {{trials: {n:.0f}, successes: {k:.0f}}}" for name, n, k in totals if n > 0]
    return "\n".join(lines)


def prior_block(prior: LearnedPrior) -> str:
    """The part of a document that begins with a prior, in YAML; numbers of four digits."""
    return f"policy:\n  prior: {{successes: {prior.successes:.4g}, failures: {prior.failures:.4g}}}"


def _name(variant_id: str) -> str:
    plain = all(re.match(ID_PATTERN, part) for part in variant_id.split(":")) and ":" not in variant_id
    return variant_id if plain and not variant_id.isdigit() else json.dumps(variant_id, ensure_ascii=False)
