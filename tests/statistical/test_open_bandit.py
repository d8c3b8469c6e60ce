"""The study of simulations/open_bandit: what one policy's log says of another, beside what is published and known."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML
from tests.scripts import loaded_script
from typer.testing import CliRunner

from optimizer.cli.main import app
from optimizer.scenarios.notebook import Scenario

STUDY = Path(__file__).parents[2] / "simulations" / "open_bandit"
RESULT: dict[str, Any] = json.loads((STUDY / "result.json").read_text())
NAMES = [f"{policy}-{campaign}" for policy in ("thompson", "uniform") for campaign in ("all", "men", "women")]
K = 2.5  # standard errors allowed: 1 in 80 by chance, and these rows are what they are


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return loaded_script(STUDY / "run.py", "open_bandit")


def test_the_published_ips_is_met_to_every_digit_and_dr_within_a_tenth_of_its_error(data_folder: Path) -> None:
    result = Scenario.read(STUDY / "thompson-all.yaml", data_folder).evaluate().result
    assert result.history is not None
    assert result.history.mean_reward == pytest.approx(0.0038, abs=1e-12)
    found = next(one for one in result.judged if one.policy == "thompson")
    assert found.estimates["ips"].value == pytest.approx(0.004553, abs=5e-7)
    assert found.estimates["ips"].value == pytest.approx(1.198126 * 0.0038, abs=5e-9)
    error = found.estimates["dr"].standard_error
    assert error is not None
    assert found.estimates["dr"].value == pytest.approx(0.004727, abs=error / 10)
    assert found.diagnostics["effective_sample_size"] == pytest.approx(1_639.5, abs=0.05)


def test_a_weight_of_twenty_thousand_is_refused_and_the_command_says_no(data_folder: Path, tmp_path: Path) -> None:
    command = ["evaluate", str(STUDY / "uniform-women.yaml"), "--data", str(data_folder), "--out", str(tmp_path)]
    shown = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert shown.exit_code == 1
    assert (
        "uniform: Refuse: 2 of 10,000 decisions carry the whole estimate (effective sample size 2.08)" in shown.stdout
    )
    judged = {one["policy"]: one for one in json.loads((tmp_path / "result.json").read_text())["judged"]}
    assert judged["uniform"]["word"] == "refuse"
    assert judged["uniform"]["diagnostics"]["largest_weight"] == pytest.approx(21_739, abs=1)
    assert judged["uniform"]["diagnostics"]["smallest_propensity"] == pytest.approx(1e-6, rel=1e-9)
    assert judged["thompson"]["word"] != "refuse"  # what really ran


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_refused_agrees_with_what_the_policy_earned(
    study: ModuleType, data_folder: Path, name: str
) -> None:
    found = study.found_in(data_folder, name)
    assert found["verdict"] == ("refuse" if name == "uniform-women" else "weak")
    policy, campaign = name.split("-")
    file = data_folder / f"obd_{'bts' if policy == 'thompson' else 'random'}_{campaign}.csv.gz"
    clicks = pl.read_csv(file, columns=["click"])["click"].to_numpy()
    estimate = found["estimates"][found["headline"]]
    error = np.hypot(estimate["standard_error"], clicks.std(ddof=1) / len(clicks) ** 0.5)
    assert abs(estimate["value"] - clicks.mean()) < K * error


@pytest.mark.slow
def test_the_shares_in_the_scenario_are_those_of_the_prior(study: ModuleType, data_folder: Path) -> None:
    """Men: 100,000 draws of the published simulation, again; so to the last digit. And they are probabilities."""
    prior = YAML(typ="safe").load((data_folder / study.PRIOR).read_text())["men"]
    policy = Scenario.read(STUDY / "thompson-men.yaml").read_as.document.policies[1]
    assert policy.shares_by_segment is not None
    written = [[policy.shares_by_segment[p][str(item)] for item in range(34)] for p in study.POSITIONS]
    assert np.allclose(written, study.thompson_shares(prior), rtol=0, atol=1e-9)


def test_the_readme_shows_the_numbers_of_the_result() -> None:
    text = (STUDY / "README.md").read_text()
    for name in NAMES:
        policy, campaign = name.split("-")
        one = RESULT[name]
        dr, own = one["estimates"]["dr"], one["own_log"]
        row = next(line for line in text.splitlines() if line.startswith(f"| {policy} | {campaign} |"))
        shown = [
            f"{dr['value']:.4f} ± {dr['standard_error']:.4f}".replace("0.", "."),
            f"{own['mean']:.4f} ± {own['standard_error']:.4f}".replace("0.", "."),
            f"{one['effective_sample_size']:,.0f}",
            f"{one['largest_weight']:,.0f}",
            f"{one['apart_in_standard_errors']:+.1f}",
            one["verdict"],
        ]
        assert [number for number in shown if number not in row] == []
    assert f"{RESULT['ours']['ips']:.6f}"[1:] in text
    assert f"{RESULT['ours']['dr']:.6f}"[1:] in text
    assert f"{RESULT['ours']['dm']:.6f}"[1:] in text
