"""Offline replay of Hillstrom's customers and the replay through the HTTP service of the demo, which was run for eight
seeds (simulations/hillstrom_http): the same policy, the same batches, so the same mean within their chance.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from optimizer.demo.history import FILE, VARIANTS, read_history
from optimizer.demo.job import FIRST_BATCH
from optimizer.demo.replay import batch_sizes
from optimizer.domain.feedback import LoggedFeedback
from optimizer.simulation.replay import Replayed, replay
from optimizer.simulation.replay_log import Course, replay_log
from optimizer.strategy.policy_settings import PolicySettings, resolved_policy

RESULT = Path(__file__).parents[2] / "simulations" / "hillstrom_http" / "result.json"
N_PERMUTATIONS = 80
K = 3.5  # standard errors allowed


@pytest.fixture(scope="module")
def done(data_folder: Path) -> Replayed:
    customers = read_history(data_folder / FILE).customers
    n = len(customers)
    feedback = LoggedFeedback(
        variant_ids=VARIANTS,
        segment_ids=("everyone",),
        arms=customers["logged"].replace_strict({v: arm for arm, v in enumerate(VARIANTS)}).to_numpy().astype(np.int64),
        segments=np.zeros(n, np.int64),
        propensities=np.full(n, 1 / 3),
        rewards=customers["visit"].to_numpy().astype(float),
    )
    log = replay_log(feedback, Course(list(batch_sizes(n, FIRST_BATCH))))
    return replay(log, resolved_policy(PolicySettings(floor=0.0)), 1, range(N_PERMUTATIONS))


def test_offline_replay_earns_what_the_service_earned(done: Replayed) -> None:
    """Standard errors: of eight runs over HTTP .00027, of the permutations about .0001."""
    over_http = json.loads(RESULT.read_text())
    error = np.hypot(over_http["standard_error_over_seeds"], done.standard_error)
    assert error < 0.0005
    assert abs(done.mean_reward - over_http["mean_visit_rate"]) < K * error


def test_it_accepts_as_many_and_as_spread_out(done: Replayed) -> None:
    runs = json.loads(RESULT.read_text())["runs"]
    trials, rates = (np.array([run[name] for run in runs]) for name in ("trials", "visit_rate"))
    n = done.accepted[:, -1]
    assert abs(trials.mean() - n.mean()) < K * n.std() * (1 / len(runs) + 1 / len(n)) ** 0.5
    assert rates.std(ddof=1) == pytest.approx(done.mean_rewards.std(ddof=1), rel=K / (2 * len(runs)) ** 0.5)
    found = np.mean([run["final_allocation"]["mens-mail"] for run in runs])
    ours = done.allocation[:, 0, VARIANTS.index("mens-mail")]
    assert abs(ours.mean() - found) < K * ours.std() * (1 / len(runs) + 1 / len(n)) ** 0.5


def test_its_baselines_are_the_published_rates(done: Replayed) -> None:
    over_http = json.loads(RESULT.read_text())
    assert done.log.equal_split == pytest.approx(0.14678125, abs=1e-12)
    assert done.best_fixed == ("mens-mail", pytest.approx(over_http["best_single_mail"], abs=1e-6))
    assert done.log.fixed == pytest.approx([0.182757, 0.151400, 0.106167], abs=1e-6)
    assert done.log.equal_split < done.mean_reward < done.best_fixed[1]
