"""Sample ratios of thousands of real headline tests.

Upworthy Research Archive, exploratory set (Matias, Munger, Le Quere & Ebersole 2021, Scientific Data 8, 195):
4,873 tests of 2 to 14 headlines, shown in equal parts. Its authors withdrew those of weeks 201325 to 201401, in which
the randomisation was broken.
"""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optimizer.evaluation.ratio_mismatch import ratio_mismatch

FIRST_BROKEN, LAST_BROKEN = 201_325, 201_401


@pytest.fixture(scope="module")
def upworthy(data_folder: Path) -> pl.DataFrame:
    columns = ["clickability_test_id", "test_week", "impressions", "clicks"]
    return pl.read_csv(data_folder / "upworthy_exploratory_slim.csv.gz", columns=columns)


def test_the_archive_is_whole(upworthy: pl.DataFrame) -> None:
    assert upworthy["impressions"].sum() == 81_024_151
    assert upworthy["clicks"].sum() == 1_231_208
    assert upworthy["clickability_test_id"].n_unique() == 4_873


def test_the_weeks_of_broken_randomisation_are_found(upworthy: pl.DataFrame) -> None:
    tests = upworthy.group_by("clickability_test_id", maintain_order=True).agg("impressions", pl.col("test_week").min())
    n_arms = tests["impressions"].list.len().to_numpy()
    assert (n_arms.min(), n_arms.max()) == (2, 14)
    counts = np.array([arms + [0] * (14 - len(arms)) for arms in tests["impressions"].to_list()])
    found = ratio_mismatch(counts, (np.arange(14) < n_arms[:, None]).astype(float))
    week = tests["test_week"].to_numpy()
    is_broken = (week >= FIRST_BROKEN) & (week <= LAST_BROKEN)
    is_mismatch = found.p_values < 0.001
    assert is_broken.sum() == 1_058
    assert is_mismatch[is_broken].mean() == pytest.approx(0.70, abs=0.01)  # 735 tests
    assert is_mismatch[~is_broken].mean() == pytest.approx(0.005, abs=0.0005)  # 18 tests, where chance gives 4
    assert (found.degrees == n_arms - 1).all()
