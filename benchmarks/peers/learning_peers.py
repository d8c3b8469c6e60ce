"""Bandits of other packages in one simulated world, run inside .venv-peers by bench_learning.py; prints JSON.

Usage: ``python learning_peers.py WORLD.npz NAME SEED...``. Each learns after every single decision, as its interface
has it. The world says the rate of every arm in each of its parts; a seed says what each decision would have earned.
"""

import json
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Choose = Callable[[], int]
Learn = Callable[[int, int], None]


def mabwiser(n_arms: int, seed: int) -> tuple[Choose, Learn]:
    from mabwiser.mab import MAB, LearningPolicy  # noqa: PLC0415 -- each peer alone in its process

    bandit = MAB(list(range(n_arms)), LearningPolicy.ThompsonSampling(), seed=seed)
    bandit.fit([0, 0], [0, 0])  # it wants to be fitted before it chooses: two failures of one arm in 10,000
    return bandit.predict, lambda arm, reward: bandit.partial_fit([arm], [reward])


def river(n_arms: int, seed: int) -> tuple[Choose, Learn]:
    from river import bandit, proba  # noqa: PLC0415 -- each peer alone in its process

    policy = bandit.ThompsonSampling(reward_obj=proba.Beta(), seed=seed)
    every = list(range(n_arms))
    return lambda: policy.pull(every), lambda arm, reward: policy.update(arm, bool(reward))


def bayesianbandits(n_arms: int, seed: int, learning_rate: float = 1.0) -> tuple[Choose, Learn]:
    import bayesianbandits as bb  # noqa: PLC0415 -- each peer alone in its process

    arms = [
        bb.Arm(arm, reward_function=lambda shares: shares[..., 1], learner=bb.DirichletClassifier({0: 1.0, 1: 1.0}))
        for arm in range(n_arms)
    ]
    agent = bb.Agent(arms, bb.ThompsonSampling(), random_seed=seed)

    seen = [0]

    def learn(arm: int, reward: int) -> None:
        agent.select_for_update(arm).update(np.array([reward]))
        seen[0] += 1
        if learning_rate < 1.0 and seen[0] % 100 == 0:  # a hundred steps of forgetting at once: it takes its time
            agent.decay(decay_rate=learning_rate**100)

    return lambda: agent.pull()[0], learn


def pybandits(n_arms: int, seed: int) -> tuple[Choose, Learn]:
    from pybandits.model import Beta  # noqa: PLC0415 -- each peer alone in its process
    from pybandits.smab import SmabBernoulli  # noqa: PLC0415

    np.random.seed(seed)  # noqa: NPY002 -- it draws from the global generator
    bandit = SmabBernoulli(actions={str(arm): Beta() for arm in range(n_arms)})
    return (
        lambda: int(bandit.predict(n_samples=1)[0][0]),
        lambda arm, reward: bandit.update(actions=[str(arm)], rewards=[reward]),
    )


def vw(options: str, n_arms: int, seed: int) -> tuple[Choose, Learn]:
    import vowpalwabbit  # noqa: PLC0415 -- each peer alone in its process

    workspace = vowpalwabbit.Workspace(f"--cb_explore_adf {options} --quiet --random_seed {seed}")
    rng = np.random.Generator(np.random.PCG64(seed))
    arms = [f"|a arm{arm}" for arm in range(n_arms)]
    chosen: list[float] = [0.0]

    def choose() -> int:
        shares = np.array(workspace.predict(arms))
        arm = int(np.searchsorted(np.cumsum(shares), rng.random() * shares.sum(), side="right"))
        arm = min(arm, n_arms - 1)
        chosen[0] = float(shares[arm])
        return arm

    def learn(arm: int, reward: int) -> None:
        labelled = [f"0:{-reward}:{chosen[0]:.8f} {text}" if one == arm else text for one, text in enumerate(arms)]
        workspace.learn(labelled)

    return choose, learn


PEERS: dict[str, Callable[[int, int], tuple[Choose, Learn]]] = {
    "MABWiser": mabwiser,
    "river": river,
    "bayesianbandits": bayesianbandits,
    "bayesianbandits, forgets .9995": partial(bayesianbandits, learning_rate=0.9995),
    "bayesianbandits, forgets .9999": partial(bayesianbandits, learning_rate=0.9999),
    "pybandits": pybandits,
    "VW squarecb": partial(vw, "--squarecb"),
    "VW squarecb, rate .01 steady": partial(vw, "--squarecb -l 0.01 --power_t 0"),
    "VW cover 8": partial(vw, "--cover 8"),
    "VW bag 8": partial(vw, "--bag 8"),
    "VW bag 8, rate .01 steady": partial(vw, "--bag 8 -l 0.01 --power_t 0"),
}


def run(name: str, rates: Any, ends: Any, seed: int) -> tuple[float, float]:
    """Expected reward that was missed, and reward that came, of one run."""
    n_arms = rates.shape[1]
    choose, learn = PEERS[name](n_arms, seed)
    chances = np.random.Generator(np.random.PCG64([1, seed])).random(int(ends[-1]))
    regret = reward = 0.0
    part = 0
    for t, u in enumerate(chances.tolist()):
        part += t >= ends[part]
        arm = choose()
        earned = int(u < rates[part, arm])
        learn(arm, earned)
        regret += rates[part].max() - rates[part, arm]
        reward += earned
    return regret, reward


def main() -> None:
    path, name, *seeds = sys.argv[1:]
    warnings.simplefilter("ignore")
    world = np.load(path)
    found = [run(name, world["rates"], world["ends"], int(seed)) for seed in seeds]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
