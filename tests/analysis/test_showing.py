"""What people see: pandas frames, figures, tables in a notebook, and how far a walk has come."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pandas as pd
import polars as pl
import pytest

from optimizer.analysis import pandas_frames
from optimizer.analysis.explained import Explained
from optimizer.analysis.pandas_frames import pandas_frame
from optimizer.analysis.progress import shown_progress
from optimizer.analysis.rooms import ReadingRoom
from optimizer.analysis.sources import Read
from optimizer.analysis.views import ReportView
from optimizer.errors import ConfigurationError
from optimizer.figures.look import COLOURS
from optimizer.insights.measures.alikeness import NOT_LOOKED_AT


def test_frames_of_pandas_hold_the_same_without_pyarrow(in_the_ledger: ReadingRoom) -> None:
    assert "pyarrow" not in sys.modules
    for method in ("decisions", "outcomes", "campaigns"):
        frame, other = getattr(in_the_ledger, method)(), getattr(in_the_ledger, method)(pandas=True)
        assert isinstance(other, pd.DataFrame)
        assert list(other.columns) == frame.columns
        for name, kind in frame.schema.items():
            mine, theirs = frame[name].to_list(), other[name].tolist()
            if isinstance(kind, pl.Datetime):
                assert str(other[name].dtype) == "datetime64[us, UTC]"
                theirs = [None if pd.isna(value) else value.to_pydatetime() for value in theirs]
            elif not isinstance(kind, pl.List):
                theirs = [None if pd.isna(value) else value for value in theirs]
            assert theirs == mine, name
    decisions = in_the_ledger.decisions("winback", pandas=True)
    assert str(decisions["matured"].dtype) == "bool"
    assert str(decisions["attribute:vip"].dtype) == "boolean"
    assert decisions.groupby("variant")["reward"].sum().notna().all()
    assert len(in_the_ledger.trials("winback", pandas=True)) == len(in_the_ledger.trials("winback"))


def test_without_pandas_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> ModuleType:
        raise ImportError(name)

    monkeypatch.setattr(pandas_frames, "import_module", gone)
    with pytest.raises(ConfigurationError, match="pandas: found none; allowed after `pip install"):
        pandas_frame(pl.DataFrame())


def test_numbers_that_are_missing_stay_missing() -> None:
    frame = pl.DataFrame({"n": [1, None], "x": [None, 0.5], "on": [None, True], "what": [None, ["a"]]})
    given = pandas_frame(frame)
    assert str(given["n"].dtype) == "Int64"
    assert given["n"].isna().tolist() == [False, True]
    assert given["x"].isna().tolist() == [True, False]
    assert given["on"].isna().tolist() == [True, False]
    assert given["what"].tolist() == [None, ["a"]]


def test_the_allocation_is_a_stair_for_each_variant_and_segment(in_the_ledger: ReadingRoom) -> None:
    view = in_the_ledger.allocation("winback")
    table = view.table
    sums = table.group_by("at", "segment").agg(pl.col("allocation").sum() + pl.col("withheld").first())
    assert sums["allocation"].to_list() == pytest.approx([1.0] * len(sums))
    assert table["snapshot"].n_unique() == 6
    assert in_the_ledger.allocation("winback", points=3).table["snapshot"].n_unique() == 3
    assert set(view.newest["at"]) == {table["at"].max()}
    figure = view.figure()
    assert figure.layout.title.text == "Allocation of winback over time"
    assert figure.layout.yaxis.title.text == "share of decisions"
    assert figure.layout.xaxis2.title.text == "time of the snapshot, UTC"
    assert [note.text for note in figure.layout.annotations] == ["americans", "everyone-else"]
    assert len(figure.data) == 6
    assert [trace.line.color for trace in figure.data[:3]] == list(COLOURS[:3])
    assert {trace.line.shape for trace in figure.data} == {"hv"}
    assert sum(trace.y[-1] for trace in figure.data[:3]) == pytest.approx(1.0)
    assert "three" in view._repr_html_()


def test_a_report_has_figures_with_titles_units_and_intervals(in_the_ledger: ReadingRoom) -> None:
    view = in_the_ledger.report("winback")
    believed, lift = view.posterior_figure(), view.lift_figure()
    assert believed.layout.title.text == "What winback believes: mean and 95 % interval"
    assert believed.layout.xaxis2.title.text == "expected reward of a trial, USD"
    assert len(believed.data) == len(view.variants)
    for trace, row in zip(believed.data, view.variants.iter_rows(named=True), strict=True):
        assert trace.x[0] == row["believed"]
        assert trace.x[0] + trace.error_x.array[0] == pytest.approx(row["believed_high"])
        assert trace.x[0] - trace.error_x.arrayminus[0] == pytest.approx(row["believed_low"])
    assert lift.layout.title.text == "Lift of winback: difference and 95 % interval"
    assert lift.layout.xaxis.title.text == "more reward a trial, USD"
    assert lift.data[0].y[0] == "all segments: the learning group against the holdout"
    clicks = in_the_ledger.report("letter").lift_figure()
    assert clicks.layout.xaxis.title.text == "more reward a trial, percent of trials"
    assert clicks.layout.xaxis.tickformat == ".1%"
    html = view._repr_html_()
    assert "learning group against the holdout" in html
    assert html.count("<tr>") == 7
    unseen = NOT_LOOKED_AT in ReportView("winback", view.variants, with_interval(view.groups, None))._repr_html_()
    looked = NOT_LOOKED_AT in ReportView("winback", view.variants, with_interval(view.groups, 1.0))._repr_html_()
    assert (unseen, looked) == (True, False)


def with_interval(groups: pl.DataFrame, design: float | None) -> pl.DataFrame:
    told = {"difference": 0.1, "difference_low": 0.05, "difference_high": 0.15, "design": design}
    return groups.with_columns(pl.lit(value, pl.Float64).alias(name) for name, value in told.items())


def test_names_that_people_write_are_escaped() -> None:
    told: dict[str, Any] = {
        "decision": {
            "decision_id": "d1",
            "campaign": "<b>",
            "segment": None,
            "group": "learning",
            "variant": "<i>",
            "reason": "explore",
            "propensity": 0.25,
            "snapshot": "a:1",
            "decided_at": "2026-11-22T10:00:00Z",
        },
        "u": 0.5,
        "recomputed": {"same": None},
        "steps": [{"step": "posterior", "removed": ["<i>"], "shares": {"<i>": 0.0, "b": 1.0}, "withheld": 0.0}],
        "variants": [],
    }
    shown = Explained.of(told)
    assert str(shown) == (
        "<b> chose <i> (explore) in outside the audience, group learning, with probability 0.250; "
        "its recipient is erased"
    )
    html = shown._repr_html_()
    assert "<i>" not in html
    assert "&lt;i&gt;" in html
    assert "removed" in html


def walk(total: int, size: int) -> Any:
    for done in range(size, total + 1, size):
        yield Read(pl.DataFrame({"n": [done]}), done, total)


def test_progress_goes_where_somebody_looks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(list(shown_progress(walk(100_000, 10_000), "reading", None))) == 10
    assert capsys.readouterr() == ("", "")  # no terminal
    shown: list[str] = []

    def begin(text: str, *, display_id: bool) -> Any:
        assert display_id
        shown.append(text)
        return SimpleNamespace(update=shown.append)

    display = SimpleNamespace(HTML=str, display=begin)
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell, display=display))
    assert len(list(shown_progress(walk(100_000, 50_000), "reading", None))) == 2
    assert shown[0].endswith("0 of 100,000")
    assert shown[-1].endswith("100,000 of 100,000")
    shown.clear()
    list(shown_progress(walk(1_000, 100), "reading", None))  # too short to be shown
    assert shown == []
    list(shown_progress(walk(1_000, 100), "reading", True))
    assert len(shown) == 11
