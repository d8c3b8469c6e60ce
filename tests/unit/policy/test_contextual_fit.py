"""The contextual fit: its mode is one, its curvature is that of the posterior, its scales find what matters."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from optimizer.policy.contextual_fit import ArmTrials, Fit, Prior, fitted

Floats = NDArray[np.float64]
INTERCEPT_ONLY = Prior(np.array([-1]), np.array([2]), (-2.0, 1.5))


def log_posterior(trials: list[ArmTrials], prior: Prior, scales: Floats, w: Floats) -> float:
    """Written down again, coefficient by coefficient: ``w[0]`` are the common ones."""
    common_scale = [prior.intercept[1] if place < 0 else scales[place] for place in prior.common.tolist()]
    center = [prior.intercept[0] if place < 0 else 0.0 for place in prior.common.tolist()]
    total = -sum((w[0, d] - center[d]) ** 2 / (2 * common_scale[d] ** 2) for d in range(w.shape[1]))
    for arm, seen in enumerate(trials, start=1):
        total -= sum((w[arm, d] - w[0, d]) ** 2 / (2 * scales[prior.own[d]] ** 2) for d in range(w.shape[1]))
        p = expit(seen.rows @ w[arm])
        total += (seen.rewarded * np.log(p) + seen.others * np.log(1 - p * seen.matured)).sum()
    return float(total)


def some_trials(seed: int, n_arms: int, n_columns: int, n: int) -> list[ArmTrials]:
    rng = np.random.Generator(np.random.PCG64(seed))
    found = []
    for _ in range(n_arms):
        rows = np.column_stack([np.ones(n), rng.normal(size=(n, n_columns - 1))])
        matured = rng.uniform(0.2, 1.0, n)
        rewarded = (rng.random(n) < matured * expit(rows @ rng.normal(-0.5, 0.5, n_columns))).astype(np.float64)
        weights = rng.uniform(0.5, 2.0, n)
        found.append(ArmTrials(rows, weights * rewarded, weights * (1 - rewarded), matured))
    return found


def dense_covariance(fit: Fit, prior: Prior) -> Floats:
    """Covariance of ``w`` flattened, from the arrow put together in full."""
    n_arms, d = fit.arms.shape
    own = np.diag(prior.precisions(fit.scales)[1])
    precision = np.zeros(((n_arms + 1) * d, (n_arms + 1) * d))
    alone = fit.arm_precisions
    # Integrating the arms out took own @ inv(alone) @ own of each off the common block.
    taken = sum((own @ np.linalg.solve(one, own) for one in alone), np.zeros((d, d)))
    precision[:d, :d] = fit.common_precision + taken
    for arm in range(n_arms):
        here = slice((arm + 1) * d, (arm + 2) * d)
        precision[here, here] = alone[arm]
        precision[:d, here] = precision[here, :d] = -own
    return np.linalg.inv(precision)


@pytest.mark.parametrize("n", [3, 40, 400])
def test_at_the_mode_the_posterior_is_flat_and_lower_all_around(n: int) -> None:
    prior = Prior(np.array([-1, 0, 1]), np.array([2, 3, 4]), (-1.0, 1.5))
    trials = some_trials(n, 3, 3, n)
    fit = fitted(trials, prior)
    w = np.vstack([fit.common, fit.arms])
    at_mode = log_posterior(trials, prior, fit.scales, w)
    for place in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[place] = 1e-4
        up, down = (log_posterior(trials, prior, fit.scales, w + sign * step) for sign in (1, -1))
        assert max(up, down) < at_mode + 1e-9
        assert abs(up - down) / 2e-4 < 1e-4 * max(n, 10)


def test_the_curvature_is_that_of_the_log_posterior_where_all_is_matured() -> None:
    prior = Prior(np.array([-1, 0]), np.array([2, 3]), (-1.0, 1.5))
    trials = [ArmTrials(t.rows, t.rewarded, t.others, np.ones(len(t.rows))) for t in some_trials(5, 2, 2, 50)]
    fit = fitted(trials, prior)
    w, h = np.vstack([fit.common, fit.arms]), 1e-3
    flat = w.ravel()

    def value(*moves: tuple[int, float]) -> float:
        there = flat.copy()
        for place, by in moves:
            there[place] += by
        return log_posterior(trials, prior, fit.scales, there.reshape(w.shape))

    n = len(flat)
    hessian = np.array(
        [
            [
                (value((i, h), (j, h)) - value((i, h), (j, -h)) - value((i, -h), (j, h)) + value((i, -h), (j, -h)))
                / (4 * h * h)
                for j in range(n)
            ]
            for i in range(n)
        ]
    )
    assert dense_covariance(fit, prior) == pytest.approx(np.linalg.inv(-hessian), rel=1e-3, abs=1e-6)


def test_small_cases_agree_with_quadrature() -> None:
    # Two arms, intercepts only: three parameters on a grid, at the scales of the fit.
    counts = [(12.0, 88.0), (30.0, 120.0)]
    one = np.ones((1, 1))
    trials = [ArmTrials(one, np.array([k]), np.array([f]), np.ones(1)) for k, f in counts]
    fit = fitted(trials, INTERCEPT_ONLY)
    grid = np.linspace(-5.0, 1.5, 131)
    common, a, b = np.meshgrid(grid, grid, grid, indexing="ij")
    log = -((common + 2.0) ** 2) / (2 * 1.5**2)
    for w, (k, f) in ((a, counts[0]), (b, counts[1])):
        log = log - (w - common) ** 2 / (2 * fit.scales[2] ** 2) + k * np.log(expit(w)) + f * np.log(expit(-w))
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    means = [float((weights * w).sum()) for w in (common, a, b)]
    deviations = [float(np.sqrt((weights * (w - m) ** 2).sum())) for w, m in zip((common, a, b), means, strict=True)]
    mode = [fit.common[0], *fit.arms[:, 0]]
    spread = np.sqrt(np.diag(dense_covariance(fit, INTERCEPT_ONLY)))
    for at, mean, said, deviation in zip(mode, means, spread, deviations, strict=True):
        assert at == pytest.approx(mean, abs=0.15 * deviation)
        assert said == pytest.approx(deviation, rel=0.05)


def test_scales_are_what_is_expected_of_the_squared_deviations() -> None:
    one = np.ones((1, 1))
    counts = [(8.0, 92.0), (20.0, 80.0), (40.0, 60.0), (2.0, 8.0)]
    fit = fitted([ArmTrials(one, np.array([k]), np.array([f]), np.ones(1)) for k, f in counts], INTERCEPT_ONLY)
    covariance = dense_covariance(fit, INTERCEPT_ONLY)
    apart = np.column_stack([-np.ones(4), np.eye(4)])  # each arm less the common one
    expected = (fit.arms[:, 0] - fit.common[0]) ** 2 + np.diag(apart @ covariance @ apart.T)
    # Beside four imagined ones of .5; scales settle once they change by less than a hundredth.
    assert fit.scales[2] == pytest.approx(np.sqrt((expected.sum() + 4 * 0.5**2) / 8), rel=0.012)


def test_trials_that_are_too_young_are_no_failures() -> None:
    # 100,000 trials with a rate of 30 %, of whose rewards a half, a quarter or all have come.
    one = np.ones((1, 1))
    for matured in (0.25, 0.5, 1.0):
        k = 100_000 * 0.3 * matured
        trials = [ArmTrials(one, np.array([k]), np.array([100_000 - k]), np.array([matured]))]
        fit = fitted(trials, INTERCEPT_ONLY)
        # The likelihood's maximum is k / (n F); the standard error of its log-odds is below .015.
        assert expit(fit.arms[0, 0]) == pytest.approx(0.3, abs=0.002)


def test_scales_tell_what_matters_to_one_arm_from_what_matters_to_all() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    prior = Prior(np.array([-1, *[0] * 8]), np.array([2, *[3] * 8]), (0.0, 1.8))

    def scales(common: float, own: float) -> Floats:
        alike = common * rng.normal(size=9)
        trials = []
        for _ in range(8):
            rows = np.column_stack([np.ones(1_500), rng.normal(size=(1_500, 8))])
            rewarded = (rng.random(1_500) < expit(rows @ (alike + own * rng.normal(size=9)))).astype(np.float64)
            trials.append(ArmTrials(rows, rewarded, 1 - rewarded, np.ones(1_500)))
        return fitted(trials, prior).scales

    alike, different = scales(1.0, 0.0), scales(0.0, 1.0)
    assert alike[3] < 0.15
    assert alike[0] > 0.5
    assert different[3] > 0.8
    assert different[0] < 0.6


def test_nothing_seen_leaves_the_prior() -> None:
    prior = Prior(np.array([-1, 0]), np.array([2, 3]), (-2.0, 1.5))
    nothing = ArmTrials(np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros(0))
    fit = fitted([nothing, nothing], prior)
    assert fit.common.tolist() == [-2.0, 0.0]
    assert fit.arms.tolist() == [[-2.0, 0.0]] * 2
    assert np.diag(np.linalg.inv(fit.common_precision)) == pytest.approx([1.5**2, fit.scales[0] ** 2])
    assert np.diag(np.linalg.inv(fit.arm_precisions[0])) == pytest.approx(fit.scales[2:4] ** 2)


def test_arms_that_always_succeed_or_never_do_stay_finite() -> None:
    one = np.ones((1, 1))
    trials = [
        ArmTrials(one, np.array([1e6]), np.zeros(1), np.ones(1)),
        ArmTrials(one, np.zeros(1), np.array([1e6]), np.full(1, 1e-3)),
    ]
    fit = fitted(trials, INTERCEPT_ONLY)
    assert np.isfinite(fit.arms).all()
    assert fit.arms[0, 0] > 0.0 > fit.arms[1, 0]
