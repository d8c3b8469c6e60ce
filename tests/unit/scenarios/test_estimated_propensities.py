"""A history without propensities is judged by estimates: by features where it has any, flagged, and cross-fitted."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optimizer.scenarios.reading import checked_scenario
from optimizer.scenarios.result import Judged
from optimizer.scenarios.running import evaluate_scenario
from optimizer.scenarios.spreading import Workers

N = 6_000
SCENARIO = """\
scenario: estimated
seed: 1
history: {file: log.csv, variant: mail, reward: bought, propensity: estimate, ATTRIBUTES}
evaluate: {bootstraps: 50, estimators: [ips], reward_model: none}
policies: [{name: all-a, always: a}]
"""


def judged(folder: Path, attributes: str) -> tuple[Judged, str]:
    text = SCENARIO.replace(", ATTRIBUTES", attributes)
    result = evaluate_scenario(checked_scenario("estimated.yaml", text, folder), Workers())
    assert result.history is not None
    (one,) = result.judged
    return one, result.history.propensity_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Loyal customers mostly got a, and buy more whatever they get: the arm's own mean is far too kind to a."""
    rng = np.random.default_rng(3)
    loyal = rng.random(N) < 0.5
    a = rng.random(N) < np.where(loyal, 0.8, 0.2)
    bought = rng.random(N) < np.where(loyal, 0.4, 0.1) + 0.05 * a
    frame = {"loyal": loyal.astype(int), "mail": np.where(a, "a", "b"), "bought": bought.astype(int)}
    pl.DataFrame(frame).write_csv(tmp_path / "log.csv")
    return tmp_path


def test_features_that_decided_are_undone(folder: Path) -> None:
    one, source = judged(folder, ", attributes: [loyal]")
    estimate = one.estimates["ips"]
    assert source == "estimated"
    assert estimate.standard_error is not None
    assert estimate.value == pytest.approx(0.3, abs=4 * estimate.standard_error)
    assert one.word != "trust"
    assert "estimate" in " ".join((one.sentence, *one.reasons))


def test_without_them_the_estimate_is_the_arms_own_mean(folder: Path) -> None:
    log = pl.read_csv(folder / "log.csv")
    own = log.filter(pl.col("mail") == "a")["bought"].to_numpy().mean()
    one, _ = judged(folder, "")
    assert one.estimates["ips"].value == pytest.approx(own, rel=0.01)
    assert own > 0.36
