"""Facts about the real histories, as published or counted once by other means; see the data folder's README."""

from pathlib import Path

import numpy as np
import pytest

from optimizer.history.counts import CountsMapping, read_counts
from optimizer.history.mapping import Mapping
from optimizer.history.opening import History, open_history

MAILS = {"No E-Mail": "no-mail", "Mens E-Mail": "mens-mail", "Womens E-Mail": "womens-mail"}
HILLSTROM = Mapping.model_validate(
    {
        "variant": "segment",
        "variants": MAILS,
        "reward": "visit",
        "propensity": 1 / 3,
        "outcomes": {"conversion": "conversion", "spend": "spend"},
        "attributes": ["recency", "history", "mens", "womens", "newbie", "channel", "zip_code"],
    }
)
OPEN_BANDIT = Mapping.model_validate(
    {
        "variant": "item_id",
        "reward": "click",
        "propensity": "propensity_score",
        "segment": "position",
        "time": "timestamp",
        "order": "time",
        "attributes": ["user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3"],
    }
)


@pytest.fixture(scope="module")
def hillstrom(data_folder: Path) -> History:
    return open_history(data_folder / "hillstrom.csv.gz", HILLSTROM)


def test_hillstroms_customers_were_spread_over_three_mails(hillstrom: History) -> None:
    log = hillstrom.feedback()
    assert log.variant_ids == ("no-mail", "mens-mail", "womens-mail")
    assert np.bincount(log.arms).tolist() == [21_306, 21_307, 21_387]
    assert hillstrom.unusable == {}
    assert set(log.propensities) == {1 / 3}
    assert log.propensity_source == "constant"


@pytest.mark.parametrize(
    ("outcome", "by_mail", "overall"),
    [
        (None, (0.106167, 0.182757, 0.151400), 0.14678125),
        ("conversion", (0.005726, 0.012531, 0.008837), 0.00903125),
        ("spend", (0.652789, 1.422617, 1.077202), 1.05090828),
    ],
)
def test_hillstroms_customers_visited_bought_and_spent(
    hillstrom: History, outcome: str | None, by_mail: tuple[float, ...], overall: float
) -> None:
    log = hillstrom.feedback()
    values = log.rewards if outcome is None else log.outcomes[outcome]
    assert [values[log.arms == arm].mean() for arm in range(3)] == pytest.approx(by_mail, abs=5e-7)
    assert values.mean() == pytest.approx(overall, abs=5e-9)


def test_hillstroms_attributes_become_numbers_and_one_feature_a_category(hillstrom: History) -> None:
    log = hillstrom.feedback()
    assert log.feature_names == (
        *("recency", "history", "mens", "womens", "newbie"),
        *("channel=Multichannel", "channel=Phone", "channel=Web"),
        *("zip_code=Rural", "zip_code=Surburban", "zip_code=Urban"),
    )
    assert log.features[0].tolist() == [10.0, 142.44, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]
    assert (log.features[:, 5:8].sum(axis=1) == 1.0).all()


@pytest.mark.parametrize("policy", ["random", "bts"])
@pytest.mark.parametrize(("campaign", "n_items"), [("all", 80), ("men", 34), ("women", 46)])
def test_open_bandit_logs_load_in_order_of_time_with_positions_as_segments(
    data_folder: Path, policy: str, campaign: str, n_items: int
) -> None:
    history = open_history(data_folder / f"obd_{policy}_{campaign}.csv.gz", OPEN_BANDIT)
    log = history.feedback()
    assert len(log) == 10_000
    assert history.unusable == {}
    assert log.segment_ids == ("1", "2", "3")
    assert set(log.variant_ids) <= {str(item) for item in range(n_items)}
    assert log.decided_at is not None
    assert (np.diff(log.decided_at) >= 0).all()
    assert log.propensity_source == "logged"
    if policy == "random":
        assert log.variant_ids == tuple(str(item) for item in range(n_items))
        assert log.propensities == pytest.approx(1 / n_items, abs=1e-6)


def test_the_mean_reward_of_the_random_open_bandit_log_is_as_published(data_folder: Path) -> None:
    log = open_history(data_folder / "obd_random_all.csv.gz", OPEN_BANDIT).feedback()
    assert log.rewards.mean() == pytest.approx(0.0038, abs=1e-12)


def test_the_smallest_propensity_of_the_womens_log_is_one_in_a_million(data_folder: Path) -> None:
    log = open_history(data_folder / "obd_bts_women.csv.gz", OPEN_BANDIT).feedback()
    assert log.propensities.min() == 1e-6
    assert (1 / 46) / log.propensities.min() == pytest.approx(21_739, abs=1)


def test_upworthys_headline_tests_add_up(data_folder: Path) -> None:
    mapping = CountsMapping(
        test="clickability_test_id", trials="impressions", successes="clicks", labels=("test_week", "headline")
    )
    counts = read_counts(data_folder / "upworthy_exploratory_slim.csv.gz", mapping)
    assert (len(counts), len(counts.trials)) == (4_873, 22_666)
    assert (counts.trials.sum(), counts.successes.sum()) == (81_024_151, 1_231_208)
    assert counts.unusable == {}
    assert counts.test_ids[0] == "546d88fb84ad38b2ce000024"
    assert counts.trials[counts.arms_of(0)][:2].tolist() == [3052, 3033]
    broken = (counts.labels["test_week"] >= "201325") & (counts.labels["test_week"] <= "201401")
    assert 0 < broken.sum() < len(broken)
