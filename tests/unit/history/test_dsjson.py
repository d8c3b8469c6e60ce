"""Lines that others wrote, after the layout of VW's documentation."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from optimizer.history.dsjson_lines import line_of
from optimizer.history.mapping import Mapping
from optimizer.history.opening import History, open_history

LINE: dict[str, Any] = {
    "_label_cost": -1,
    "_label_probability": 0.8,
    "_label_Action": 2,
    "_labelIndex": 1,
    "o": [{"v": 1.0, "EventId": "e1"}, {"v": 0.5, "EventId": "e1"}],
    "Timestamp": "2021-02-04T16:31:29.2460000Z",
    "Version": "1",
    "EventId": "e1",
    "a": [2, 1, 3],
    "c": {
        "GUser": {"age": 31, "major": "engineering", "vip": True, "tags": [1, 2]},
        "hour": "morning",
        "_multi": [{"TAction": {"topic": "a"}}, {"TAction": {"topic": "b"}}, {"TAction": {"topic": "c"}}],
    },
    "p": [0.8, 0.1, 0.1],
    "VWState": {"m": "N/A"},
}


def opened(folder: Path, *lines: Any) -> History:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "log.dsjson").write_text("\n".join(texts) + "\n")
    return open_history(folder / "log.dsjson")


def test_a_line_of_others_is_read_as_its_documentation_says(tmp_path: Path) -> None:
    history = opened(tmp_path, LINE)
    log = history.feedback()
    assert log.variant_ids == ("1", "2", "3")
    assert (log.arms.tolist(), log.propensities.tolist(), log.rewards.tolist()) == ([1], [0.8], [1.0])
    assert log.eligible.tolist() == [[True, True, True]]  # type: ignore[union-attr]
    assert log.decided_at.tolist() == [1_612_456_289_246_000]  # type: ignore[union-attr]
    assert log.outcomes["observed"].tolist() == [1.5]
    assert dict(zip(log.feature_names, log.features[0].tolist(), strict=True)) == {
        "GUser.age": 31.0,
        "GUser.major=engineering": 1.0,
        "GUser.vip": 1.0,
        "hour=morning": 1.0,
    }
    assert history.frame.collect()["decision_id"].to_list() == ["e1"]
    assert log.segment_ids == ("everyone",)


def test_the_first_of_the_ranking_was_chosen_where_no_label_says_it(tmp_path: Path) -> None:
    unlabelled = {key: value for key, value in LINE.items() if key not in {"_label_Action", "_label_probability"}}
    log = opened(tmp_path, {**unlabelled, "a": [3, 1, 2], "p": [0.7, 0.2, 0.1]}).feedback()
    assert (log.arms.tolist(), log.propensities.tolist()) == ([2], [0.7])


def test_the_probability_of_the_chosen_one_is_looked_up_by_its_place_in_the_ranking(tmp_path: Path) -> None:
    unlabelled = {key: value for key, value in LINE.items() if key != "_label_probability"}
    log = opened(tmp_path, {**unlabelled, "a": [3, 2, 1], "p": [0.7, 0.2, 0.1]}).feedback()
    assert (log.arms.tolist(), log.propensities.tolist()) == ([1], [0.2])


def test_variants_with_a_tag_are_called_so(tmp_path: Path) -> None:
    context = {"_multi": [{"_tag": "red"}, {"_tag": "blue"}]}
    log = opened(tmp_path, {**LINE, "c": context, "a": [2, 1], "p": [0.8, 0.2]}).feedback()
    assert (log.variant_ids, log.arms.tolist()) == (("blue", "red"), [0])


def test_lines_that_cannot_be_used_are_counted_by_reason(tmp_path: Path) -> None:
    history = opened(
        tmp_path,
        LINE,
        "{not json",
        {"RewardValue": 1.0, "EventId": "e2"},
        {**LINE, "_skipLearn": True},
        {**LINE, "c": {"_multi": [], "_slots": []}},
        {**LINE, "_label_Action": 4},
        {**LINE, "_label_cost": None},
        {**LINE, "_label_probability": 0},
        {**LINE, "Timestamp": "soon"},
        "",
        "[1, 2]",
    )
    assert history.contents.rows == 10
    assert history.unusable == {
        "marked not to be learned from": 1,
        "missing reward": 1,
        "missing variant": 1,
        "no decision in this line": 2,
        "propensity not above 0": 1,
        "several slots in one decision": 1,
        "unreadable line": 1,
        "unreadable time": 1,
    }


def test_a_mapping_may_rename_variants_and_scale_rewards(tmp_path: Path) -> None:
    opened(tmp_path, LINE)
    mapping = Mapping.model_validate(
        {
            "variant": "variant",
            "variants": {"1": "red", "2": "green", "3": "blue"},
            "reward": {"column": "reward", "scale": 10},
            "propensity": "propensity",
            "segment": "attribute:hour",
        }
    )
    log = open_history(tmp_path / "log.dsjson", mapping).feedback()
    assert (log.variant_ids, log.arms.tolist(), log.rewards.tolist()) == (("red", "green", "blue"), [1], [10.0])
    assert log.segment_ids == ("morning",)


def test_gzipped_lines_are_read_as_they_are(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "log.dsjson.gz", "wt") as file:
        file.write(json.dumps(LINE) + "\n")
    assert len(open_history(tmp_path / "log.dsjson.gz").feedback()) == 1


def test_a_line_written_here_is_one_vowpal_wabbit_can_learn_from() -> None:
    row = {
        "decision_id": "d1",
        "decided_at": 1_612_456_289_246_001,
        "segment": "lapsed",
        "variant": "b",
        "propensity": 0.5,
        "reward": 2.0,
        "eligible": ["a", "b", "c"],
        "cost": 0.25,
        "outcome:unsubscribed": 1.0,
        "attribute:age": None,
        "attribute:country": "GB",
    }
    assert line_of(row, ("a", "b", "c", "d")) == {
        "_label_cost": -2.0,
        "_label_probability": 0.5,
        "_label_Action": 2,
        "_labelIndex": 1,
        "o": [{"EventId": "d1", "outcome": "unsubscribed", "v": 1.0}],
        "Timestamp": "2021-02-04T16:31:29.246001Z",
        "Version": "1",
        "EventId": "d1",
        "a": [2, 1, 3],
        "p": [0.5, 0.25, 0.25],
        "c": {
            "segment": "lapsed",
            "attributes": {"country": "GB"},
            "_multi": [{"_tag": name, "variant": {"id": name}} for name in "abc"],
        },
        "VWState": {"m": "N/A"},
        "optimizer": {"cost": 0.25},
    }


def test_without_eligible_variants_a_line_names_them_all() -> None:
    row = {"segment": "s", "variant": "b", "propensity": 1.0, "reward": -0.0}
    line = line_of(row, ("a", "b"))
    assert [one["_tag"] for one in line["c"]["_multi"]] == ["a", "b"]
    assert line["p"] == [1.0, 0.0]
    assert "Timestamp" not in line


@pytest.mark.parametrize("written", ["", "\n\n"])
def test_a_file_without_a_line_has_no_rows(written: str, tmp_path: Path) -> None:
    (tmp_path / "log.dsjson").write_text(written)
    assert open_history(tmp_path / "log.dsjson").contents.rows == 0
