"""A damaged file is a finding that names it, whatever the damage; never anything else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from optimizer.errors import OptimizerError
from optimizer.history.opening import SUFFIXES, open_history

N = 30
LINE = {
    "_label_cost": -1.0,
    "_label_probability": 0.5,
    "_label_Action": 1,
    "_labelIndex": 0,
    "Timestamp": "2026-01-01T00:00:00Z",
    "Version": "1",
    "EventId": "e",
    "a": [1, 2],
    "c": {"User": {"x": 1}, "_multi": [{"id": "a"}, {"id": "b"}]},
    "p": [0.5, 0.5],
}
INSERTED = [
    b"\0",
    b"\xff\xfe",
    b'"',
    b",",
    b"\n",
    b"\r",
    b"[",
    b"{",
    b"1e999",
    b"nan",
    b"null",
    b"9" * 400,
    b"\xef\xbb\xbf",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A good file of each format, by suffix."""
    folder = tmp_path_factory.mktemp("whole")
    frame = pl.DataFrame(
        {
            "recipient": [f"r{n}" for n in range(N)],
            "segment": ["s"] * N,
            "variant": ["a", "b"] * (N // 2),
            "propensity": [0.5] * N,
            "reward": [0.0, 1.0] * (N // 2),
            "attribute:x": [1.5] * N,
        }
    )
    frame.write_csv(folder / "h.csv")
    frame.write_csv(folder / "h.tsv", separator="\t")
    frame.write_parquet(folder / "h.parquet")
    (folder / "h.dsjson").write_text("\n".join([json.dumps(LINE)] * N))
    propensity = {"p" + "score": np.full(N, 0.5)}
    np.savez(
        folder / "h.npz", n_rounds=N, n_actions=2, action=np.zeros(N, int), reward=np.ones(N), context=np.ones((N, 2)),
        **propensity,
    )  # fmt: skip
    for suffix in (".csv", ".tsv", ".dsjson"):
        (folder / f"h{suffix}.gz").write_bytes(gzip.compress((folder / f"h{suffix}").read_bytes()))
    return {suffix: (folder / f"h{suffix}").read_bytes() for suffix in SUFFIXES}


def read(file: Path) -> bool:
    """Whether anything could be made of a file."""
    try:
        history = open_history(file)
        history.feedback()
        history.summary()
    except OptimizerError as error:
        said = str(error)
    else:
        return True
    assert "allowed" in said
    return False


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_whole_file_is_read(whole: dict[str, bytes], tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"h{suffix}").write_bytes(whole[suffix])
    assert read(tmp_path / f"h{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 50), st.one_of(st.sampled_from(INSERTED), st.binary(max_size=4))),
        min_size=1,
        max_size=3,
    )
)
@example(edits=[(0.0, 10_000_000, b"")])
@example(edits=[(0.5, 10_000_000, b"")])
@example(edits=[(0.5, 1, b"\xdc")])
@example(edits=[(0.95, 20, b"")])
def test_a_damaged_one_is_read_or_refused(
    whole: dict[str, bytes], tmp_path: Path, suffix: str, edits: list[tuple[float, int, bytes]]
) -> None:
    data = whole[suffix]
    for where, n_removed, inserted in edits:
        at = int(where * len(data))
        data = data[:at] + inserted + data[at + n_removed :]
    (tmp_path / f"h{suffix}").write_bytes(data)
    read(tmp_path / f"h{suffix}")
