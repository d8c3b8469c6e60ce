"""Folds keep recipients together, and samples do not depend on how a log was cut."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.crossfit import Sample, fold_of, learned_from, numbered, ranks_of, sample


def a_log(n: int, recipients: np.ndarray | None = None) -> LoggedFeedback:
    return LoggedFeedback(
        variant_ids=("a", "b"),
        segment_ids=("all",),
        arms=np.arange(n) % 2,
        segments=np.zeros(n, np.int64),
        propensities=np.full(n, 0.5),
        rewards=np.arange(n, dtype=np.float64),
        recipients=recipients,
    )


@given(
    recipients=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=30),
    folds=st.integers(1, 7),
    seed=st.integers(0, 2**32),
    first_row=st.integers(0, 10**12),
)
def test_recipients_never_straddle_folds(recipients: list[int], folds: int, seed: int, first_row: int) -> None:
    twice = np.array(recipients * 2, dtype=np.uint64)
    of_rows = fold_of(a_log(len(twice), twice), first_row, folds, seed)
    assert of_rows.min() >= 0
    assert of_rows.max() < folds
    for recipient in set(recipients):
        assert len(set(of_rows[twice == np.uint64(recipient)])) == 1


@given(n=st.integers(1, 60), size=st.integers(1, 60), folds=st.integers(1, 7), seed=st.integers(0, 99))
def test_folds_of_chunks_are_folds_of_the_log(n: int, size: int, folds: int, seed: int) -> None:
    log = a_log(n)
    of_chunks = [fold_of(chunk, i * size, folds, seed) for i, chunk in enumerate(log.chunks(size))]
    np.testing.assert_array_equal(np.concatenate(of_chunks), fold_of(log, 0, folds, seed))


def test_folds_are_even_and_do_not_follow_a_period_of_the_log() -> None:
    n, folds = 100_000, 5
    of_rows = fold_of(a_log(n), 0, folds, seed=3)
    for period in (1, 2, 3, 5, 10, 64):
        for phase in range(min(period, 5)):
            counts = np.bincount(of_rows[phase::period], minlength=folds)
            rows = counts.sum()
            assert np.abs(counts - rows / folds).max() < 4.5 * np.sqrt(rows * 0.2 * 0.8)


def test_another_seed_makes_other_folds() -> None:
    log = a_log(10_000)
    same = (fold_of(log, 0, 5, 1) == fold_of(log, 0, 5, 2)).mean()
    assert abs(same - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 10_000)


def test_folds_and_ranks_do_not_tell_of_each_other() -> None:
    log = a_log(50_000)
    low = ranks_of(log, 0, 0) < np.uint64(2**63)
    counts = np.bincount(fold_of(log, 0, 5, 0)[low], minlength=5)
    assert np.abs(counts - counts.sum() / 5).max() < 4 * np.sqrt(counts.sum() * 0.2 * 0.8)


def test_numbered_rows_have_the_folds_of_their_places() -> None:
    log = a_log(50)
    chunks = list(numbered(log.chunks(7)))
    of_numbered = np.concatenate([fold_of(chunk, 0, 4, 9) for chunk in chunks])
    np.testing.assert_array_equal(of_numbered, fold_of(log, 0, 4, 9))


def test_recipients_of_a_log_stay_when_it_is_numbered() -> None:
    log = a_log(4, np.array([7, 7, 8, 9], dtype=np.uint64))
    assert next(iter(numbered([log]))).recipients is log.recipients


def test_a_fold_learns_from_all_others_and_a_single_one_from_itself() -> None:
    assert learned_from(3).tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert learned_from(1).tolist() == [[1]]


@settings(max_examples=50)
@given(n=st.integers(1, 80), size=st.integers(1, 80), most=st.integers(1, 20), folds=st.integers(1, 4))
def test_a_sample_does_not_depend_on_how_the_log_was_cut(n: int, size: int, most: int, folds: int) -> None:
    log = a_log(n)
    whole, cut = Sample.of(log, 0, folds, 5, most), sample(log.chunks(size), folds, 5, most)
    np.testing.assert_array_equal(cut.rows.rewards, whole.rows.rewards)
    np.testing.assert_array_equal(cut.folds, whole.folds)
    counts = np.bincount(fold_of(log, 0, folds, 5), minlength=folds)
    np.testing.assert_array_equal(np.bincount(cut.folds, minlength=folds), np.minimum(counts, most))


def test_every_row_is_as_likely_to_be_sampled() -> None:
    log = a_log(100)
    drawn = np.zeros(100)
    for seed in range(400):
        drawn[Sample.of(log, 0, 1, seed, 25).rows.rewards.astype(int)] += 1
    # 100 binomials of 400 draws at 1/4: 4.2 standard errors leave a chance of .003 that one is outside
    assert np.abs(drawn - 100).max() < 4.2 * np.sqrt(400 * 0.25 * 0.75)


def test_a_log_without_rows_is_refused() -> None:
    for chunks in ([], [replace(a_log(3)).taken(slice(0, 0))]):
        with pytest.raises(ValueError, match="chunks: found no rows; allowed one or more"):
            sample(chunks, 2, 0, 10)
