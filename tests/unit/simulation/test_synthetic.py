from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import kstest, lognorm

from optimizer.domain.instants import DAY, HOUR, instant
from optimizer.domain.micros import MICRO
from optimizer.engine.assessment import RewardRule
from optimizer.simulation.amounts import FixedAmount, LogNormalAmount, ResampledAmounts
from optimizer.simulation.arrivals import EachOnce, HourlyArrivals
from optimizer.simulation.delays import ExponentialDelay
from optimizer.simulation.dynamics import Drift, Fatigue, Novelty, WeeklySeason
from optimizer.simulation.synthetic import OutcomeKind, RecipientType, SyntheticWorld, proportional
from optimizer.simulation.world import NOTHING_SENT, World, WorldModel

MONDAY = instant(datetime(2026, 11, 30, tzinfo=UTC))
RULE = RewardRule("o", "purchase", "first", DAY, "decision", (("unsubscribed", 250_000),))
TYPES = (
    RecipientType(3.0, {"kind": "new"}, ZoneInfo("Europe/Berlin"), consent=0.25),
    RecipientType(1.0, {"kind": "loyal", "orders": 7.0}),
)
KINDS = (
    OutcomeKind("clicked", [[0.2, 0.3, 0.0], [0.5, 0.4, 0.0]], frailty=1.0),
    OutcomeKind("purchase", [[0.1, 0.2, 0.0], [0.3, 0.4, 0.0]], "clicked", ExponentialDelay(12 * HOUR)),
    OutcomeKind("unsubscribed", [[0.02, 0.04, 0.0]], frailty=-0.5),
)
MODEL = SyntheticWorld(4_000, 2, TYPES, KINDS, HourlyArrivals(1.0))


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def frequencies(
    world: World, kind: str, of_type: int, arm: int, at: int = MONDAY, earlier: int = 0
) -> tuple[float, int]:
    """How often a kind happens to recipients of a type who get an arm, and of how many decisions."""
    members = np.flatnonzero(world.population.types == of_type)
    n = 40_000
    recipients = members[np.arange(n) % len(members)]
    events = world.events(recipients, np.full(n, arm), np.full(n, earlier), at, generator(31))
    return float((events.kinds == world.kinds.index(kind)).sum() / n), n


def assert_near(found: tuple[float, int], expected: float) -> None:
    share, n = found
    assert abs(share - expected) <= 4 * np.sqrt(expected * (1 - expected) / n) + 1e-12


def test_a_synthetic_world_is_a_world() -> None:
    model: WorldModel = MODEL
    world: World = model.world(generator(1))
    assert world.kinds == ("clicked", "purchase", "unsubscribed")
    assert len(world.population) == 4_000


def test_the_population_has_the_shares_attributes_and_consents_of_its_types() -> None:
    people = MODEL.world(generator(1)).population
    assert np.bincount(people.types).tolist() == [3_000, 1_000]
    assert {(people.attributes[m]["kind"], people.zones[m]) for m in np.flatnonzero(people.types == 0)} == {
        ("new", ZoneInfo("Europe/Berlin"))
    }
    consents = [[people.consents[m] for m in np.flatnonzero(people.types == z)] for z in (0, 1)]
    assert [consents[0].count(said) for said in (True, False, None)] == [750, 2_250, 0]
    assert set(consents[1]) == {None}


@pytest.mark.parametrize("of_type", [0, 1])
@pytest.mark.parametrize("arm", [0, 1])
def test_events_are_as_frequent_as_the_rates_along_the_tree(of_type: int, arm: int) -> None:
    world = MODEL.world(generator(2))
    rates = [np.broadcast_to(kind.rates, (2, 3))[of_type, arm] for kind in KINDS]
    assert_near(frequencies(world, "clicked", of_type, arm), rates[0])
    assert_near(frequencies(world, "purchase", of_type, arm), rates[0] * rates[1])
    assert_near(frequencies(world, "unsubscribed", of_type, arm), rates[2])


def test_expected_rewards_are_the_mean_of_what_events_earn() -> None:
    world = MODEL.world(generator(3))
    expected = world.expected_rewards(RULE, MONDAY)
    assert expected.shape == (2, 3)
    n = 40_000
    for of_type in (0, 1):
        members = np.flatnonzero(world.population.types == of_type)
        for arm in (0, 1):
            events = world.events(
                members[np.arange(n) % len(members)], np.full(n, arm), np.zeros(n, int), MONDAY, generator(32)
            )
            in_time = events.occurred_at <= MONDAY + DAY
            rewards = np.bincount(events.decisions, in_time * np.array([0.0, 1.0, -0.25])[events.kinds], n)
            assert abs(rewards.mean() - expected[of_type, arm]) <= 4 * rewards.std() / np.sqrt(n)
    assert expected[:, 2].tolist() == [0.0, 0.0]


def test_expected_rewards_are_exact_for_a_delay_a_penalty_and_a_frailty() -> None:
    expected = MODEL.world(generator(3)).expected_rewards(RULE, MONDAY)
    assert expected[0, 1] == pytest.approx(0.3 * 0.2 * (1 - np.exp(-2.0)) - 0.25 * 0.04, abs=1e-12)
    counted = replace(RULE, value="count", penalties=())
    assert MODEL.world(generator(3)).expected_rewards(counted, MONDAY)[1, 0] == pytest.approx(0.15 * (1 - np.exp(-2.0)))


def test_nothing_sent_has_its_own_column_and_its_own_events() -> None:
    organic = OutcomeKind("purchase", [[0.0, 0.0, 0.3], [0.1, 0.1, 0.5]])
    world = SyntheticWorld(100, 2, TYPES, [organic], HourlyArrivals(1.0)).world(generator(4))
    assert world.expected_rewards(RULE, MONDAY)[:, -1].tolist() == pytest.approx([0.3, 0.5])
    assert_near(frequencies(world, "purchase", 1, NOTHING_SENT), 0.5)
    # It counts from the decision, even where a message only counts once it is delivered, which here none is.
    delivered = replace(RULE, counts_from="delivered")
    assert world.expected_rewards(delivered, MONDAY).tolist() == [[0.0, 0.0, 0.3], [0.0, 0.0, 0.5]]


def test_a_reward_that_never_happens_is_refused() -> None:
    with pytest.raises(ValueError, match="reward: found the outcome visit; allowed in this world: clicked, purchase"):
        MODEL.world(generator(1)).expected_rewards(replace(RULE, kind="visit"), MONDAY)


def test_rates_and_expected_rewards_drift_together() -> None:
    drift = Drift(("clicked",), ((MONDAY, 0.0), (MONDAY + 10 * DAY, 2.0)), sudden=False, arm=0, of_type=1)
    world = replace(MODEL, dynamics=[drift]).world(generator(5))
    at = MONDAY + 5 * DAY
    moved = float(expit(logit(0.5) + 1.0))
    assert_near(frequencies(world, "clicked", 1, 0, at), moved)
    assert_near(frequencies(world, "purchase", 1, 0, at), moved * 0.3)
    assert_near(frequencies(world, "clicked", 1, 1, at), 0.4)
    assert world.expected_rewards(RULE, at)[1, 0] == pytest.approx(moved * 0.3 * (1 - np.exp(-2.0)) - 0.25 * 0.02)
    assert world.expected_rewards(RULE, MONDAY)[1, 0] == pytest.approx(0.15 * (1 - np.exp(-2.0)) - 0.25 * 0.02)


def test_a_season_moves_events_and_expected_rewards_day_by_day() -> None:
    season = WeeklySeason((0.0,) * 5 + (0.7, -0.7), kinds=("clicked",))
    world = replace(MODEL, dynamics=[season]).world(generator(6))
    for day, shift in ((0, 0.0), (5, 0.7), (6, -0.7), (12, 0.7)):
        at = MONDAY + day * DAY + HOUR
        rate = float(expit(logit(0.3) + shift))
        assert_near(frequencies(world, "clicked", 0, 1, at), rate)
        expected = rate * 0.2 * (1 - np.exp(-2.0)) - 0.25 * 0.04
        assert world.expected_rewards(RULE, at)[0, 1] == pytest.approx(expected)


def test_novelty_and_fatigue_follow_each_recipients_own_messages() -> None:
    dynamics = [Novelty(1.0, messages=1.0, kinds=("clicked",)), Fatigue(0.5)]
    world = replace(MODEL, dynamics=dynamics).world(generator(7))
    for earlier in (0, 1, 3):
        assert_near(frequencies(world, "clicked", 0, 0, earlier=earlier), float(expit(logit(0.2) + 0.5**earlier)))
        unsubscribed = float(expit(logit(0.02) + 0.5 * earlier))
        assert_near(frequencies(world, "unsubscribed", 0, 0, earlier=earlier), unsubscribed)
    # In one batch each decision has its own number.
    n = 40_000
    earlier = np.arange(n) % 2 * 3
    events = world.events(np.arange(n) % 3_000, np.zeros(n, int), earlier, MONDAY, generator(33))
    rows = events.decisions[events.kinds == 2]
    for value in (0, 3):
        share = float((earlier[rows] == value).sum() / (n / 2))
        assert_near((share, n // 2), float(expit(logit(0.02) + 0.5 * value)))


def test_frailty_makes_one_recipients_decisions_resemble_each_other() -> None:
    """The chance of clicking twice exceeds the square of the rate by the variance of the chances between recipients."""
    world = MODEL.world(generator(8))
    m = np.flatnonzero(world.population.types == 0)
    n_rounds = 30
    clicked = np.zeros((n_rounds, len(m)))
    for i in range(n_rounds):
        events = world.events(m, np.zeros(len(m), int), np.zeros(len(m), int), MONDAY, generator(100 + i))
        clicked[i, events.decisions[events.kinds == 0]] = 1.0
    twice = (clicked[::2] * clicked[1::2]).mean(axis=0)  # of each recipient
    levels = world.chances(MONDAY, np.zeros(1, int))[0, 0, 0] @ world.outcomes.patterns[:, 0]
    variance = np.average((levels - 0.2) ** 2, weights=world.outcomes.shares[0])
    standard_error = twice.std() / np.sqrt(len(m))
    assert abs(twice.mean() - (0.04 + variance)) <= 4 * standard_error
    assert variance > 8 * standard_error  # else the test could not tell frailty from none


def test_a_few_recipients_have_the_rate_in_their_mean_and_a_type_without_any_has_it_too() -> None:
    frail = OutcomeKind("purchase", [[0.2, 0.0]], frailty=2.0)
    types = [RecipientType(13.0), RecipientType(0.01)]
    world = SyntheticWorld(13, 1, types, [frail], HourlyArrivals(1.0)).world(generator(12))
    assert world.population.types.tolist() == [0] * 13
    of_level = world.chances(MONDAY, np.zeros(1, int))[0, 0, 0, :, 0]
    assert of_level[world.levels].mean() == pytest.approx(0.2)
    assert world.expected_rewards(replace(RULE, penalties=()), MONDAY)[:, 0] == pytest.approx([0.2, 0.2])


def test_at_most_one_event_of_a_kind_and_never_before_its_parent_or_the_decision() -> None:
    world = MODEL.world(generator(9))
    n = 20_000
    events = world.events(np.arange(n) % 4_000, np.arange(n) % 3 - 1, np.zeros(n, int), MONDAY, generator(34))
    pairs = events.decisions * 3 + events.kinds
    assert len(np.unique(pairs)) == len(pairs)
    assert events.occurred_at.min() >= MONDAY
    clicked, bought = (set(events.decisions[events.kinds == kind].tolist()) for kind in (0, 1))
    assert bought
    assert bought <= clicked


def test_nothing_comes_of_no_decisions() -> None:
    nobody = np.zeros(0, np.int64)
    for model in (MODEL, replace(MODEL, dynamics=[Fatigue(1.0)])):
        events = model.world(generator(1)).events(nobody, nobody, nobody, MONDAY, generator(1))
        assert [len(column) for column in (events.decisions, events.kinds, events.occurred_at, events.values)] == [
            0
        ] * 4


@given(st.integers(0, 2**32))
def test_equal_seeds_give_equal_worlds_arrivals_and_events(seed: int) -> None:
    def everything() -> list[object]:
        small = replace(MODEL, n_recipients=200)
        rng = generator(seed)
        world = small.world(rng)
        came = world.arrivals(MONDAY, MONDAY + DAY, rng)
        events = world.events(came, np.arange(len(came)) % 3 - 1, came % 4, MONDAY, rng)
        found = (world.levels, came, events.decisions, events.kinds, events.occurred_at, events.values)
        return [list(world.population.consents), *(column.tolist() for column in found)]

    assert everything() == everything()


def test_amounts_belong_to_their_kind() -> None:
    kinds = [
        replace(KINDS[0], amount=FixedAmount(5 * MICRO)),
        replace(KINDS[1], amount=LogNormalAmount(20.0, 0.5)),
        KINDS[2],
    ]
    world = replace(MODEL, kinds=kinds).world(generator(10))
    n = 60_000
    events = world.events(np.arange(n) % 4_000, np.zeros(n, int), np.zeros(n, int), MONDAY, generator(35))
    assert set(events.values[events.kinds == 0].tolist()) == {5 * MICRO}
    assert set(events.values[events.kinds == 2].tolist()) == {0}
    assert kstest(events.values[events.kinds == 1] / MICRO, lognorm(0.5, scale=20.0).cdf).pvalue > 0.001


def test_resampled_amounts_are_of_their_arm_or_of_any_where_it_has_none() -> None:
    amounts = ResampledAmounts(
        [np.array([10, 20]), np.zeros(0, np.int64), np.array([7])], [np.array([1.0, 3.0]), np.zeros(0), np.array([4.0])]
    )
    n = 30_000
    drawn = amounts.draw(np.arange(n) % 3 - 1, generator(36))
    by_arm = {arm: drawn[np.arange(n) % 3 - 1 == arm] for arm in (-1, 0, 1)}
    assert set(by_arm[-1].tolist()) == {7}
    assert_near((float((by_arm[0] == 20).mean()), n // 3), 0.75)
    assert_near((float((by_arm[1] == 7).mean()), n // 3), 0.5)


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=6), st.integers(1, 10_000))
def test_shares_become_whole_recipients_to_the_nearest(shares: list[float], n: int) -> None:
    counts = proportional(shares, n)
    assert counts.sum() == n
    assert (np.abs(counts - n * np.array(shares) / sum(shares)) < 1.0).all()


def test_a_mailing_reaches_each_recipient_once() -> None:
    world = replace(MODEL, n_recipients=100, arrivals=EachOnce(MONDAY, 30, HOUR)).world(generator(11))
    came = np.concatenate([world.arrivals(MONDAY + h * HOUR, MONDAY + (h + 1) * HOUR, generator(1)) for h in range(4)])
    assert sorted(came.tolist()) == list(range(100))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"n_recipients": 0}, "world: found 0 recipients, 2 arms, 2 types"),
        ({"kinds": [replace(KINDS[0], rates=[[1.2]])]}, "clicked: found rates 1.2 to 1.2; allowed 0 to 1"),
        (
            {"kinds": [replace(KINDS[0], rates=[[0.1, 0.2]])]},
            r"clicked: found rates of shape \(1, 2\); allowed \(2, 3\)",
        ),
        ({"kinds": KINDS[1:]}, "purchase: found the parent clicked"),
        ({"dynamics": [Fatigue(1.0, ("opened",))]}, "dynamics: found the kind opened"),
    ],
)
def test_a_world_that_cannot_be_is_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(MODEL, **change)  # type: ignore[arg-type]


def test_types_and_amounts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="type: found a share of 0"):
        RecipientType(0.0)
    with pytest.raises(ValueError, match=r"consent: found 1\.5; allowed 0 to 1"):
        RecipientType(consent=1.5)
    with pytest.raises(ValueError, match="amount: found a median of 0"):
        LogNormalAmount(0.0, 1.0)
    with pytest.raises(ValueError, match="amounts: found none"):
        ResampledAmounts([np.zeros(0, np.int64)], [np.zeros(0)])
