import json
from dataclasses import replace
from pathlib import Path

import pytest

from optimizer.errors import ConfigurationError
from optimizer.scenarios.result import (
    Curve,
    Estimated,
    HistoryRead,
    Judged,
    Measured,
    Reached,
    Rehearsed,
    Result,
    read_result,
    result_bytes,
    versions,
    write_result,
)

RESULT = Result(
    kind="rehearsal",
    scenario="small",
    question="Does naïveté pay?",
    seed=1,
    replications=2,
    config_hash="ab",
    versions=versions(),
    campaign="mail",
    objective="buy",
    currency="USD",
    variants=("a", "b"),
    segments=("all",),
    days=2.0,
    history=HistoryRead("log.csv", 3, 2, {"no variant": 1}, "constant", 0.1 + 0.2),
    rehearsed=(
        Rehearsed(
            "learning",
            "as_written",
            {"reward": Measured(1 / 3, 0.1, 0.0, 1.0), "spend": Measured(2.0)},
            days_to_answer={"all": Reached(0.5, None, 1.0, None)},
            curves={"reward": Curve((1.0, 2.0), (0.5, 1 / 3), (0.0, 0.0), (1.0, 1.0))},
            allocation={"all": {"a": Curve((1.0,), (0.5,), (0.5,), (0.5,))}},
        ),
    ),
    judged=(
        Judged(
            "always-a",
            "weak",
            "Weak: it is.",
            ("it is",),
            {"ips": Estimated(0.1, 0.01, {"normal": (0.08, 0.12)})},
            diagnostics={"n": 3, "weights": {"edges": (0.1, 1.0), "counts": (3,)}},
        ),
    ),
)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "result.json"
    write_result(RESULT, path)
    found = read_result(path)
    assert found.rehearsed == RESULT.rehearsed
    assert found.history == RESULT.history
    assert result_bytes(found) == result_bytes(RESULT) == path.read_bytes()
    assert [one.name for one in path.parent.iterdir()] == ["result.json"]


def test_floats_keep_every_bit_and_what_is_no_number_is_null() -> None:
    history = replace(RESULT.history, mean_reward=float("nan")) if RESULT.history else None
    document = json.loads(result_bytes(replace(RESULT, history=history, days=float("inf"))))
    assert document["rehearsed"][0]["measures"]["reward"]["mean"] == 1 / 3
    assert document["history"]["mean_reward"] is None
    assert document["days"] is None
    assert json.loads(result_bytes(RESULT))["history"]["mean_reward"] == 0.1 + 0.2


def test_segments_and_variants_keep_the_order_of_the_documents(tmp_path: Path) -> None:
    backwards = replace(RESULT, versions=dict(reversed(RESULT.versions.items())))
    write_result(backwards, tmp_path / "result.json")
    assert list(read_result(tmp_path / "result.json").versions) == list(backwards.versions)


def test_a_result_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_result(RESULT, path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_result(replace(RESULT, notes=(object(),)), path)  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "found No such file or directory; allowed a result.json"),
        ("{", "found something that is not JSON"),
        ("[1]", "format: found None; allowed 1"),
        ('{"format": 99}', "format: found 99; allowed 1"),
        ('{"format": 1, "kind": "party"}', "kind: found Input should be"),
    ],
)
def test_what_is_no_result_is_refused_in_one_sentence(tmp_path: Path, content: str | None, found: str) -> None:
    path = tmp_path / "result.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=found):
        read_result(path)
