"""Sums of parts are the sums of the whole, without loss of digits; blocks say which rows belong together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.sums import Sums, block_numbers


def sums(columns: np.ndarray, blocks: int = 4, first: int = 0) -> Sums:
    return Sums.of(columns, (first + np.arange(columns.shape[1])) % blocks, blocks, clustered=False)


def log(n: int, recipients: np.ndarray | None = None) -> LoggedFeedback:
    return LoggedFeedback(
        ("a",), ("all",), np.zeros(n, int), np.zeros(n, int), np.ones(n), np.ones(n), recipients=recipients
    )


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_parts_add_up_to_the_whole_in_any_order(n: int, m: int, seed: int) -> None:
    columns = np.random.default_rng(seed).normal(3.0, 2.0, (3, n + m))
    whole = sums(columns)
    left, right = sums(columns[:, :n]), sums(columns[:, n:], first=n)
    for both in (left + right, right + left):
        assert both.n == whole.n
        np.testing.assert_allclose(both.means, whole.means, rtol=1e-12)
        np.testing.assert_allclose(both.products, whole.products, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(both.blocks, whole.blocks, rtol=1e-12, atol=1e-12)


def test_products_are_covariances_but_for_the_division() -> None:
    columns = np.random.default_rng(1).normal(size=(3, 50))
    np.testing.assert_allclose(sums(columns).products / 49, np.cov(columns), rtol=1e-12)


def test_little_spread_about_a_large_mean_keeps_its_digits() -> None:
    noise = np.random.default_rng(2).normal(size=(1, 4_000))
    parts = [sums(1e9 + noise[:, start : start + 100]) for start in range(0, 4_000, 100)]
    total = parts[0]
    for part in parts[1:]:
        total += part
    assert total.products[0, 0] / 3_999 == pytest.approx(noise.var(ddof=1), rel=1e-6)  # 1e9 + noise has 7 digits of it


def test_blocks_hold_their_rows_and_sums() -> None:
    found = sums(np.array([[1.0, 2.0, 4.0, 8.0, 16.0]]), blocks=3).blocks
    assert found.tolist() == [[2, 9], [2, 18], [1, 4]]


def test_sums_of_other_columns_or_blocks_do_not_add() -> None:
    with pytest.raises(ValueError, match=r"sums: found \(4, 2\); allowed \(4, 3\), the same columns and blocks"):
        sums(np.ones((2, 3))) + sums(np.ones((1, 3)))
    clustered = Sums.of(np.ones((1, 3)), np.zeros(3, int), 4, clustered=True)
    with pytest.raises(ValueError, match="the same columns and blocks"):
        sums(np.ones((1, 3))) + clustered


def test_a_short_log_has_a_block_for_every_row() -> None:
    assert block_numbers(log(5), 0, 8).tolist() == [0, 1, 2, 3, 4]
    assert block_numbers(log(3), 5, 8).tolist() == [5, 6, 7]


@given(st.integers(0, 300), st.integers(1, 100))
def test_a_rows_block_does_not_depend_on_its_chunk(cut: int, n_blocks: int) -> None:
    whole = block_numbers(log(300), 0, n_blocks)
    parts = [block_numbers(log(cut), 0, n_blocks), block_numbers(log(300 - cut), cut, n_blocks)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert whole.min() >= 0
    assert whole.max() < n_blocks


def test_rows_of_one_recipient_share_a_block() -> None:
    recipients = np.random.default_rng(3).integers(0, 2**64, 40, dtype=np.uint64, endpoint=False)
    rows = np.tile(recipients, 5)
    found = block_numbers(log(200, rows), 17, 64).reshape(5, 40)
    assert (found == found[0]).all()
    assert len(set(found[0].tolist())) > 20  # 40 recipients in 64 blocks fill 30 on average


@pytest.mark.parametrize("period", [2, 3, 64, 4_095, 4_096])
def test_rows_are_scattered_whatever_repeats_in_the_log(period: int) -> None:
    n_blocks = 64
    found = block_numbers(log(64 * 4_096), n_blocks, n_blocks)
    counts = np.bincount(found[::period], minlength=n_blocks)
    expected = counts.sum() / n_blocks
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 63 + 5 * np.sqrt(2 * 63)  # its mean and five standard deviations
