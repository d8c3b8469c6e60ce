"""P(best) by quadrature: time against its limits and against two peers in the same run, and its error.

Run: ``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_prob_best.py > benchmarks/results/prob_best.txt``.
The limits are for one core, so they are compared with CPU time; wall time, which counts whatever else the machine
was doing, stands beside it. Ends with status 1 if a limit is missed.
"""

import platform
import sys
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter, process_time

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import beta as beta_distribution

from optimizer.policy.prob_best import prob_best

Floats = NDArray[np.float64]

LIMITS_MS = {(1, 10): 1.0, (100, 10): 50.0, (1, 50): None}
LIMIT_ERROR = 1e-4
N_DRAWS = 100_000


def posteriors(n_segments: int, n_arms: int) -> tuple[Floats, Floats]:
    """Rates near 5 %, sample sizes from 30 to 30,000 within a segment."""
    rng = np.random.Generator(np.random.PCG64(n_segments * n_arms))
    n = 10 ** rng.uniform(1.5, 4.5, (n_segments, n_arms))
    rate = 0.05 * np.exp(rng.normal(0, 0.2, (n_segments, n_arms)))
    return 1 + n * rate, 1 + n * (1 - rate)


def milliseconds(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median CPU and wall time of one call."""
    cpu, wall = [], []
    work()
    for _ in range(repeats):
        cpu_start, wall_start = process_time(), perf_counter()
        work()
        cpu.append(process_time() - cpu_start)
        wall.append(perf_counter() - wall_start)
    return 1000 * median(cpu), 1000 * median(wall)


def by_monte_carlo(alpha: Floats, beta: Floats) -> Floats:
    rng = np.random.Generator(np.random.PCG64(0))
    best = rng.beta(alpha, beta, (N_DRAWS, len(alpha))).argmax(axis=1)
    return np.bincount(best, minlength=len(alpha)) / N_DRAWS


def by_quad(alpha: Floats, beta: Floats) -> Floats:
    """What one would write with scipy: one adaptive integral per arm, told where the densities stand."""
    modes = np.unique((alpha / (alpha + beta)).round(6))

    def density(x: float, arm: int) -> float:
        below = np.array(beta_distribution.cdf(x, alpha, beta))
        below[arm] = beta_distribution.pdf(x, alpha[arm], beta[arm])
        return float(below.prod())

    return np.array(
        [quad(density, 0, 1, (arm,), points=modes, limit=200, epsabs=1e-10)[0] for arm in range(len(alpha))]
    )


def main() -> int:
    print(f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}; medians")
    print(f"\n{'segments x arms':<34}{'CPU ms':>10}{'wall ms':>10}{'limit ms':>10}{'x limit':>9}")
    missed = False
    ours: dict[tuple[int, int], float] = {}
    for size, limit in LIMITS_MS.items():
        parameters = posteriors(*size)
        ours[size], wall = milliseconds(partial(prob_best, *parameters), 200 if size[0] == 1 else 30)
        share = "" if limit is None else f"{ours[size] / limit:.2f}"
        missed |= limit is not None and ours[size] > limit
        print(f"{f'{size[0]} x {size[1]}':<34}{ours[size]:>10.3f}{wall:>10.3f}{limit or '':>10}{share:>9}")

    alpha, beta = (a[0] for a in posteriors(1, 10))
    exact = by_quad(alpha, beta)
    print(f"\n{'1 x 10 against its peers':<34}{'CPU ms':>10}{'x ours':>10}{'max error':>12}")
    peers: list[tuple[str, Callable[[Floats, Floats], Floats], int]] = [
        ("ours", prob_best, 200),
        (f"Monte Carlo, {N_DRAWS:,} draws", by_monte_carlo, 9),
        ("scipy.integrate.quad per arm", by_quad, 3),
    ]
    for name, peer, repeats in peers:
        ms = ours[1, 10] if peer is prob_best else milliseconds(partial(peer, alpha, beta), repeats)[0]
        error = "reference" if peer is by_quad else f"{np.abs(peer(alpha, beta) - exact).max():.1e}"
        print(f"{name:<34}{ms:>10.3f}{ms / ours[1, 10]:>10.0f}{error:>12}")

    worst = 0.0
    for power in range(-2, 8):  # Beta(a, 1) arms win in proportion to a
        a = 10 ** np.linspace(-2, power, 10)
        worst = max(worst, float(np.abs(prob_best(a, np.ones(10)) - a / a.sum()).max()))
    print(f"\nmax error against a closed form, parameters from .01 to 1e7: {worst:.1e} (limit {LIMIT_ERROR:.0e})")
    return int(missed or worst > LIMIT_ERROR)


if __name__ == "__main__":
    sys.exit(main())
