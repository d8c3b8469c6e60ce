"""Histories that only have counts: a row for each variant of each test, with its trials and successes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError
from pydantic import Field

from optimizer.domain.feedback import LoggedFeedback
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.columns import EVERYONE, UNUSABLE
from optimizer.history.mapping import Column
from optimizer.strategy.fields import Document

_TEST, _VARIANT, _TRIALS, _SUCCESSES, _LABEL = "test", "variant", "trials", "successes", "label:"


class CountsMapping(Document):
    """Which column says what where a row stands for many trials."""

    test: Column
    variant: Column | None = Field(default=None, description="by default the place of the row within its test, from 1")
    trials: Column
    successes: Column
    labels: tuple[Column, ...] = Field(default=(), description="further columns to tell tests apart by, such as a week")


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Trials and successes of ``R`` arms in ``T`` tests.

    Attributes:
        test_ids: ``T`` names, in the order of the file.
        tests: ``[R]``, index of each arm's test.
        variant_ids: ``R`` names, each once within its test.
        trials, successes: ``[R]``.
        labels: further columns by name, ``[R]`` texts each.
        unusable: rows left out, by reason.
    """

    test_ids: tuple[str, ...]
    tests: NDArray[np.int64]
    variant_ids: tuple[str, ...]
    trials: NDArray[np.int64]
    successes: NDArray[np.int64]
    labels: Mapping[str, NDArray[np.str_]]
    unusable: Mapping[str, int]

    def __len__(self) -> int:
        """``T``."""
        return len(self.test_ids)

    def arms_of(self, test: int) -> NDArray[np.intp]:
        """The rows of one test, by its index."""
        return np.flatnonzero(self.tests == test)

    def feedback(self, test: int, rng: np.random.Generator) -> LoggedFeedback:
        """One test as if each trial had been logged, in an order drawn by chance; each variant equally likely.

        Args:
            test: index of the test.
            rng: draws the order, which counts do not know.

        Raises:
            ValueError: the test has no trial.
        """
        rows = self.arms_of(test)
        trials, successes = self.trials[rows], self.successes[rows]
        n = int(trials.sum())
        if n == 0:
            raise ValueError(f"test {self.test_ids[test]}: found no trials; allowed one or more")
        arms = np.repeat(np.arange(len(rows)), trials)
        places = np.arange(n) - np.repeat(np.cumsum(trials) - trials, trials)  # of each trial within its arm
        order = rng.permutation(n)
        return LoggedFeedback(
            variant_ids=tuple(self.variant_ids[row] for row in rows),
            segment_ids=(EVERYONE,),
            arms=arms[order],
            segments=np.zeros(n, dtype=np.int64),
            propensities=np.full(n, 1.0 / len(rows)),
            rewards=(places < np.repeat(successes, trials)).astype(np.float64)[order],
            propensity_source="constant",
        )


def read_counts(path: Path, mapping: CountsMapping, place: str = "history") -> Counts:
    """Counts from a CSV (also gzipped) or Parquet file; all of it in memory, as it has a row for each arm only.

    Raises:
        InvalidRequest: it cannot be read, or a column is not there.
    """
    try:
        raw = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    except (OSError, PolarsError) as error:
        said = str(error).split("\n", maxsplit=1)[0]
        raise InvalidRequest(RequestFinding(f"{place}.file", f"{path}: {said}", "a CSV or Parquet file")) from error
    _check(raw, mapping, place)
    rows = raw.select(
        pl.col(mapping.test).cast(pl.String).alias(_TEST),
        pl.col(mapping.trials).cast(pl.Int64, strict=False).alias(_TRIALS),
        pl.col(mapping.successes).cast(pl.Int64, strict=False).alias(_SUCCESSES),
        (pl.lit(None, pl.String) if mapping.variant is None else pl.col(mapping.variant).cast(pl.String)).alias(
            _VARIANT
        ),
        *(pl.col(label).cast(pl.String).alias(_LABEL + label) for label in mapping.labels),
    ).with_columns(_reason(named=mapping.variant is not None).alias(UNUSABLE))
    usable = rows.filter(pl.col(UNUSABLE).is_null())
    if mapping.variant is None:
        usable = usable.with_columns((pl.int_range(pl.len()).over(_TEST) + 1).cast(pl.String).alias(_VARIANT))
    test_ids = usable[_TEST].unique(maintain_order=True).to_list()
    return Counts(
        test_ids=tuple(test_ids),
        tests=usable[_TEST].replace_strict(test_ids, list(range(len(test_ids))), return_dtype=pl.Int64).to_numpy(),
        variant_ids=tuple(usable[_VARIANT].to_list()),
        trials=usable[_TRIALS].to_numpy(),
        successes=usable[_SUCCESSES].to_numpy(),
        labels={label: np.array(usable[_LABEL + label].fill_null("").to_list(), str) for label in mapping.labels},
        unusable=dict(sorted(Counter(rows[UNUSABLE].drop_nulls().to_list()).items())),
    )


def _reason(*, named: bool) -> pl.Expr:
    trials, successes = pl.col(_TRIALS), pl.col(_SUCCESSES)
    reasons = [
        ("missing test", pl.col(_TEST).is_null()),
        ("missing variant", pl.col(_VARIANT).is_null() & named),
        ("missing count", trials.is_null() | successes.is_null()),
        ("negative count", (trials < 0) | (successes < 0)),
        ("more successes than trials", successes > trials),
        ("variant twice in its test", pl.struct(_TEST, _VARIANT).is_first_distinct().not_() & named),
    ]
    chain: pl.Expr = pl.lit(None, dtype=pl.String)
    for reason, applies in reversed(reasons):
        chain = pl.when(applies).then(pl.lit(reason)).otherwise(chain)
    return chain


def _check(raw: pl.DataFrame, mapping: CountsMapping, place: str) -> None:
    wanted = {"test": mapping.test, "trials": mapping.trials, "successes": mapping.successes}
    wanted |= {} if mapping.variant is None else {"variant": mapping.variant}
    wanted |= {f"labels[{n}]": label for n, label in enumerate(mapping.labels)}
    allowed = f"one of the columns {', '.join(raw.columns)}"
    findings = [
        RequestFinding(f"{place}.{key}", repr(column), allowed)
        for key, column in wanted.items()
        if column not in raw.columns
    ]
    if findings:
        raise InvalidRequest(*findings)
