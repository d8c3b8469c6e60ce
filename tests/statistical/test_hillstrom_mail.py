"""The study of simulations/hillstrom_mail in short: choosing the mail by customer promises a gain that is not there."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.scripts import loaded_script

from optimizer.domain.feedback import LoggedFeedback
from optimizer.scenarios.documents import Replay
from optimizer.scenarios.histories import open_part
from optimizer.scenarios.notebook import Scenario
from optimizer.scenarios.result import Measured

STUDY = Path(__file__).parents[2] / "simulations" / "hillstrom_mail"
RESULT: dict[str, Any] = json.loads((STUDY / "result.json").read_text())
K = 3  # standard errors allowed


@pytest.fixture(scope="module")
def study() -> ModuleType:
    module: ModuleType = loaded_script(STUDY / "run.py", "hillstrom_mail")
    module.SEEDS = range(1, 3)  # type: ignore[attr-defined]  # two ways to fold
    module.DRAWS = 50  # type: ignore[attr-defined]
    return module


def feedback_of(name: str, data: Path) -> LoggedFeedback:
    written = Scenario.read(STUDY / f"{name}.yaml").read_as.document.history
    assert written is not None
    return open_part(written, STUDY, data).feedback()


@pytest.mark.slow
def test_choosing_by_segment_promises_more_visits_than_honest_judgement_finds(
    study: ModuleType, data_folder: Path
) -> None:
    found = study.gains(feedback_of("visit", data_folder), "segment")
    assert found["plug_in"] == pytest.approx(0.0024, abs=0.0002)
    assert found["honest"] < found["plug_in"] - 0.0015
    assert abs(found["honest"]) < K * found["standard_error"] < 0.0075  # nothing, and known that well
    assert found["honest"] == pytest.approx(RESULT["more_than_mens_for_all"]["visit"]["by segment"]["honest"], abs=1e-3)


@pytest.mark.slow
def test_choosing_by_segment_costs_conversions(study: ModuleType, data_folder: Path) -> None:
    """2.8 standard errors below nothing over five ways to fold, 2 allowed."""
    found = study.gains(feedback_of("conversion", data_folder), "segment")
    assert found["plug_in"] > 0
    assert found["honest"] < -2 * found["standard_error"]


@pytest.mark.slow
def test_learning_pays_and_many_segments_cost_more_than_they_earn(data_folder: Path) -> None:
    rates: dict[str, Measured] = {}
    for name in ("without-segments", "three-segments", "visit"):
        scenario = Scenario.read(STUDY / f"{name}.yaml", data_folder)
        document = scenario.read_as.document
        fewer = document.model_copy(update={"replay": Replay(permutations=8, refresh=document.replay.refresh)})
        found = Scenario(replace(scenario.read_as, document=fewer), data_folder).replay().result.replayed
        rates[name] = next(one.reward for one in found if one.policy == "thompson")
        assert found[0].equal_split == pytest.approx(0.146781, abs=1e-6)
        assert found[0].best_variant == "mens-mail"
    means = {name: one.mean for name, one in rates.items()}
    errors = {name: one.standard_error or 1.0 for name, one in rates.items()}
    assert means["without-segments"] - K * errors["without-segments"] > 0.178
    assert means["without-segments"] - means["visit"] > 0.004 + K * errors["visit"]
    assert means["visit"] + K * errors["visit"] < means["three-segments"] - K * errors["three-segments"]


@pytest.mark.slow
def test_a_fitted_world_believes_more_of_many_segments_than_is_there(study: ModuleType, data_folder: Path) -> None:
    scenario = Scenario.read(STUDY / "rehearsal.yaml", data_folder)
    few, many = (study.believed(scenario, by) for by in study.WORLDS.values())
    honest = RESULT["more_than_mens_for_all"]["visit"]["by segment"]
    assert few["uncertain"] < many["uncertain"]
    assert many["likeliest"] < many["uncertain"]
    assert many["uncertain"] > honest["honest"] + 2 * honest["standard_error"]


@pytest.mark.slow
def test_in_the_fitted_world_learning_comes_near_the_best_mail(data_folder: Path) -> None:
    found = Scenario.read(STUDY / "rehearsal.yaml", data_folder).rehearse(replications=2).result
    rates = {one.policy: one.measures["reward_per_decision"].mean for one in found.rehearsed}
    regrets = {one.policy: one.measures["regret"].mean / 64_000 for one in found.rehearsed}
    assert rates["thompson"] - rates["equal-split"] > 0.03
    assert regrets["thompson"] < 0.004
    assert regrets["thompson"] < regrets["thompson-floor"] < regrets["equal-split"]


def test_the_readme_shows_the_numbers_of_the_result() -> None:
    text = (STUDY / "README.md").read_text().replace("-$", "$-").replace("+$", "$+")
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    expected: list[tuple[str, float, float, int]] = []
    for outcome, row in (("visit", "visits"), ("conversion", "conversions"), ("spend", "spend, USD")):
        digits = 2 if outcome == "spend" else 4
        expected += [(row, one["value"], one["standard_error"], digits) for one in RESULT["judged"][outcome].values()]
    gains = RESULT["more_than_mens_for_all"]
    for row, outcome, by in (
        ("visits, 18 segments", "visit", "by segment"),
        ("visits, by model", "visit", "by model"),
        ("visits, 3 segments", "three-segments", "by segment"),
        ("conversions, 18 segments", "conversion", "by segment"),
        ("conversions, by model", "conversion", "by model"),
        ("spend, 18 segments", "spend", "by segment"),
        ("spend, by model", "spend", "by model"),
    ):
        one, digits = gains[outcome][by], 2 if outcome == "spend" else 4
        expected += [(row, one["honest"], one["standard_error"], digits), (row, one["plug_in"], 0.0, digits)]
    for row, name in (
        ("without segments", "without-segments"),
        ("3 segments", "three-segments"),
        ("18 segments", "visit"),
    ):
        expected += [(row, one["mean"], one["standard_error"], 4) for one in RESULT["replayed"][name].values()]
    names = ("thompson (3 segments, floor 0)", "thompson, floor .02", "equal split", "men's for all")
    policies = list(RESULT["rehearsed"]["policies"].values())
    for row, one in zip((*names, "best mail seen of each segment"), policies, strict=True):
        expected.append((row, *one["reward_per_decision"].values(), 4))
    missing = [
        (row, value)
        for row, value, error, digits in expected
        if not re.search(shown(value, digits) + (rf" ± {shown(error, digits)}" if error else ""), rows[row])
    ]
    assert missing == []


def shown(number: float, digits: int) -> str:
    """As the tables write it: rates without the zero before the point."""
    text = f"{number:.{digits}f}"
    return re.escape(text if digits == 2 else text.replace("0.", ".", 1))
