import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

SCENARIO = """\
scenario: tiny
question: Which one?
seed: 5
replications: 2
strategy:
  strategy: shop
  currency: USD
  time_zone: UTC
  objectives:
    - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P1D}
  approval: {required: false}
  holdout: {share: 0.1}
campaigns:
  - campaign: mail
    serves: buy
    channel: email
    messages: [{id: offer, subject: Less}, {id: news, subject: New}]
    control: {message: news}
world:
  synthetic:
    recipients: 200
    outcomes: {purchase: {rates: {offer: 0.3, news: 0.1}}}
    arrivals: {per_day: 100}
rehearse: {for: P2D, step: P1D}
history:
  file: log.csv
  variant: mail
  reward: bought
  propensity: 0.5
policies:
  - {name: learning, learning: as_written}
  - {name: equal, uniform: true}
  - {name: offer-only, always: offer}
replay: {permutations: 2, refresh: 100}
evaluate: {bootstraps: 20}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    mails = rng.choice(["offer", "news"], 600)
    bought = (rng.random(600) < np.where(mails == "offer", 0.3, 0.1)).astype(int)
    pl.DataFrame({"mail": mails, "bought": bought, "p": [0.5] * 600}).write_csv(tmp_path / "log.csv")
    path = tmp_path / "tiny.yaml"
    path.write_text(SCENARIO)
    return path


def test_simulate_rehearses_and_writes_the_result(scenario: Path, run: Any) -> None:
    shown = run("simulate", scenario)
    assert shown.code == 0, shown
    for text in ("tiny · rehearsal · seed 5 · campaign mail", "learning", "equal", "offer-only", "95 % interval"):
        assert text in shown.out
    written = scenario.parent / "results" / "tiny" / "result.json"
    assert f"Wrote {written}" in shown.out
    assert json.loads(written.read_text())["kind"] == "rehearsal"


def test_simulate_gives_machines_one_document_that_is_the_file(scenario: Path, run: Any, tmp_path: Path) -> None:
    shown = run("simulate", scenario, "--json", "--out", tmp_path / "here", "--seed", "9", "--replications", "1")
    assert shown.code == 0, shown
    assert (tmp_path / "here" / "result.json").read_text() == shown.out
    found = json.loads(shown.out)
    assert (found["seed"], found["replications"]) == (9, 1)
    assert {one["policy"] for one in found["rehearsed"]} == {"learning", "equal", "offer-only"}


def test_simulate_replays_learning_policies(scenario: Path, run: Any) -> None:
    shown = run("simulate", scenario, "--replay")
    assert shown.code == 0, shown
    assert "tiny · replay" in shown.out
    assert "history log.csv: 600 of 600 rows used, propensities constant" in shown.out
    assert "equal is not replayed: it does not learn" in shown.out


def test_evaluate_judges_fixed_policies(scenario: Path, run: Any) -> None:
    shown = run("evaluate", scenario)
    assert shown.code == 0, shown
    assert "offer-only: Weak: 600 decisions are worth" in shown.out
    assert "more than the log, 95 %" in shown.out
    assert "dm is its model's word" in shown.out
    scenario.write_text(SCENARIO.replace("{bootstraps: 20}", "{bootstraps: 20, level: 0.8}"))
    narrower = run("evaluate", scenario)
    assert "80 % interval  more than the log, 80 %" in narrower.out
    assert "learning is not judged" in shown.out


def test_evaluate_of_a_log_alone_takes_one_line(scenario: Path, run: Any) -> None:
    columns = ("--variant", "mail", "--reward", "bought", "--propensity", "0.5")
    shown = run("evaluate", scenario.parent / "log.csv", *columns, "--json")
    assert shown.code == 0, shown
    judged = {one["policy"]: one for one in json.loads(shown.out)["judged"]}
    assert set(judged) == {"news", "offer"}
    assert judged["offer"]["estimates"]["snips"]["value"] == pytest.approx(0.3, abs=0.08)
    mixed = run("evaluate", scenario.parent / "log.csv", *columns, "--policy", "offer=0.7,news=0.3", "--json")
    (one,) = json.loads(mixed.out)["judged"]
    assert one["shares"] == {"everyone": {"news": 0.3, "offer": 0.7}}
    by_column = run("evaluate", scenario.parent / "log.csv", *columns[:4], "--propensity", "p", "--policy", "offer")
    assert by_column.code == 0, by_column


def test_a_policy_the_log_knows_nothing_of_is_refused_with_exit_1(scenario: Path, run: Any) -> None:
    log = scenario.parent / "log.csv"
    pl.read_csv(log).head(50).write_csv(scenario.parent / "short.csv")
    columns = ("--variant", "mail", "--reward", "bought", "--propensity", "0.5")
    shown = run("evaluate", scenario.parent / "short.csv", *columns, "--policy", "offer")
    assert shown.code == 1
    assert "Refuse: there are only 50 decisions" in shown.out


def test_a_log_without_a_row_that_can_be_used_is_told_why(scenario: Path, run: Any) -> None:
    log = pl.read_csv(scenario.parent / "log.csv").with_columns(p=pl.lit("1/2"))
    log.write_csv(scenario.parent / "texts.csv")
    shown = run(
        "evaluate", scenario.parent / "texts.csv", "--variant", "mail", "--reward", "bought", "--propensity", "p"
    )
    assert shown.code == 2
    assert f"unusable rows only: {len(log)} missing propensity" in shown.err


@pytest.mark.parametrize(
    ("arguments", "code", "found"),
    [
        (("--variant", "mail"), 2, "--reward: found none; allowed a column of"),
        (("--variant", "mial", "--reward", "bought", "--propensity", "0.5"), 2, "mial"),
        (("--variant", "mail", "--reward", "bought", "--propensity", "2"), 2, "history.propensity"),
        (
            ("--variant", "mail", "--reward", "bought", "--propensity", "0.5", "--policy", "offer=x"),
            2,
            "--policy: found offer=x; allowed a variant, or shares",
        ),
        (
            ("--variant", "mail", "--reward", "bought", "--propensity", "0.5", "--policy", "offer=0.5"),
            2,
            "shares that add up to 1",
        ),
    ],
)
def test_a_wrong_word_about_a_log_is_one_sentence(
    scenario: Path, run: Any, arguments: tuple[str, ...], code: int, found: str
) -> None:
    shown = run("evaluate", scenario.parent / "log.csv", *arguments)
    assert shown.code == code, shown
    assert found in shown.err
    assert "Traceback" not in shown.err


def test_columns_beside_a_scenario_are_wrong_usage(scenario: Path, run: Any) -> None:
    shown = run("evaluate", scenario, "--variant", "mail")
    assert shown.code == 2
    assert "--variant: found one beside a scenario" in shown.err


def test_a_mistake_in_a_scenario_exits_with_1_and_names_its_place(scenario: Path, run: Any) -> None:
    scenario.write_text(SCENARIO.replace("seed: 5", "sed: 5"))
    shown = run("simulate", scenario)
    assert shown.code == 1
    assert f"{scenario}:3:1: sed: found sed; allowed one of: scenario, question, seed" in shown.err
    missing = run("simulate", scenario.parent / "none.yaml")
    assert missing.code == 1
    assert "found no such file" in missing.err


def test_a_folder_that_cannot_be_written_exits_with_3(scenario: Path, run: Any) -> None:
    (scenario.parent / "file").write_text("")
    shown = run("simulate", scenario, "--replications", "1", "--out", scenario.parent / "file" / "below")
    assert shown.code == 3
    assert "cannot write" in shown.err


def test_report_shows_a_result_again(scenario: Path, run: Any) -> None:
    first = run("evaluate", scenario)
    path = scenario.parent / "results" / "tiny" / "result.json"
    again = run("report", path)
    assert again.code == 0
    assert again.out.split("Wrote")[0] == first.out.split("Wrote")[0]
    assert run("report", path, "--json").out == path.read_text()
    broken = run("report", scenario.parent / "nothing.json")
    assert broken.code == 3
    assert "allowed a result.json" in broken.err


def test_the_starter_scenario_rehearses_the_starter_campaign(workspace: Path, run: Any) -> None:
    path = workspace / "scenarios" / "first-rehearsal.yaml"
    text = path.read_text()
    assert json.loads((path.parent / text.splitlines()[0].partition("$schema=")[2]).read_text())["title"] == "Scenario"
    path.write_text(text.replace("for: P28D, step: PT6H", "for: P1D, step: P1D").replace("per_day: 600", "per_day: 50"))
    shown = run("simulate", path, "--replications", "1")
    assert shown.code == 0, shown
    assert "half-the-budget" in shown.out
    assert "with equal shares and a lead of 20 %, or what the campaign `expects` (lift)" in shown.out
