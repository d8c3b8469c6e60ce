"""The dict of the Open Bandit Pipeline, as it makes it and as it is written here."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from optimizer.errors import InvalidRequest
from optimizer.history.obp import THEIR_PROPENSITY, obp_dict, obp_table
from optimizer.history.opening import History, open_history
from optimizer.history.table import in_memory


def theirs(**changes: Any) -> dict[str, Any]:
    return {
        "n_rounds": 3,
        "n_actions": 4,
        "action": np.array([3, 0, 1]),
        "position": np.array([0, 2, 0]),
        "reward": np.array([1, 0, 1]),
        THEIR_PROPENSITY: np.array([0.25, 0.5, 0.125]),
        "context": np.array([[0.5, 1.0], [0.25, 0.0], [0.125, 2.0]]),
        "action_context": np.eye(4),
        **changes,
    }


def test_their_dict_is_read_by_its_keys() -> None:
    log = History(obp_table(theirs())).feedback()
    assert log.variant_ids == ("0", "1", "2", "3")
    assert log.arms.tolist() == [3, 0, 1]
    assert [log.segment_ids[segment] for segment in log.segments] == ["0", "2", "0"]
    assert log.propensities.tolist() == [0.25, 0.5, 0.125]
    assert log.rewards.tolist() == [1.0, 0.0, 1.0]
    assert log.feature_names == ("x0", "x1")
    assert log.features.tolist() == [[0.5, 1.0], [0.25, 0.0], [0.125, 2.0]]


def test_position_and_context_may_be_missing(tmp_path: Path) -> None:
    log = History(obp_table(theirs(position=None, context=None))).feedback()
    assert (log.segment_ids, log.feature_names) == (("everyone",), ())
    np.savez(tmp_path / "log.npz", **{k: v for k, v in theirs().items() if k not in {"position", "context"}})
    assert open_history(tmp_path / "log.npz").feedback().segment_ids == ("everyone",)


@pytest.mark.parametrize("key", ["action", "reward", THEIR_PROPENSITY, "n_actions"])
def test_a_dict_without_what_is_needed_says_what_is_missing(key: str) -> None:
    with pytest.raises(InvalidRequest, match=f"history: found no {key}; allowed arrays n_actions, action, reward"):
        obp_table(theirs(**{key: None}))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "log.npz", **theirs(action=np.array([1, None, 2], dtype=object)))
    with pytest.raises(InvalidRequest, match=r"history\.file: found .*log\.npz: .*allow_pickle"):
        open_history(tmp_path / "log.npz")


def test_a_file_that_is_no_archive_is_said(tmp_path: Path) -> None:
    (tmp_path / "log.npz").write_text("hello")
    with pytest.raises(InvalidRequest, match=r"history\.file: found .*log\.npz"):
        open_history(tmp_path / "log.npz")


def test_our_dict_has_their_keys_with_what_they_mean() -> None:
    frame = pl.DataFrame(
        {
            "variant": ["b", "a"],
            "segment": ["x", "y"],
            "propensity": [0.5, 0.25],
            "reward": [1.0, 0.0],
            "attribute:zip": ["u", "r"],
        }
    )
    history = History(in_memory(frame))
    found = obp_dict(history.frame.collect(), history.feedback(), history.standard_mapping)
    assert (found["n_rounds"], found["n_actions"]) == (2, 2)
    assert (found["action"].tolist(), found["position"].tolist()) == ([1, 0], [0, 1])
    assert (found["reward"].tolist(), found[THEIR_PROPENSITY].tolist()) == ([1.0, 0.0], [0.5, 0.25])
    assert found["context"].tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert found["action_context"].shape == (2, 2)
