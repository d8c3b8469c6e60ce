"""The hierarchical model: time of a cold fit and of a warm refit, and how near it comes to the truth it was given.

Run: ``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_hierarchical.py > benchmarks/results/hierarchical.txt``.
The limits are for one core, so they are compared with CPU time; wall time, which counts whatever else the machine
was doing, stands beside it. Ends with status 1 if a limit is missed.
"""

import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from time import perf_counter, process_time

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import expit, logit

from optimizer.domain.belief import Belief
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR
from optimizer.policy.hierarchical import hierarchical_of, hierarchical_posterior, scales_of
from optimizer.policy.hierarchical_design import Design

Floats = NDArray[np.float64]

COLD_SECONDS, WARM_SECONDS = 10.0, 1.0
SEGMENTS, MESSAGES, TARGETINGS, PERIODS = 50, 8, 5, 30
TRUE_SCALES = {"period": 0.3, "message": 0.3, "targeting": 0.2, "variant": 0.1, "segment": 0.4, "segment:message": 0.2}
DESIGN = Design(np.repeat(np.arange(MESSAGES), TARGETINGS), np.tile(np.arange(TARGETINGS), MESSAGES))


def world(rng: np.random.Generator) -> Floats:
    """True success rates, ``[S, A, T]``."""
    n_arms = MESSAGES * TARGETINGS
    shapes = {
        "period": rng.normal(size=(1, 1, PERIODS)),
        "message": rng.normal(size=(1, MESSAGES, 1))[:, DESIGN.messages],
        "targeting": rng.normal(size=(1, TARGETINGS, 1))[:, DESIGN.targetings],
        "variant": rng.normal(size=(1, n_arms, 1)),
        "segment": rng.normal(size=(SEGMENTS, 1, 1)),
        "segment:message": rng.normal(size=(SEGMENTS, MESSAGES, 1))[:, DESIGN.messages],
    }
    return np.asarray(expit(-3.0 + sum(TRUE_SCALES[name] * effect for name, effect in shapes.items())), np.float64)


def evidence_of(rates: Floats, size: float, rng: np.random.Generator, penalties: int = 0) -> Evidence:
    """Hourly evidence of segments of unequal size, ``size`` trials of a cell and period on average."""
    sizes = size * np.exp(rng.normal(0, 1, (SEGMENTS, 1, 1)) - 0.5)
    n = rng.poisson(np.broadcast_to(sizes, rates.shape))
    k = rng.binomial(n, rates).astype(np.float64)
    counts = rng.binomial(n, 0.002, (penalties, *n.shape)).astype(np.float64)
    return Evidence(np.arange(PERIODS) * DAY + 9 * HOUR, n.astype(np.float64), k, k, k, counts)


def seconds(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median CPU and wall time of one call."""
    cpu, wall = [], []
    for _ in range(repeats):
        cpu_start, wall_start = process_time(), perf_counter()
        work()
        cpu.append(process_time() - cpu_start)
        wall.append(perf_counter() - wall_start)
    return median(cpu), median(wall)


def timed(name: str, evidence: Evidence, penalties: tuple[float, ...]) -> bool:
    """Print the times of one kind of evidence; whether a limit was missed."""
    yesterday = replace(evidence, trials=evidence.trials.copy(), positives=evidence.positives.copy())
    for sums in (yesterday.trials, yesterday.positives, yesterday.penalty_counts):
        sums[..., -1] = 0.0

    def fit(given: Evidence, before: Belief | None) -> Belief:
        now = PERIODS * DAY
        return hierarchical_posterior(given, now, None, DESIGN, penalties=penalties, before=before, seed=(1,)).belief

    before = fit(yesterday, None)
    found = fit(evidence, None)
    works: list[tuple[str, Callable[[], object], float | None]] = [
        ("cold", lambda: fit(evidence, None), COLD_SECONDS),
        ("warm, a day later", lambda: fit(evidence, before), WARM_SECONDS),
        ("warm, nothing new", lambda: fit(evidence, found), WARM_SECONDS),
        ("from a snapshot", lambda: hierarchical_of(found), None),
    ]
    missed = False
    for what, work, limit in works:
        cpu, wall = seconds(work, 3)
        missed |= limit is not None and cpu > limit
        print(f"{name:<26}{what:<22}{cpu:>9.3f}{wall:>9.3f}{'' if limit is None else f'{limit:g}':>9}")
    return missed


def main() -> int:
    print(f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}; medians of 3")
    print(f"{SEGMENTS} segments x {MESSAGES * TARGETINGS} variants x {PERIODS} periods, {1024} draws, one core\n")
    print(f"{'evidence':<26}{'':<22}{'CPU s':>9}{'wall s':>9}{'limit s':>9}")
    rng = np.random.Generator(np.random.PCG64(5))
    rates = world(rng)
    missed = False
    for size in (0.2, 5.0, 200.0):
        missed |= timed(f"{size:g} trials a cell", evidence_of(rates, size, rng), ())
    missed |= timed("5, with two penalties", evidence_of(rates, 5.0, rng, 2), (2.0, 5.0))

    print(f"\n{'evidence':<26}{'90 % intervals hold':>22}{'error':>9}{'alone':>9}   of log-odds, root mean square")
    for size in (0.2, 5.0, 200.0):
        evidence = evidence_of(rates, size, rng)
        posterior = hierarchical_posterior(evidence, 0, None, DESIGN)
        true = rates.mean(axis=2)
        lower, upper = posterior.interval(0.9)
        held = ((lower < true) & (true < upper)).mean()
        n, k = evidence.trials.sum(axis=2), evidence.positives.sum(axis=2)
        errors = [((logit(p) - logit(true)) ** 2).mean() ** 0.5 for p in (posterior.mean, (k + 1) / (n + 2))]
        print(f"{f'{size:g} trials a cell':<26}{held:>22.3f}{errors[0]:>9.3f}{errors[1]:>9.3f}")
    found = scales_of(posterior.belief)
    print(
        "\nscales, found (true): "
        + ", ".join(f"{name} {found[name]:.2f} ({TRUE_SCALES.get(name, 0):g})" for name in found)
    )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
