from pathlib import Path

import numpy as np
import pytest

from optimizer.errors import InvalidRequest
from optimizer.history.counts import Counts, CountsMapping, read_counts

MAPPING = CountsMapping(test="test", trials="shown", successes="clicked", labels=("week",))
ROWS = "test,shown,clicked,week,name\nt2,4,1,8,x\nt1,3,3,7,x\nt2,6,0,8,y\nt1,0,0,7,y\n"


def counts(folder: Path, text: str = ROWS, mapping: CountsMapping = MAPPING) -> Counts:
    (folder / "counts.csv").write_text(text)
    return read_counts(folder / "counts.csv", mapping)


def test_rows_become_arms_of_their_test(tmp_path: Path) -> None:
    found = counts(tmp_path)
    assert (len(found), found.test_ids) == (2, ("t2", "t1"))
    assert found.tests.tolist() == [0, 1, 0, 1]
    assert found.variant_ids == ("1", "1", "2", "2")
    assert found.arms_of(0).tolist() == [0, 2]
    assert found.labels["week"].tolist() == ["8", "7", "8", "7"]
    named = counts(tmp_path, mapping=MAPPING.model_copy(update={"variant": "name"}))
    assert named.variant_ids == ("x", "x", "y", "y")


def test_rows_that_cannot_be_used_are_counted_by_reason(tmp_path: Path) -> None:
    text = ROWS + ",1,1,1,x\nt3,many,1,1,x\nt3,1,2,1,y\nt3,-1,-2,1,z\nt1,5,1,7,x\nt3,1,1,1,\n"
    found = counts(tmp_path, text, MAPPING.model_copy(update={"variant": "name"}))
    assert found.unusable == {
        "missing count": 1,
        "missing test": 1,
        "missing variant": 1,
        "more successes than trials": 1,
        "negative count": 1,
        "variant twice in its test": 1,
    }
    assert len(found.trials) == 4


def test_a_test_can_be_played_as_a_log_in_an_order_of_chance(tmp_path: Path) -> None:
    found = counts(tmp_path)
    log = found.feedback(0, np.random.Generator(np.random.PCG64(1)))
    assert np.bincount(log.arms).tolist() == [4, 6]
    assert [log.rewards[log.arms == arm].sum() for arm in (0, 1)] == [1.0, 0.0]
    assert set(log.propensities) == {0.5}
    orders = {found.feedback(0, np.random.Generator(np.random.PCG64(seed))).arms.tobytes() for seed in range(20)}
    assert len(orders) > 10


def test_a_test_without_trials_is_no_log(tmp_path: Path) -> None:
    found = counts(tmp_path, "test,shown,clicked,week\nt1,0,0,7\n")
    with pytest.raises(ValueError, match="test t1: found no trials; allowed one or more"):
        found.feedback(0, np.random.Generator(np.random.PCG64(1)))


def test_a_column_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        counts(tmp_path, mapping=MAPPING.model_copy(update={"trials": "views"}))
    assert str(caught.value) == (
        "history.trials: found 'views'; allowed one of the columns test, shown, clicked, week, name"
    )
    with pytest.raises(InvalidRequest, match=r"history\.file: found .*none\.csv"):
        read_counts(tmp_path / "none.csv", MAPPING)
