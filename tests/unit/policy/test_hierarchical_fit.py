"""The fit by blocks against one dense matrix of all effects."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY
from optimizer.policy.hierarchical_design import TERMS, TYPICAL, Cells, Design, Structure, cells_of, structure
from optimizer.policy.hierarchical_fit import SCALE_TRIALS, Fit, average_rate, fitted, start_of

Floats = NDArray[np.float64]

MESSAGES, TARGETINGS = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 1])
DESIGN = Design(MESSAGES, TARGETINGS)


def counts(n_segments: int, n_arms: int, n_periods: int, size: float, seed: int = 0) -> Evidence:
    rng = np.random.Generator(np.random.PCG64(seed))
    shape = (n_segments, n_arms, n_periods)
    odds = -2.5 + 0.4 * rng.normal(size=(1, n_arms, 1)) + 0.3 * rng.normal(size=(n_segments, n_arms, 1))
    n = rng.poisson(size, shape)
    k = rng.binomial(n, expit(odds + 0.3 * rng.normal(size=n_periods))).astype(np.float64)
    return Evidence(np.arange(n_periods) * DAY, n.astype(np.float64), k, k, k)


def fit_of(evidence: Evidence, design: Design = DESIGN) -> tuple[Structure, Cells, Fit]:
    cells = cells_of(evidence, 0, None, DAY)
    model = structure(design, cells, (1.0, 1.0))
    return model, cells, fitted(model, cells, start_of(model, cells))


def columns(n_segments: int, n_periods: int) -> tuple[Floats, list[int]]:
    """Every effect of the model as a column of its own, ``[S * A * T, P]``, and its term; -1 for the intercept."""
    s, a, t = (axis.ravel() for axis in np.indices((n_segments, len(MESSAGES), n_periods)))
    codes = {
        "period": t,
        "message": MESSAGES[a],
        "targeting": TARGETINGS[a],
        "variant": a,
        "segment": s,
        "segment:message": 3 * s + MESSAGES[a],
        "segment:targeting": 2 * s + TARGETINGS[a],
        "segment:variant": 6 * s + a,
    }
    used = [name for name in TERMS if n_segments > 1 or not name.startswith("segment")]
    blocks = [np.ones((len(s), 1))] + [np.eye(codes[name].max() + 1)[codes[name]] for name in used]
    terms = [-1] + [TERMS.index(name) for name in used for _ in range(codes[name].max() + 1)]
    return np.hstack(blocks), terms


def dense(model: Structure, cells: Cells, scales: Floats) -> tuple[Floats, Floats, list[int], Floats]:
    """Mean and covariance of all effects by Newton steps on one matrix; their terms and the columns."""
    n_segments, _, n_periods = cells.trials.shape
    x, terms = columns(n_segments, n_periods)
    vagueness = model.shared.fixed[0, 0]
    precision = np.array([1 / vagueness if term < 0 else scales[term] ** -2 for term in terms])
    mean, deviation = np.zeros(len(terms)), np.zeros(len(x))
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    weights = weights / weights.sum()
    for _ in range(60):
        p = expit(model.intercept + (x @ mean)[:, None] + deviation[:, None] * nodes)
        rate, slope = p @ weights, (p * (1 - p)) @ weights
        covariance = np.linalg.inv((x.T * (cells.trials.ravel() * slope)) @ x + np.diag(precision))
        gradient = x.T @ (cells.positives.ravel() - cells.trials.ravel() * rate) - precision * mean
        step = covariance @ gradient
        mean = mean + step * min(1.0, 2.0 / np.abs(step).max())
        deviation = np.sqrt(((x @ covariance) * x).sum(axis=1))
    return mean, covariance, terms, x


@pytest.mark.parametrize(("n_segments", "n_periods", "size"), [(1, 3, 40.0), (4, 3, 6.0), (3, 5, 300.0)])
class TestAgainstOneDenseMatrix:
    def test_log_odds_have_the_same_mean_and_covariance(self, n_segments: int, n_periods: int, size: float) -> None:
        model, cells, fit = fit_of(counts(n_segments, 6, n_periods, size))
        mean, covariance, _, x = dense(model, cells, fit.effects.scales)
        odds = (model.intercept + x @ mean).reshape(cells.trials.shape)
        deviations = np.sqrt(((x @ covariance) * x).sum(axis=1)).reshape(odds.shape)
        found = fit.effects.within[:, :, None] + fit.effects.periods
        assert np.abs((found - odds) / deviations).max() < 0.01
        average = (x.reshape(n_segments, 6, n_periods, -1) * cells.shares[:, None]).sum(axis=2)
        expected = np.einsum("sap,pq,sbq->sab", average, covariance, average)
        along = np.concatenate([np.zeros(len(fit.effects.shared)), cells.shares])
        found = fit.factors.covariance(np.broadcast_to(along, (6, len(along))))
        np.testing.assert_allclose(found, expected, rtol=0.01, atol=0.01 * np.abs(expected).min())

    def test_every_scale_is_where_expectation_and_maximisation_would_leave_it(
        self, n_segments: int, n_periods: int, size: float
    ) -> None:
        """The M step of EM: expected squares of all effects of a term, and the imagined ones, over their number."""
        model, cells, fit = fit_of(counts(n_segments, 6, n_periods, size))
        mean, covariance, terms, _ = dense(model, cells, fit.effects.scales)
        squares = mean**2 + np.diag(covariance)
        for term in set(terms) - {-1}:
            of_term = np.array(terms) == term
            total = squares[of_term].sum() + SCALE_TRIALS * TYPICAL[TERMS[term]] ** 2
            step = np.sqrt(total / (of_term.sum() + SCALE_TRIALS))
            # EM creeps where the data say little of a term: what it would still move is that much less than the error.
            known = 1 - np.diag(covariance)[of_term].sum() / (of_term.sum() * fit.effects.scales[term] ** 2)
            assert step == pytest.approx(fit.effects.scales[term], rel=0.01 * max(known, 0.02))


def test_average_rate_is_the_expectation_of_the_logistic_function() -> None:
    for mean, deviation in [(-3.0, 0.3), (0.0, 1.0), (2.0, 0.0), (-4.0, 1.0)]:
        exact = quad(lambda z, m=mean, d=deviation: expit(m + d * z) * norm.pdf(z), -10, 10)[0]
        assert average_rate(np.array(mean), np.array(deviation)) == pytest.approx(exact, rel=2e-4)


def test_a_warm_start_ends_where_a_cold_one_does_and_sooner() -> None:
    evidence = counts(5, 6, 8, 60.0)
    model, cells, cold = fit_of(evidence)
    warm = fitted(model, cells, cold.effects)
    assert warm.steps < cold.steps
    np.testing.assert_allclose(warm.effects.within, cold.effects.within, atol=2e-3)
    np.testing.assert_allclose(warm.effects.scales, cold.effects.scales, rtol=0.02)


def test_scales_of_many_data_are_those_that_made_them() -> None:
    """Forty segments: a term's standard deviation is known to about 1 / sqrt(2 * 240)."""
    rng = np.random.Generator(np.random.PCG64(3))
    shape = (40, 6, 4)
    odds = -1.0 + 0.5 * rng.normal(size=(40, 6, 1)) + 0.7 * rng.normal(size=(40, 1, 1))
    n = np.full(shape, 4000.0)
    k = rng.binomial(4000, np.broadcast_to(expit(odds), shape)).astype(np.float64)
    _, _, fit = fit_of(Evidence(np.arange(4) * DAY, n, k, k, k), Design(np.arange(6), np.zeros(6, np.int64)))
    found = dict(zip(TERMS, fit.effects.scales, strict=True))
    assert found["segment:message"] == pytest.approx(0.5, rel=3 / np.sqrt(2 * 200))
    assert found["segment"] == pytest.approx(0.7, rel=3 / np.sqrt(2 * 40))
    assert found["message"] < 0.3
    assert found["period"] < 0.15


@pytest.mark.parametrize("size", [1e-3, 0.5, 1e3, 1e7])
def test_the_fit_ends_whatever_the_number_of_trials(size: float) -> None:
    shape = (3, 6, 4)
    for share in (0.0, 0.01, 0.5, 1.0):
        n = np.full(shape, size)
        _, _, fit = fit_of(Evidence(np.arange(4) * DAY, n, share * n, n, n))
        assert fit.steps < 200
        assert np.isfinite(fit.effects.within).all()
        assert (np.linalg.eigvalsh(fit.factors.within) > 0.0).all()
