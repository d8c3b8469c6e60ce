"""Logged feedback refuses what no log can be, and its chunks are the log."""

import numpy as np
import pytest

from optimizer.domain.feedback import LoggedFeedback, joined


def feedback(n: int = 7, **changes: object) -> LoggedFeedback:
    columns = {
        "variant_ids": ("a", "b"),
        "segment_ids": ("all",),
        "arms": np.arange(n) % 2,
        "segments": np.zeros(n, np.int64),
        "propensities": np.full(n, 0.5),
        "rewards": np.arange(n, dtype=np.float64),
        "features": np.arange(2.0 * n).reshape(n, 2),
        "feature_names": ("x", "y"),
        "decided_at": np.arange(n),
        "outcomes": {"unsubscribed": np.arange(n) / 10},
    }
    return LoggedFeedback(**{**columns, **changes})  # type: ignore[arg-type]


def test_chunks_joined_are_the_log() -> None:
    log = feedback()
    parts = log.chunks(3)
    assert [len(part) for part in parts] == [3, 3, 1]
    again = joined(parts)
    for name in ("arms", "segments", "propensities", "rewards", "features", "decided_at"):
        np.testing.assert_array_equal(getattr(again, name), getattr(log, name))
    np.testing.assert_array_equal(again.outcomes["unsubscribed"], log.outcomes["unsubscribed"])
    assert again.recipients is None


def test_rows_are_taken_from_every_column() -> None:
    some = feedback().taken(np.array([5, 1]))
    assert some.rewards.tolist() == [5.0, 1.0]
    assert some.features[:, 0].tolist() == [10.0, 2.0]
    assert some.outcomes["unsubscribed"].tolist() == [0.5, 0.1]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"propensities": np.zeros(7)}, "propensities: found 0 to 0; allowed above 0 and at most 1"),
        ({"propensities": np.full(7, 1.5)}, "propensities: found 1.5 to 1.5"),
        ({"propensities": np.full(7, np.nan)}, "propensities: found nan"),
        ({"arms": np.full(7, 2)}, "arms: found 2 to 2; allowed 0 to 1"),
        ({"segments": np.full(7, -1)}, "segments: found -1 to -1; allowed 0 to 0"),
        ({"rewards": np.zeros(6)}, "rewards: found 6 rows; allowed 7"),
        ({"outcomes": {"opened": np.zeros(1)}}, "opened: found 1 rows; allowed 7"),
        ({"feature_names": ("x",)}, r"features: found shape \(7, 2\); allowed \[7, 1\]"),
    ],
)
def test_what_no_log_can_be_is_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        feedback(**changes)


def test_parts_of_different_logs_are_not_joined() -> None:
    with pytest.raises(ValueError, match="allowed chunks of one log"):
        joined([feedback(), feedback(variant_ids=("a", "c"))])
    with pytest.raises(ValueError, match="found none"):
        joined([])
