"""The example notebook runs from top to bottom on a ledger with a history, and is committed without what it shows."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "first-look.ipynb"


def test_the_notebook_is_small_and_has_no_outputs() -> None:
    assert NOTEBOOK.stat().st_size < 20_000
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
def test_the_notebook_runs(
    shop: Any, database_of_the_shop: str, workspace: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTIMIZER_DATABASE_URL", database_of_the_shop)
    monkeypatch.setenv("OPTIMIZER_SECRET", "correct horse battery staple 0123456789")
    monkeypatch.setenv("OPTIMIZER_WORKSPACE", str(workspace()))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kernel's client is another project's
        from nbclient import NotebookClient

        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output for output in shown if output.output_type == "error"] == []
    assert [output.text for output in shown if output.get("name") == "stderr"] == []
    figures = [output.data["application/vnd.plotly.v1+json"] for output in shown if _is_figure(output)]
    titles = [figure["layout"]["title"]["text"] for figure in figures]
    assert titles == [
        "Allocation of winback over time",
        "What winback believes: mean and 95 % interval",
        "Lift of winback: difference and 95 % interval",
    ]
    html = "".join(output.data["text/html"] for output in shown if "text/html" in output.get("data", {}))
    assert "it comes out the same again" in html
    assert "an equal split" in html
    assert "person-" not in html


def _is_figure(output: Any) -> bool:
    return "application/vnd.plotly.v1+json" in output.get("data", {})
