import numpy as np
import pytest
from scipy.special import expit

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR
from optimizer.policy.hierarchical_design import (
    MOST_PERIODS,
    TERMS,
    TYPICAL,
    Design,
    Structure,
    cells_of,
    codes_of,
    structure,
)


def evidence(n_buckets: int, width: int = HOUR) -> Evidence:
    n = np.arange(1.0, n_buckets + 1) * np.ones((2, 3, 1))
    return Evidence(np.arange(n_buckets) * width, n, n / 2, n / 2, n / 2)


def of_segments(n_segments: int, design: Design, prior: tuple[float, float] = (1.0, 1.0)) -> Structure:
    return structure(design, cells_of(Evidence.none(n_segments, design.n_arms), 0, None, DAY), prior)


def names(terms: tuple[int, ...]) -> list[str]:
    return [TERMS[term] for term in terms]


class TestDesign:
    def test_message_and_targeting_are_terms_where_several_arms_share_them(self) -> None:
        design = Design(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
        model = of_segments(3, design)
        assert names(model.shared.terms) == ["message", "targeting", "variant"]
        assert names(model.within.terms) == ["segment", "segment:message", "segment:targeting", "segment:variant"]

    @pytest.mark.parametrize(
        ("messages", "targetings", "expected"),
        [
            ([0, 1, 2], [0, 0, 0], ["message"]),
            ([4, 4, 4], [0, 1, 2], ["targeting"]),
            ([0, 1, 2], [0, 1, 2], ["message"]),
            ([0, 1, 2], [0, 0, 1], ["message", "targeting"]),
            ([5], [5], ["variant"]),
        ],
    )
    def test_a_factor_that_tells_all_arms_or_none_apart_is_not_there_twice(
        self, messages: list[int], targetings: list[int], expected: list[str]
    ) -> None:
        model = of_segments(2, Design(np.array(messages), np.array(targetings)))
        assert names(model.shared.terms) == expected
        assert names(model.within.terms) == ["segment", *(f"segment:{name}" for name in expected)]

    def test_one_segment_has_no_terms_of_segments(self) -> None:
        model = of_segments(1, Design(np.array([0, 0, 1]), np.array([0, 1, 0])))
        assert names(model.shared.terms) == []
        assert names(model.within.terms) == ["message", "targeting", "variant"]
        assert model.loading.tolist() == [[1.0]] * 3

    def test_variances_of_terms_add_up(self) -> None:
        model = of_segments(1, Design(np.array([0, 0, 1]), np.zeros(3, np.int64)))
        scales = np.arange(1.0, len(TERMS) + 1)
        message, variant = scales[TERMS.index("message")] ** 2, scales[TERMS.index("variant")] ** 2
        expected = [[message + variant, message, 0], [message, message + variant, 0], [0, 0, message + variant]]
        np.testing.assert_allclose(model.within.variance(scales), expected)

    def test_the_intercept_is_as_vague_as_the_log_odds_of_the_priors_beta(self) -> None:
        model = of_segments(1, Design(np.zeros(1, np.int64), np.zeros(1, np.int64)), (3.0, 40.0))
        draws = np.random.Generator(np.random.PCG64(0)).beta(3.0, 40.0, 200_000)
        assert model.shared.fixed.item() == pytest.approx(np.log(draws / (1 - draws)).var(), rel=0.02)
        odds = np.log(draws / (1 - draws))
        assert model.intercept == pytest.approx(odds.mean(), abs=4 * odds.std() / len(odds) ** 0.5)

    def test_a_hundredth_of_a_trial_says_no_more_than_half_of_one(self) -> None:
        design = Design(np.zeros(1, np.int64), np.zeros(1, np.int64))
        one, other = of_segments(1, design, (0.01, 0.01)), of_segments(1, design, (0.5, 0.5))
        assert one.shared.fixed.item() == other.shared.fixed.item() == pytest.approx(np.pi**2)

    def test_the_intercept_is_near_the_pooled_rate_imagined_trials_included(self) -> None:
        n = np.full((2, 3, 4), 100.0)
        cells = cells_of(Evidence(np.arange(4) * DAY, n, n / 50, n, n), 0, None, DAY)
        model = structure(Design(np.arange(3), np.zeros(3, np.int64)), cells, (1.0, 9.0))
        assert expit(model.intercept) == pytest.approx((48 + 1) / (2400 + 10), rel=0.02)

    @pytest.mark.parametrize("prior", [(0.0, 1.0), (1.0, -1.0), (1.0, float("nan")), (float("inf"), 1.0)])
    def test_refuses_a_prior_that_is_none(self, prior: tuple[float, float]) -> None:
        with pytest.raises(ValueError, match=r"^prior: found .*; allowed two numbers above 0$"):
            of_segments(1, Design(np.zeros(2, np.int64), np.zeros(2, np.int64)), prior)

    def test_refuses_arms_without_a_targeting_and_periods_of_no_length(self) -> None:
        with pytest.raises(ValueError, match=r"^design: found .*; allowed one of each for every arm$"):
            Design(np.zeros(2, np.int64), np.zeros(3, np.int64))
        with pytest.raises(ValueError, match=r"^design: found"):
            Design(np.zeros(0, np.int64), np.zeros(0, np.int64))
        with pytest.raises(ValueError, match=r"^period: found 0 microseconds; allowed above 0$"):
            Design(np.zeros(2, np.int64), np.zeros(2, np.int64), 0)

    def test_codes_number_names_in_order_of_appearance(self) -> None:
        assert codes_of(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]
        assert all(size > 0 for size in TYPICAL.values())


class TestCells:
    def test_hours_add_up_to_days(self) -> None:
        cells = cells_of(evidence(30), 30 * HOUR, None, DAY)
        assert cells.starts.tolist() == [0, DAY]
        assert cells.trials[0, 0].tolist() == [sum(range(1, 25)), sum(range(25, 31))]
        assert cells.positives[1, 2].tolist() == [150, 82.5]
        np.testing.assert_allclose(cells.shares, [300 / 465, 165 / 465])

    def test_older_hours_count_less(self) -> None:
        cells = cells_of(evidence(2, DAY), DAY, DAY, DAY)
        np.testing.assert_allclose(cells.trials[0, 0], [0.5, 2.0])

    def test_many_periods_are_merged_from_the_oldest_on_and_none_is_lost(self) -> None:
        given = evidence(1000)
        cells = cells_of(given, 1000 * HOUR, None, HOUR)
        assert cells.trials.shape == (2, 3, MOST_PERIODS)
        assert cells.trials.sum() == pytest.approx(given.trials.sum())
        newest = np.arange(1000 - MOST_PERIODS // 2, 1000) * HOUR
        np.testing.assert_array_equal(cells.starts[-MOST_PERIODS // 2 :], newest)
        lengths = np.diff(cells.starts[: MOST_PERIODS // 2]) / HOUR
        assert lengths.max() - lengths.min() <= 1
        assert (
            cells_of(evidence(MOST_PERIODS), DAY, None, HOUR).starts.tolist()
            == (np.arange(MOST_PERIODS) * HOUR).tolist()
        )

    def test_nothing_seen_has_no_periods(self) -> None:
        cells = cells_of(Evidence.none(2, 3), 0, None, DAY)
        assert cells.trials.shape == (2, 3, 0)
        assert cells.shares.shape == (0,)

    def test_refuses_impossible_counts(self) -> None:
        n = np.full((1, 2, 1), 3.0)
        with pytest.raises(
            ValueError, match=r"^evidence at \[segment, arm, bucket\] \[0, 0, 0\]: found 4.0 .*; allowed"
        ):
            cells_of(Evidence(np.zeros(1, np.int64), n, n + 1, n, n), 0, None, DAY)
        with pytest.raises(
            ValueError, match=r"^evidence at .* found -1.0 positives or penalised outcomes in 3.0 trials"
        ):
            cells_of(Evidence(np.zeros(1, np.int64), n, n, n, n, np.full((1, 1, 2, 1), -1.0)), 0, None, DAY)
        with pytest.raises(ValueError, match=r"^half_life: found 0 microseconds; allowed above 0, or none$"):
            cells_of(Evidence.none(1, 1), 0, 0, DAY)
