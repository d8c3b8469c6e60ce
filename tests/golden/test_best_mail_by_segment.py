"""Which mail for whom: the plug-in optimum on Hillstrom's customers beside its honest value, by a slow calculation.

Hillstrom's e-mail test (2008), 64,000 customers. Segments are past purchases (men's, women's) x newcomer x channel, 18
of them; the reward is a visit. The calculation here goes row by row and fold by fold, with whole columns of scores, and
shares only the folds with the code it checks.
"""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.crossfit import fold_of
from optimizer.evaluation.policy_learning import LearnedPolicy, best_by_segment
from optimizer.evaluation.reward_models import SHRINKAGE

FOLDS = 5
MAILS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")


@pytest.fixture(scope="module")
def log(data_folder: Path) -> LoggedFeedback:
    columns = ["mens", "womens", "newbie", "channel", "segment", "visit"]
    table = pl.read_csv(data_folder / "hillstrom.csv.gz", columns=columns)
    strata = table.select(pl.concat_str("mens", "womens", "newbie", "channel", separator=" ").alias("s"))["s"]
    names = sorted(strata.unique())
    return LoggedFeedback(
        variant_ids=MAILS,
        segment_ids=tuple(names),
        arms=np.array([MAILS.index(mail) for mail in table["segment"]]),
        segments=np.searchsorted(np.array(names), strata.to_numpy()),
        propensities=np.full(len(table), 1 / 3),
        rewards=table["visit"].to_numpy().astype(float),
    )


@pytest.fixture(scope="module")
def learned(log: LoggedFeedback) -> LearnedPolicy:
    return best_by_segment(log.chunks(10_000), folds=FOLDS)


def scores_of(log: LoggedFeedback, judged: np.ndarray, taught: np.ndarray) -> np.ndarray:
    """Doubly robust scores of some rows, by shrunken means of some others, ``[rows, A]``."""
    q = np.empty((len(log.segment_ids), 3))
    overall = log.rewards[taught].mean()
    for arm in range(3):
        of_arm = log.rewards[taught & (log.arms == arm)]
        arm_mean = (of_arm.sum() + SHRINKAGE * overall) / (len(of_arm) + SHRINKAGE)
        for segment in range(len(q)):
            of_cell = log.rewards[taught & (log.arms == arm) & (log.segments == segment)]
            q[segment, arm] = (of_cell.sum() + SHRINKAGE * arm_mean) / (len(of_cell) + SHRINKAGE)
    scores = q[log.segments[judged]]
    chosen = log.arms[judged]
    rows = np.arange(len(scores))
    scores[rows, chosen] += 3.0 * (log.rewards[judged] - scores[rows, chosen])
    return scores


def best_of(scores: np.ndarray, segments: np.ndarray) -> np.ndarray:
    return np.array([scores[segments == segment].mean(axis=0).argmax() for segment in range(segments.max() + 1)])


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def test_the_plug_in_value_is_the_best_of_what_was_seen(log: LoggedFeedback, learned: LearnedPolicy) -> None:
    everybody = np.ones(len(log), bool)
    scores = scores_of(log, everybody, everybody)
    chosen = scores[np.arange(len(log)), best_of(scores, log.segments)[log.segments]]
    assert (learned.plug_in.value, learned.plug_in.standard_error) == pytest.approx(mean_and_error(chosen), rel=1e-9)


def test_the_honest_value_is_that_of_policies_that_did_not_see_the_rows(
    log: LoggedFeedback, learned: LearnedPolicy
) -> None:
    fold = fold_of(log, 0, FOLDS, 0)
    values = []
    for here in range(FOLDS):
        parts = [
            (scores_of(log, fold == there, (fold != here) & (fold != there)), log.segments[fold == there])
            for there in range(FOLDS)
            if there != here
        ]
        best = best_of(np.concatenate([scores for scores, _ in parts]), np.concatenate([of for _, of in parts]))
        judged = scores_of(log, fold == here, fold != here)
        values.append(judged[np.arange(len(judged)), best[log.segments[fold == here]]])
    expected = mean_and_error(np.concatenate(values))
    assert (learned.honest.value, learned.honest.standard_error) == pytest.approx(expected, rel=1e-9)


def test_what_the_optimum_promises_is_not_there(log: LoggedFeedback, learned: LearnedPolicy) -> None:
    """By the plain plug-in, the best visit rate of each segment, choosing gains; honestly, nothing is left of it."""
    table = pl.DataFrame({"s": log.segments, "a": log.arms, "r": log.rewards})
    rates = table.group_by("s", "a").agg(pl.col("r").mean()).group_by("s").agg(pl.col("r").max())
    plain = table.join(rates, on="s", suffix="_best")["r_best"].mean()
    men_for_all = log.rewards[log.arms == 1].mean()
    assert men_for_all == pytest.approx(0.18275684, abs=1e-8)
    assert plain == pytest.approx(0.184742, abs=1e-6)
    assert learned.plug_in.value == pytest.approx(0.184756, abs=1e-6)
    assert learned.honest.value == pytest.approx(0.181418, abs=1e-6)
    assert learned.honest.standard_error == pytest.approx(0.002626, abs=1e-6)
