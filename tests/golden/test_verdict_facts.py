"""Verdicts on real logs whose trustworthiness is known beforehand.

Open Bandit Dataset (Saito et al. 2020): the production Thompson policy of campaign "women" had all but given up some
items; one click on an item logged with propensity 1e-6 would count 21,739 times. Hillstrom's e-mail test (2008) gave
each of three mails a third of 64,000 customers.
"""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from ruamel.yaml import YAML

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.diagnostics import Diagnostics, DiagnosticSums, diagnosed
from optimizer.evaluation.verdicts import Claim, Verdict, verdict

N_ITEMS = {"all": 80, "women": 46, "men": 34}
POSITIONS = ("1", "2", "3")


def open_bandit(folder: Path, policy: str, campaign: str) -> LoggedFeedback:
    table = pl.read_csv(
        folder / f"obd_{policy}_{campaign}.csv.gz", columns=["item_id", "position", "click", "propensity_score"]
    )
    return LoggedFeedback(
        variant_ids=tuple(f"item-{item}" for item in range(N_ITEMS[campaign])),
        segment_ids=POSITIONS,
        arms=table["item_id"].to_numpy(),
        segments=table["position"].to_numpy() - 1,
        propensities=table["propensity_score"].to_numpy(),
        rewards=table["click"].cast(pl.Float64).to_numpy(),
    )


def judged(log: LoggedFeedback, shares: NDArray[np.float64]) -> tuple[Diagnostics, Verdict]:
    """With the mean of ``w r`` and the normal interval of what that is above the log's own mean reward."""
    probabilities = np.broadcast_to(shares, (log.n_segments, log.n_arms))[log.segments]
    weights = probabilities[np.arange(len(log)), log.arms] / log.propensities
    found = diagnosed(DiagnosticSums.of(log, probabilities, weights))
    (value, error), (lift, error_of_lift) = (
        (values.mean(), values.std(ddof=1) / len(log) ** 0.5)
        for values in (weights * log.rewards, (weights - 1.0) * log.rewards)
    )
    claim = Claim("ips", value, error, value - 1.96 * error, value + 1.96 * error)
    return found, verdict(found, [claim], (lift - 1.96 * error_of_lift, lift + 1.96 * error_of_lift))


def test_a_propensity_of_a_millionth_must_be_refused(data_folder: Path) -> None:
    log = open_bandit(data_folder, "bts", "women")
    found, said = judged(log, np.full(46, 1 / 46))
    assert found.smallest_propensity == 1e-6
    assert found.largest_weight == pytest.approx(1e6 / 46)  # 21,739
    assert found.effective_sample_size == pytest.approx(2.08, abs=0.01)
    assert said.word == "refuse"
    assert said.sentence == (
        "Refuse: 2 of 10,000 decisions carry the whole estimate (effective sample size 2.08); do not use this number."
    )


def test_the_thompson_policy_may_be_judged_on_the_uniform_log(data_folder: Path) -> None:
    priors = YAML(typ="safe").load(data_folder / "obd_prior_bts.yaml")["all"]
    rng = np.random.Generator(np.random.PCG64(1))
    draws = rng.beta(priors["alpha"], priors["beta"], size=(100_000, 80))
    best = np.argsort(-draws, axis=1)[:, :3]
    shares = np.stack([np.bincount(best[:, position], minlength=80) / 100_000 for position in range(3)])
    found, said = judged(open_bandit(data_folder, "random", "all"), shares)
    # The effective sample size moves by 10 or so with the draws that make up the target.
    assert found.effective_sample_size == pytest.approx(1_639.5, abs=30.0)
    assert found.ratio_mismatch is not None
    assert found.ratio_mismatch > 0.01
    assert said.word == "weak"  # 38 clicks in all: the interval is too wide to tell the policies apart
    assert len(said.reasons) == 1
    assert said.reasons[0].startswith("it may be no better than what ran already (by -0.00")


def test_an_even_randomised_test_is_trusted(data_folder: Path) -> None:
    table = pl.read_csv(data_folder / "hillstrom.csv.gz", columns=["segment", "visit"])
    mails = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
    arms = table["segment"].replace_strict(dict(zip(mails, range(3), strict=True)), return_dtype=pl.Int64).to_numpy()
    log = LoggedFeedback(
        mails,
        ("everyone",),
        arms,
        np.zeros(64_000, dtype=np.int64),
        np.full(64_000, 1 / 3),
        table["visit"].cast(pl.Float64).to_numpy(),
        "constant",
    )
    found, said = judged(log, np.array([0.1, 0.6, 0.3]))
    assert found.effective_sample_size == pytest.approx(46_389.506, abs=0.001)
    # Counts 21,306 / 21,307 / 21,387 against 21,333.3 each: chi-square .2025, and exp(-.2025 / 2) with 2 degrees.
    assert found.ratio_mismatch == pytest.approx(0.9037, abs=1e-4)
    assert said.word == "trust"
    assert judged(log, np.array([0.0, 1.0, 0.0]))[1].word == "trust"
    assert judged(log, np.full(3, 1 / 3))[1].word == "trust"  # what ran
