"""Out and in again without loss: every standard column, in every format."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from tests.unit.history.logs import assert_same, rows, standard_frames

from optimizer.errors import InvalidRequest
from optimizer.history.opening import History, open_history
from optimizer.history.table import in_memory
from optimizer.history.writing import write_history

FORMATS = ["log.parquet", "log.dsjson", "log.dsjson.gz", "log.npz"]


@pytest.mark.parametrize("file", FORMATS)
@given(frame=standard_frames())
def test_a_history_comes_back_as_it_was_written(file: str, frame: pl.DataFrame, tmp_path: Path) -> None:
    before = History(in_memory(frame))
    write_history(before, tmp_path / file)
    after = open_history(tmp_path / file)
    assert after.unusable == {}
    assert (
        rows(after.frame.collect())
        == rows(before.frame.collect())
        == rows(frame.select(before.frame.collect().columns))
    )
    assert after.frame.collect_schema() == before.frame.collect_schema()
    assert_same(after.feedback(), before.feedback())


@given(frame=standard_frames())
def test_chunks_are_the_whole_in_pieces(frame: pl.DataFrame) -> None:
    history = History(in_memory(frame))
    whole, pieces = history.feedback(), list(history.chunks(2))
    assert [len(piece) for piece in pieces[:-1]] == [2] * (len(pieces) - 1)
    start = 0
    for piece in pieces:
        assert_same(piece, whole.taken(slice(start, start + len(piece))))
        start += len(piece)
    assert start == len(whole)


@pytest.mark.parametrize("file", FORMATS)
def test_a_written_history_keeps_what_it_says_of_its_propensities(file: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"variant": ["a", "b", "b", "a", "b"], "propensity": [0.5] * 5, "reward": [1.0, 0, 0, 1, 0]})
    table = in_memory(frame)
    mapping = History(table).mapping.model_validate(
        {"variant": "variant", "reward": "reward", "propensity": "estimate"}
    )
    before = History(table, mapping)
    assert before.feedback().propensities.tolist() == [0.4, 0.6, 0.6, 0.4, 0.6]
    write_history(before, tmp_path / file)
    assert_same(open_history(tmp_path / file).feedback(), before.feedback())
    assert before.feedback().propensity_source == "estimated"


def test_variants_and_segments_nobody_got_keep_their_place(tmp_path: Path) -> None:
    frame = pl.DataFrame({"variant": ["b"], "segment": ["z"], "propensity": [0.5], "reward": [1.0]})
    before = History(in_memory(frame))
    names = {"variants": {"c": "c", "b": "b", "a": "a"}, "segments": ("z", "y")}
    before = History(in_memory(frame), before.mapping.model_copy(update=names))
    for file in FORMATS:
        write_history(before, tmp_path / file)
        log = open_history(tmp_path / file).feedback()
        assert (log.variant_ids, log.segment_ids, log.arms.tolist()) == (("c", "b", "a"), ("z", "y"), [1])


def test_a_write_that_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    frame = pl.DataFrame({"variant": ["a"], "propensity": [2.0], "reward": [1.0]})
    target = tmp_path / "log.npz"
    target.write_text("something dear")
    with pytest.raises(InvalidRequest, match="1 propensity above 1"):
        write_history(History(in_memory(frame)), target)
    assert target.read_text() == "something dear"
    assert [path.name for path in tmp_path.iterdir()] == ["log.npz"]


def test_only_formats_that_can_be_read_again_are_written(tmp_path: Path) -> None:
    frame = pl.DataFrame({"variant": ["a"], "propensity": [1.0], "reward": [1.0]})
    with pytest.raises(InvalidRequest, match=r"file: found log\.csv; allowed a file that ends in \.parquet"):
        write_history(History(in_memory(frame)), tmp_path / "log.csv")
