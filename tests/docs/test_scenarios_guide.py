"""The guide to scenarios: what it shows runs, and what exists is in it."""

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.main import get_command

from optimizer.cli.main import app
from optimizer.scenarios import documents, worlds
from optimizer.scenarios.histories import HistoryFile
from optimizer.scenarios.notebook import Findings, Scenario
from optimizer.scenarios.reading import read_scenario
from optimizer.strategy.fields import Document

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", GUIDE, re.DOTALL))
PYTHON = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)

MODELS = [
    model
    for room in (documents, worlds)
    for _, model in inspect.getmembers(room, inspect.isclass)
    if issubclass(model, Document) and model.__module__ == room.__name__ and model is not documents.Learning
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The guide's files, and a log that fits its mapping."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    rng = np.random.default_rng(2)
    n = 1_000
    mails = rng.choice(["A", "B"], n, p=[0.6, 0.4])
    frame = {
        "mail": mails,
        "bought": (rng.random(n) < np.where(mails == "A", 0.3, 0.2)).astype(int),
        "p": np.where(mails == "A", 0.6, 0.4),
        "country": rng.choice(["US", "CA"], n),
        "customer": np.arange(n),
        "age": rng.integers(18, 80, n),
    }
    pl.DataFrame(frame).write_csv(tmp_path / "log.csv")
    return tmp_path


def test_the_guide_shows_scenarios_and_python() -> None:
    assert set(FILES) == {"rehearsal.yaml", "judge.yaml"}
    assert GUIDE.count("```yaml") == len(FILES)
    assert len(PYTHON) == 1


@pytest.mark.parametrize("name", FILES)
def test_the_scenarios_shown_have_no_mistake(folder: Path, name: str) -> None:
    assert read_scenario(folder / name).document.question


@pytest.mark.slow
def test_the_python_shown_runs_and_shows_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(compile(PYTHON[0], "docs/scenarios.md", "exec"), names)
    found: Findings = names["found"]
    assert found.table().columns[:3] == ["policy", "guardrails", "reward"]
    assert len(found.table()) == 5 * 3
    assert set(found.frame()["measure"]) >= {"reward", "regret", "spend", "lift_true"}
    assert found.differences()["measure"].n_unique() == 5
    assert found.to_json() == (folder / "out" / "result.json").read_text()
    assert "Does learning pay" in found._repr_html_()
    assert names["judged"].result.judged[0].sentence
    assert names["judged"].table()["policy"].to_list() == ["offer-for-all", "best-by-country", "as-it-was"]


def test_the_history_shown_is_replayed(folder: Path) -> None:
    found = Scenario.read(folder / "judge.yaml").replay()
    assert found.table()["policy"].to_list() == ["learning"]
    assert found.frame()["measure"].to_list() == ["reward", "accepted"]


@pytest.mark.parametrize("model", [*MODELS, HistoryFile], ids=lambda model: model.__name__)
def test_every_key_is_in_the_guide(model: type[Document]) -> None:
    written = model.keys()
    assert [key for key in written if f"`{key}`" not in GUIDE and not re.search(rf"\b{key}: ", GUIDE)] == []


def words_of(schema: dict[str, Any]) -> list[str]:
    found = [*schema.get("enum", []), schema.get("const"), *schema.get("items", {}).get("enum", [])]
    return [word for word in found if isinstance(word, str)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_word_a_key_can_be_set_to_is_in_the_guide(model: type[Document]) -> None:
    keys = model.model_json_schema().get("properties", {})
    words = [word for entry in keys.values() for part in (entry, *entry.get("anyOf", [])) for word in words_of(part)]
    assert [word for word in words if f"`{word}`" not in GUIDE and f": {word}" not in GUIDE] == []


def test_every_option_and_command_in_the_guide_exists() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert set(re.findall(r"\boptimizer ([a-z]+)\b", GUIDE)) <= set(commands)
    options = {option for name in ("simulate", "evaluate") for param in commands[name].params for option in param.opts}
    assert set(re.findall(r"(--[a-z]+)\b", GUIDE)) <= options
    assert {"--replay", "--jobs", "--backend", "--scheduler", "--out", "--seed", "--replications"} <= options
