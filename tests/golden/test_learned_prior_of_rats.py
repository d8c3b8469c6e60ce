"""Tumours in 71 groups of rats: Gelman et al., Bayesian Data Analysis, 3rd edition, table 5.1 (Tarone 1982)."""

import numpy as np
import pytest

from optimizer.policy.learned_prior import learned_prior

RATS = """
0/20 0/20 0/20 0/20 0/20 0/20 0/20 0/19 0/19 0/19 0/19 0/18 0/18 0/17 1/20 1/20 1/20 1/20 1/19 1/19 1/18 1/18 2/25 2/24
2/23 2/20 2/20 2/20 2/20 2/20 2/20 1/10 5/49 2/19 5/46 3/27 2/17 7/49 7/47 3/20 3/20 2/13 9/48 10/50 4/20 4/20 4/20 4/20
4/20 4/20 4/20 10/48 4/19 4/19 4/19 5/22 11/46 12/49 5/20 5/20 6/23 5/19 6/22 6/20 6/20 6/20 16/52 15/47 15/46 9/24 4/14
"""


def test_the_mode_is_where_the_book_has_it() -> None:
    pairs = [pair.split("/") for pair in RATS.split()]
    assert len(pairs) == 71
    with_tumours, rats = (np.array(column, np.float64) for column in zip(*pairs, strict=True))
    found = learned_prior(rats, with_tumours)
    # "approximately (-1.75, 2.8)", read off a contour plot whose grid has steps of about .03 and .1 (figure 5.3).
    assert np.log(found.successes / found.failures) == pytest.approx(-1.75, abs=0.06)
    assert np.log(found.successes + found.failures) == pytest.approx(2.8, abs=0.1)
