"""P(best) against numbers that another method computed: 10^7 joint draws for each case.

The constants were made once by running this file (``python tests/golden/test_prob_best.py``, about a minute).
It draws log odds, as differences of log-Gamma variables: rates too small for a float do not tie at zero.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from optimizer.policy.prob_best import prob_best

N_DRAWS = 10_000_000
K = 4.0  # standard errors allowed: fixed draws, 31 comparisons, by chance exceeded with probability .002

CASES: dict[str, tuple[list[float], list[float]]] = {
    "ten similar arms": (
        [52, 48, 61, 55, 43, 50, 58, 47, 53, 60],
        [950, 953, 940, 946, 958, 951, 943, 954, 948, 941],
    ),
    "sample sizes from 30 to 30,000": ([3, 16, 151, 1511, 120], [29, 286, 2851, 28491, 1890]),
    "both parameters below one": ([0.5, 0.3, 0.9, 0.05], [0.5, 0.2, 1.5, 0.03]),
    "parameters of one hundredth": ([0.01, 0.02, 0.01], [0.01, 0.01, 0.03]),
    "ten million trials beside vague arms": ([500_001, 1, 2, 11, 60], [9_500_001, 1, 30, 200, 1_001]),
    "close to certainty": ([200, 260, 180, 20], [9_802, 9_742, 9_822, 982]),
}

MONTE_CARLO: dict[str, list[float]] = {
    "ten similar arms": [
        0.0438995,
        0.0137589,
        0.3126784,
        0.093857,
        0.0021996,
        0.0253737,
        0.1788554,
        0.0098028,
        0.0577596,
        0.2618151,
    ],
    "sample sizes from 30 to 30,000": [0.6913869, 0.1021834, 0.0107362, 0.0022328, 0.1934607],
    "both parameters below one": [0.1296535, 0.2456754, 0.0618609, 0.5628102],
    "parameters of one hundredth": [0.349956, 0.5375848, 0.1124592],
    "ten million trials beside vague arms": [0.0019992, 0.9211836, 0.0428236, 0.0152615, 0.0187321],
    "close to certainty": [0.0017586, 0.8942506, 3.71e-05, 0.1039537],
}


def draws_that_win(alpha: list[float], beta: list[float], seed: int) -> NDArray[np.float64]:
    """Share of joint posterior draws each arm wins, from the boosted identity G(a) = G(a + 1) U^(1/a)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    wins, size = np.zeros(len(alpha)), 500_000
    for _ in range(N_DRAWS // size):
        log_odds = [
            np.log(rng.standard_gamma(a + 1, size))
            - rng.standard_exponential(size) / a
            - np.log(rng.standard_gamma(b + 1, size))
            + rng.standard_exponential(size) / b
            for a, b in zip(alpha, beta, strict=True)
        ]
        wins += np.bincount(np.argmax(log_odds, axis=0), minlength=len(alpha))
    return wins / N_DRAWS


@pytest.mark.parametrize("case", CASES)
def test_quadrature_agrees_with_ten_million_draws(case: str) -> None:
    drawn = np.array(MONTE_CARLO[case])
    computed = prob_best(*CASES[case])
    standard_error = np.sqrt(computed * (1 - computed) / N_DRAWS)
    assert np.all(np.abs(computed - drawn) <= K * standard_error + 1e-7)


if __name__ == "__main__":
    for number, (name, parameters) in enumerate(CASES.items()):
        print(f'    "{name}": {draws_that_win(*parameters, seed=number).tolist()},')
