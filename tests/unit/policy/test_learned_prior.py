import numpy as np
import pytest
from scipy.stats import betabinom

from optimizer.policy.learned_prior import learned_prior


def counts(successes: float, failures: float, n_arms: int, trials: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    tried = np.full(n_arms, trials)
    return tried.astype(float), rng.binomial(tried, rng.beta(successes, failures, n_arms)).astype(float)


class TestLearnedPrior:
    @pytest.mark.parametrize(("successes", "failures"), [(2.2, 162.0), (30.0, 970.0), (0.5, 0.5), (200.0, 50.0)])
    def test_it_finds_the_beta_the_rates_were_drawn_from(self, successes, failures) -> None:
        found = learned_prior(*counts(successes, failures, 4_000, 500))
        assert found.successes == pytest.approx(successes, rel=0.1)
        assert found.failures == pytest.approx(failures, rel=0.1)

    def test_of_many_arms_nothing_near_it_is_likelier(self) -> None:
        trials, successes = counts(3.0, 97.0, 2_000, 300)
        found = learned_prior(trials, successes)

        def likelihood(a: float, b: float) -> float:
            return float(betabinom.logpmf(successes, trials, a, b).sum())

        best = likelihood(found.successes, found.failures)
        for a, b in ((1.1, 1.1), (0.9, 0.9), (1.05, 1.0), (1.0, 1.05)):
            assert best > likelihood(found.successes * a, found.failures * b)

    def test_arms_that_look_alike_by_chance_do_not_make_it_certain(self) -> None:
        found = learned_prior(np.full(4, 1_000.0), np.full(4, 50.0))
        assert found.mean == pytest.approx(0.05, abs=0.005)
        assert found.successes + found.failures < 4_000

    def test_arms_that_were_never_tried_say_nothing(self) -> None:
        trials, successes = counts(3.0, 97.0, 50, 300)
        padded = learned_prior(np.append(trials, [0.0, 0.0]), np.append(successes, [0.0, 0.0]))
        assert padded == learned_prior(trials, successes)

    @pytest.mark.parametrize(
        ("trials", "successes", "said"),
        [
            ([10.0, 0.0], [1.0, 0.0], "two or more"),
            ([10.0, 10.0], [0.0, 0.0], "some that succeed"),
            ([10.0, 10.0], [10.0, 10.0], "some that succeed"),
            ([10.0, 10.0], [11.0, 1.0], "0 up to trials"),
            ([10.0, 10.0], [1.0], "shapes"),
        ],
    )
    def test_counts_that_teach_nothing_are_refused(self, trials, successes, said) -> None:
        with pytest.raises(ValueError, match=said):
            learned_prior(np.array(trials), np.array(successes))
