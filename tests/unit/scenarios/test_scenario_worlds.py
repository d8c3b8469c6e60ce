from collections.abc import Callable
from math import log

import numpy as np
import pytest

from optimizer.domain.instants import DAY, HOUR
from optimizer.scenarios.choosers import chooser_of, fixed_shares, with_policy
from optimizer.scenarios.documents import Learning, PolicyEntry
from optimizer.scenarios.names import arms_of
from optimizer.scenarios.reading import ScenarioRead
from optimizer.scenarios.world_models import synthetic_world
from optimizer.scenarios.worlds import Synthetic
from optimizer.simulation.amounts import AmountsByArm, FixedAmount, LogNormalAmount
from optimizer.simulation.arrivals import EachOnce, HourlyArrivals
from optimizer.simulation.delays import ExponentialDelay, LogNormalDelay
from optimizer.simulation.dynamics import Drift, Fatigue, Novelty, WeeklySeason
from optimizer.strategy.documents import effective_policy

VARIANTS = ("offer:am", "offer:pm", "news:am", "news:pm")
START = 1_000 * DAY


def world(**keys: object) -> Synthetic:
    usual = {"recipients": 100, "outcomes": {"purchase": {"rate": 0.1}}, "arrivals": {"per_day": 50}}
    return Synthetic.model_validate({**usual, **keys})


def test_the_closest_rate_counts() -> None:
    said = {
        "rate": 0.1,
        "rates": {"offer": 0.2, "offer:pm": 0.3, "nothing": 0.01},
        "rates_by_type": {"b": {"news": 0.4, "offer:am": 0.5}},
    }
    found = synthetic_world(world(types=[{"name": "a"}, {"name": "b"}], outcomes={"purchase": said}), VARIANTS, START)
    assert np.asarray(found.kinds[0].rates) == pytest.approx(
        np.array([[0.2, 0.3, 0.1, 0.1, 0.01], [0.5, 0.3, 0.4, 0.4, 0.01]])
    )


def test_nothing_sent_does_nothing_unless_it_is_said() -> None:
    found = synthetic_world(world(), VARIANTS, START)
    assert np.asarray(found.kinds[0].rates).tolist() == [[0.1, 0.1, 0.1, 0.1, 0.0]]


def test_delays_amounts_and_types_are_those_written() -> None:
    said = {
        "clicked": {"rate": 0.1, "delay": {"median": "PT20H", "spread": 2}},
        "purchase": {"after": "clicked", "rate": 0.1, "delay": {"mean": "PT6H"}, "amount": {"fixed": 2.5}},
    }
    types = [{"name": "a", "share": 3, "attributes": {"age": 5}, "time_zone": "UTC", "consent": 0.5, "activity": 2}]
    found = synthetic_world(world(types=types, outcomes=said), VARIANTS, START)
    clicked, purchase = found.kinds
    assert clicked.delay == LogNormalDelay(20 * HOUR, 2.0)
    assert purchase.delay == ExponentialDelay(6 * HOUR)
    assert (purchase.parent, purchase.amount) == ("clicked", FixedAmount(2_500_000))
    (one,) = found.types
    assert (one.share, dict(one.attributes), str(one.zone), one.consent, one.activity) == (
        3,
        {"age": 5.0},
        "UTC",
        0.5,
        2,
    )


def test_the_closest_median_counts() -> None:
    said = {"rate": 0.1, "amount": {"median": 20, "spread": 0.7, "medians": {"offer": 30, "offer:pm": 40}}}
    found = synthetic_world(world(outcomes={"purchase": said}), VARIANTS, START).kinds[0].amount
    assert found == AmountsByArm(tuple(LogNormalAmount(median, 0.7) for median in (30, 40, 20, 20, 20)))


def test_contacts_a_day_are_those_of_all_recipients_together() -> None:
    often = synthetic_world(
        world(arrivals={"per_day": 50, "days": [1, 1, 1, 1, 1, 0, 0], "clock": "recipient"}), VARIANTS, 0
    )
    assert isinstance(often.arrivals, HourlyArrivals)
    assert often.arrivals.per_day == 0.5  # of each of 100
    assert (often.arrivals.days, often.arrivals.local) == ((1, 1, 1, 1, 1, 0, 0), True)
    once = synthetic_world(world(arrivals={"per_day": 50, "once": True}), VARIANTS, START)
    assert once.arrivals == EachOnce(START, 50, DAY)


def test_factors_of_the_odds_become_shifts_of_their_logarithm() -> None:
    said = {
        "drift": [{"after": "P2D", "odds": 0.5, "variant": "offer"}, {"after": "P1D", "odds": 2, "over": "P3D"}],
        "season": [{"odds": [1, 1, 1, 1, 1, 1, 2], "variant": "nothing"}],
        "novelty": [{"odds": 1.5, "half_life": "P7D"}],
        "fatigue": [{"odds": 0.9, "outcomes": ["purchase"], "at_most": 5}],
    }
    found = synthetic_world(world(**said), VARIANTS, START).dynamics
    half = ((START + 2 * DAY, log(0.5)),)
    assert found[:2] == [Drift((), half, sudden=True, arm=0), Drift((), half, sudden=True, arm=1)]
    assert found[2] == Drift((), ((START + DAY, 0.0), (START + 4 * DAY, log(2))), sudden=False)
    assert found[3] == WeeklySeason((0.0,) * 6 + (log(2),), (), -1)
    assert found[4] == Novelty(log(1.5), None, 7 * DAY, START)
    assert found[5] == Fatigue(log(0.9), ("purchase",), 5)


def test_a_message_stands_for_its_variants() -> None:
    assert arms_of(VARIANTS) == {"offer": (0, 1), "offer:am": (0,), "offer:pm": (1,), "news": (2, 3)} | {
        "news:am": (2,),
        "news:pm": (3,),
    }
    shares = fixed_shares(PolicyEntry(name="x", shares={"offer": 0.5, "news:am": 0.5}), ("s",), VARIANTS)
    assert shares is not None
    assert shares.tolist() == [[0.25, 0.25, 0.5, 0.0]]


def test_a_segment_without_shares_of_its_own_has_an_equal_split() -> None:
    policy = PolicyEntry(name="x", shares_by_segment={"t": {"offer:am": 1.0}})
    shares = fixed_shares(policy, ("s", "t"), VARIANTS)
    assert shares is not None
    assert shares.tolist() == [[0.25] * 4, [1.0, 0.0, 0.0, 0.0]]
    with pytest.raises(ValueError, match="x: found the segment t; allowed s"):
        fixed_shares(policy, ("s",), VARIANTS)


def test_settings_of_a_learning_policy_are_laid_over_the_campaigns(reading: Callable[..., ScenarioRead]) -> None:
    written = reading().written
    assert written is not None
    campaign = with_policy(written.campaign, Learning.model_validate({"cap": 0.8}))
    policy = effective_policy(written.strategy, campaign)
    assert (policy.floor, policy.cap) == (0.05, 0.8)
    chosen = chooser_of(PolicyEntry(name="x", learning=Learning()), written.campaign)
    assert chosen == (written.campaign, "learning")
    assert chooser_of(PolicyEntry(name="x", logged=True), written.campaign) is None
