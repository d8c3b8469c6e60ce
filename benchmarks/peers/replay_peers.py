"""Replay by other packages, run inside .venv-peers by bench_replay.py; prints JSON.

Usage: ``python replay_peers.py LOG.npz NAME ROWS``. Each learns Thompson sampling from the first ROWS rows of the log,
refreshed as its interface has it: contextualbandits, MABWiser and obp every 1,000 rows, river after each.
"""

import json
import sys
from time import perf_counter
from typing import Any

import numpy as np

BATCH = 1_000


class Thompson:
    """Context-free Bernoulli Thompson sampling, all draws of a batch in one call."""

    def __init__(self, n_arms: int) -> None:
        self.rng = np.random.Generator(np.random.PCG64(1))
        self.n_arms = n_arms
        self.fit()

    def fit(self, *_: Any) -> None:
        self.alpha, self.beta = np.ones(self.n_arms), np.ones(self.n_arms)

    def partial_fit(self, _x: Any, a: Any, r: Any) -> None:
        self.alpha += np.bincount(a, r, self.n_arms)
        self.beta += np.bincount(a, 1 - r, self.n_arms)

    def predict(self, x: Any) -> Any:
        return self.rng.beta(self.alpha, self.beta, (len(x), self.n_arms)).argmax(axis=1)


def rejection_sampling(policy: Any, arms: Any, rewards: Any) -> float:
    from contextualbandits.evaluation import evaluateRejectionSampling  # noqa: PLC0415 -- each peer alone in its process

    x = np.ones((len(arms), 1))
    began = perf_counter()
    evaluateRejectionSampling(
        policy, x, arms, rewards, online=True, partial_fit=True, start_point_online=0, batch_size=BATCH
    )
    return perf_counter() - began


def contextualbandits(arms: Any, rewards: Any, n_arms: int) -> float:
    """With the package's own Thompson sampling."""
    from contextualbandits.online import LinTS  # noqa: PLC0415 -- each peer alone in its process

    return rejection_sampling(LinTS(n_arms, random_state=1), arms, rewards)


def contextualbandits_bare(arms: Any, rewards: Any, n_arms: int) -> float:
    """With next to no policy, to see what its loop can do."""
    return rejection_sampling(Thompson(n_arms), arms, rewards)


def mabwiser(arms: Any, rewards: Any, n_arms: int) -> float:
    import logging  # noqa: PLC0415 -- each peer alone in its process

    from mabwiser.mab import MAB, LearningPolicy  # noqa: PLC0415 -- each peer alone in its process
    from mabwiser.simulator import Simulator  # noqa: PLC0415

    logging.disable(logging.CRITICAL)
    bandit = MAB(list(range(n_arms)), LearningPolicy.ThompsonSampling(), seed=1)
    # Half of the rows only train it; those it is tested on are the ones that count.
    simulator = Simulator(
        [("ts", bandit)], arms, rewards, test_size=0.5, is_ordered=True, batch_size=BATCH, is_quick=True
    )
    began = perf_counter()
    simulator.run()
    return 2 * (perf_counter() - began)


def river(arms: Any, rewards: Any, n_arms: int) -> float:
    from river import bandit, proba  # noqa: PLC0415 -- each peer alone in its process

    every = list(range(n_arms))
    history = ((every, None, arm, reward) for arm, reward in zip(arms.tolist(), (rewards > 0).tolist(), strict=True))
    policy = bandit.ThompsonSampling(reward_obj=proba.Beta(), seed=1)
    began = perf_counter()
    bandit.evaluate_offline(policy, history)
    return perf_counter() - began


def obp(arms: Any, rewards: Any, n_arms: int) -> float:
    import tqdm  # noqa: PLC0415 -- each peer alone in its process
    from obp.policy import BernoulliTS  # noqa: PLC0415 -- each peer alone in its process
    from obp.simulator import replay  # noqa: PLC0415

    replay.tqdm = tqdm.tqdm  # obp 0.5.7 calls the module instead of its function, and would stop here
    feedback = {
        "n_rounds": len(arms),
        "n_actions": n_arms,
        "context": np.ones((len(arms), 1)),
        "action": arms,
        "position": np.zeros(len(arms), int),
        "reward": rewards,
        "pscore": np.full(len(arms), 1 / n_arms),
    }
    policy = BernoulliTS(n_actions=n_arms, batch_size=BATCH, random_state=1)
    began = perf_counter()
    replay.run_bandit_replay(feedback, policy)
    return perf_counter() - began


PEERS = {peer.__name__: peer for peer in (contextualbandits, contextualbandits_bare, mabwiser, river, obp)}


def main() -> None:
    path, name, n_rows = sys.argv[1:]
    log = np.load(path)
    arms, rewards = log["arms"][: int(n_rows)], log["rewards"][: int(n_rows)]
    print(json.dumps({"rows": len(arms), "seconds": PEERS[name](arms, rewards, int(log["n_arms"]))}))


if __name__ == "__main__":
    main()
