"""Reading piece by piece: where the pieces end must not show."""

import gzip
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.history.logs import assert_same

from optimizer.errors import InvalidRequest
from optimizer.history import csv
from optimizer.history.mapping import Mapping
from optimizer.history.opening import History, open_history
from optimizer.history.table import Table

MAPPING = Mapping.model_validate({"variant": "mail", "reward": "visit", "propensity": 0.5})


@given(st.lists(st.integers(0, 7), max_size=8), st.integers(1, 5))
def test_chunks_have_their_size_however_the_batches_come(sizes: list[int], size: int) -> None:
    n = sum(sizes) + 1
    frame = pl.DataFrame({"mail": ["a"] * n, "visit": [float(row) for row in range(n)]})
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    pieces = [frame[start : start + length] for start, length in zip(starts, sizes, strict=True)]
    table = Table(frame.schema, lambda columns: (piece.select(columns) for piece in [*pieces, frame[n - 1 :]]))
    chunks = list(History(table, MAPPING).chunks(size))
    assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
    assert [reward for chunk in chunks for reward in chunk.rewards] == [float(row) for row in range(n)]


@pytest.mark.parametrize("block", [7, 16, 40, 1000])
@pytest.mark.parametrize("file", ["log.csv", "log.csv.gz"])
def test_a_line_break_within_quotes_ends_no_row(
    block: int, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'mail,visit\n"first\nmail, said ""hi""",1\nplain,2\n"two\n\n\nlines",3\nlast,4'
    (tmp_path / file).write_bytes(gzip.compress(text.encode()) if file.endswith(".gz") else text.encode())
    whole = open_history(tmp_path / file, MAPPING).feedback()
    assert set(whole.variant_ids) == {'first\nmail, said "hi"', "plain", "two\n\n\nlines", "last"}
    assert whole.rewards.tolist() == [1.0, 2.0, 3.0, 4.0]
    monkeypatch.setattr(csv, "_BLOCK", block)
    assert_same(open_history(tmp_path / file, MAPPING).feedback(), whole)


def test_a_quote_that_is_never_closed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log.csv").write_text('mail,visit\n"a,1\n' + "b,1\n" * 100)
    monkeypatch.setattr(csv, "_BLOCK", 16)
    monkeypatch.setattr(csv, "_MOST_QUOTED", 64)
    with pytest.raises(InvalidRequest, match=r"log\.csv: a quote that is not closed"):
        open_history(tmp_path / "log.csv", MAPPING).feedback()
