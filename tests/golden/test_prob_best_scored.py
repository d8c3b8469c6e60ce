"""P(largest score), withhold among the choices, against numbers another method computed: 10^7 joint draws each.

The constants were made once by running this file (``python tests/golden/test_prob_best_scored.py``).
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from optimizer.policy.scores import prob_best_scored

N_DRAWS = 10_000_000
K = 4.0  # standard errors allowed: fixed draws, 16 comparisons, by chance exceeded with probability .001

CASES: dict[str, tuple[list[float], list[float], float, list[float]]] = {
    "one price, one cost": ([9, 30, 12], [291, 970, 488], 1.0, [0.03, 0.03, 0.03]),
    "a dear arm": ([210, 160, 3], [3_790, 3_840, 60], 1.0, [0.045, 0.028, 0.028]),
    "penalties of five and twenty": ([2_400, 900, 150], [105, 41, 6], 26.0, [25.001, 25.004, 25.01]),
    "parameters below one": ([0.5, 0.3, 0.9], [0.5, 0.2, 1.5], 1.0, [0.35, 0.7, 0.2]),
}

MONTE_CARLO: dict[str, list[float]] = {
    "one price, one cost": [0.3667791, 0.3027683, 0.0988262, 0.2316264],
    "a dear arm": [0.0753595, 0.3842792, 0.5403613, 0.0],
    "penalties of five and twenty": [0.085586, 0.1128394, 0.5131555, 0.2884191],
    "parameters below one": [0.406469, 0.1858866, 0.3457057, 0.0619387],
}


def draws_that_win(
    alpha: list[float], beta: list[float], scale: float, offset: list[float], seed: int
) -> NDArray[np.float64]:
    """Share of joint posterior draws each arm wins, and withhold last."""
    rng = np.random.Generator(np.random.PCG64(seed))
    wins, size = np.zeros(len(alpha) + 1), 500_000
    for _ in range(N_DRAWS // size):
        score = np.zeros((size, len(alpha) + 1))
        score[:, :-1] = scale * rng.beta(alpha, beta, (size, len(alpha))) - offset
        wins += np.bincount(score.argmax(axis=1), minlength=len(wins))
    return wins / N_DRAWS


@pytest.mark.parametrize("case", CASES)
def test_quadrature_agrees_with_ten_million_draws(case: str) -> None:
    drawn = np.array(MONTE_CARLO[case])
    computed = np.append(*prob_best_scored(*CASES[case], withhold=True))
    standard_error = np.sqrt(computed * (1 - computed) / N_DRAWS)
    assert np.all(np.abs(computed - drawn) <= K * standard_error + 1e-7)


if __name__ == "__main__":
    for number, (name, parameters) in enumerate(CASES.items()):
        print(f'    "{name}": {draws_that_win(*parameters, seed=number).tolist()},')
