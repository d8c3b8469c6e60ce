import numpy as np
import pytest
from scipy.special import betaincinv, ndtri

from optimizer.policy.beta_quantiles import beta_quantiles
from optimizer.policy.streams import uniforms

LEVELS = uniforms((7,), (1, 4_000))


@pytest.mark.parametrize(
    ("alpha", "beta", "tolerance"),
    [
        (1.0, 1.0, 2e-4),
        (0.5, 249.5, 2e-4),
        (3.0, 200.0, 2e-4),
        (0.3, 5.0, 5e-4),
        (40.0, 2_000.0, 1e-7),
        (4e6, 1e8, 1e-7),
    ],
)
def test_quantiles_are_near_the_exact_ones(alpha: float, beta: float, tolerance: float) -> None:
    found = beta_quantiles(np.array([alpha]), np.array([beta]), ndtri(LEVELS))
    assert found == pytest.approx(betaincinv(alpha, beta, LEVELS), rel=tolerance, abs=1e-300)


def test_each_row_has_its_own_parameters() -> None:
    alpha, beta = np.array([[1.0, 2.0], [30.0, 4.0]]), np.array([[1.0, 50.0], [3.0, 4.0]])
    levels = uniforms((8,), (2, 2, 50))
    expected = betaincinv(alpha[..., None], beta[..., None], levels)
    assert beta_quantiles(alpha, beta, ndtri(levels)) == pytest.approx(expected, rel=2e-4)


def test_quantiles_rise_with_the_level_even_for_parameters_near_zero() -> None:
    levels = np.sort(LEVELS)
    found = beta_quantiles(np.array([0.01]), np.array([0.02]), ndtri(levels))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= -1e-6).all()
