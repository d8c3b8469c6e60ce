from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, kstest

from optimizer.domain.feedback import LoggedFeedback
from optimizer.domain.instants import DAY, HOUR, instant
from optimizer.domain.micros import MICRO
from optimizer.engine.assessment import RewardRule
from optimizer.simulation.arrivals import EachOnce
from optimizer.simulation.delays import ExponentialDelay, NoDelay
from optimizer.simulation.dynamics import Drift
from optimizer.simulation.fitted import Circumstances, FittedWorld, Observed, fitted
from optimizer.simulation.world import NOTHING_SENT, WorldModel
from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.rules import SegmentRules

MONDAY = instant(datetime(2026, 11, 30, tzinfo=UTC))
RULE = RewardRule("o", "purchase", "first", DAY, "decision")
AT_ONCE = Circumstances(arrivals=EachOnce(MONDAY, 100))
# Truth of the histories below: chance of a visit, [segment, arm]; half of the visits of a loyal one buy, a fifth else.
VISIT = np.array([[0.10, 0.30], [0.40, 0.20]])
BUYS = np.array([0.2, 0.5])


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def history(n: int, seed: int = 1) -> tuple[LoggedFeedback, Observed]:
    """A log of a policy that prefers arm 1 in segment 1; in whole-hour steps."""
    rng = generator(seed)
    segments = rng.integers(2, size=n)
    second = np.where(segments == 1, 0.75, 0.5)
    arms = (rng.random(n) < second).astype(np.int64)
    visit = rng.random(n) < VISIT[segments, arms]
    purchase = visit & (rng.random(n) < BUYS[segments])
    feedback = LoggedFeedback(
        variant_ids=("plain", "bold"),
        segment_ids=("new", "loyal"),
        arms=arms,
        segments=segments,
        propensities=np.where(arms == 1, second, 1 - second),
        rewards=purchase.astype(np.float64),
    )
    attributes = {
        "country": np.where(segments == 1, "US", "CA").astype(object),
        "days": rng.integers(0, 400, n).astype(np.float64),
    }
    return feedback, Observed({"visit": visit.astype(np.float64), "purchase": purchase}, attributes=attributes)


FEEDBACK, OBSERVED = history(20_000)


def counts_of(kind: str, segment: int, arm: int) -> tuple[int, int]:
    rows = (FEEDBACK.segments == segment) & (FEEDBACK.arms == arm)
    return int(rows.sum()), int(OBSERVED.happened[kind][rows].sum())


def test_posterior_means_are_the_history_and_a_few_rows_like_the_arm() -> None:
    model = fitted(FEEDBACK, OBSERVED, circumstances=AT_ONCE, prior_rows=50.0)
    kinds = ("visit", "purchase")
    assert model.kinds == kinds
    assert model.type_ids == ("new", "loyal")
    for k, kind in enumerate(kinds):
        everything = float(np.average(OBSERVED.happened[kind], weights=1 / FEEDBACK.propensities))
        for arm in (0, 1):
            of_arm = FEEDBACK.arms == arm
            w = 1 / FEEDBACK.propensities[of_arm]
            effective = w.sum() ** 2 / (w**2).sum()
            pooled = effective * np.average(OBSERVED.happened[kind][of_arm], weights=w) + 50.0 * everything
            pooled /= effective + 50.0
            for segment in (0, 1):
                n, hits = counts_of(kind, segment, arm)
                assert model.rates[k, segment, arm] == pytest.approx((hits + 50.0 * pooled) / (n + 50.0), rel=1e-9)


def test_rates_come_back_that_made_the_history() -> None:
    rates = fitted(FEEDBACK, OBSERVED, circumstances=AT_ONCE).rates
    for kind, truth in ((0, VISIT), (1, VISIT * BUYS[:, np.newaxis])):
        for segment in (0, 1):
            for arm in (0, 1):
                n, _ = counts_of("visit", segment, arm)
                rate = truth[segment, arm]
                # 10 of about 2,500 to 5,000 rows are the prior's: at most .002 x .3 of bias besides the error.
                assert abs(rates[kind, segment, arm] - rate) <= 4 * np.sqrt(rate * (1 - rate) / n) + 0.001


def test_a_cell_with_few_rows_is_like_its_arm_and_an_unseen_arm_like_all() -> None:
    few = (FEEDBACK.segments == 0) | (FEEDBACK.arms == 0)
    few[np.flatnonzero(~few)[:2]] = True  # two rows of the second segment with the second arm
    rows = np.flatnonzero(few)
    some = Observed({name: column[rows] for name, column in OBSERVED.happened.items()})
    model = fitted(replace(FEEDBACK.taken(rows), variant_ids=("plain", "bold", "new")), some, circumstances=AT_ONCE)
    visit = model.rates[0]
    assert abs(visit[1, 1] - visit[0, 1]) < 0.08  # 0.3, although one of two rows more or less is 0.5
    assert model.errors[0, 1, 1] > 10 * model.errors[0, 0, 1]
    assert visit[:, 2] == pytest.approx(
        [float(np.average(some.happened["visit"], weights=1 / FEEDBACK.propensities[rows]))] * 2
    )


def test_events_of_a_certain_world_are_as_frequent_as_the_means_and_keep_what_comes_together() -> None:
    model = fitted(FEEDBACK, OBSERVED, circumstances=AT_ONCE, uncertain=False)
    world = model.world(generator(2))
    assert world.rates(MONDAY) == pytest.approx(model.rates)
    n = 100_000
    for segment in (0, 1):
        members = np.flatnonzero(world.population.types == segment)
        events = world.events(
            members[np.arange(n) % len(members)], np.ones(n, int), np.zeros(n, int), MONDAY, generator(3)
        )
        visited, bought = (set(events.decisions[events.kinds == kind].tolist()) for kind in (0, 1))
        rate = model.rates[0, segment, 1]
        assert abs(len(visited) / n - rate) <= 4 * np.sqrt(rate * (1 - rate) / n)
        assert bought <= visited  # nobody in the history buys without a visit
        buys = model.rates[1, segment, 1] / rate
        assert abs(len(bought) / len(visited) - buys) <= 4 * np.sqrt(buys * (1 - buys) / len(visited))
        assert abs(buys - BUYS[segment]) < 0.05
        expected = world.expected_rewards(RULE, MONDAY)[segment, 1]
        assert expected == pytest.approx(model.rates[1, segment, 1])


def test_rates_of_uncertain_worlds_have_the_beta_distribution_of_the_evidence() -> None:
    few, observed = history(300)
    model = fitted(few, observed, circumstances=replace(AT_ONCE, n_recipients=1))
    rng = generator(4)
    n = 3_000
    rates = np.array([model.world(rng).rates(MONDAY) for _ in range(n)])[:, :, :, :2]
    total = model.evidence.sum(axis=-1)[:, :2]
    for k, z, a in np.ndindex(2, 2, 2):
        mean, sd = model.rates[k, z, a], model.errors[k, z, a]
        posterior = beta(mean * total[z, a], (1 - mean) * total[z, a])
        assert sd == pytest.approx(posterior.std())
        assert abs(rates[:, k, z, a].mean() - mean) <= 4 * sd / np.sqrt(n)
        # The standard error of a standard deviation is about sd / sqrt(2 n), somewhat more for skew distributions.
        assert abs(rates[:, k, z, a].std() / sd - 1) <= 5 / np.sqrt(2 * n)
        assert kstest(rates[:, k, z, a], posterior.cdf).pvalue > 0.0005
    assert (rates[:, 1] <= rates[:, 0]).all()
    assert model.certain().world(rng).rates(MONDAY) == pytest.approx(model.rates)


def test_credible_intervals_of_the_rates_cover_those_that_made_the_history() -> None:
    """Segments that differ as much as ten rows say, which is what the prior takes them to do."""
    rng = generator(20)
    n_segments, rows_each = 300, 40
    truth = rng.beta(10 * np.array([0.2, 0.4]), 10 * np.array([0.8, 0.6]), (n_segments, 2))
    segments, arms = (column.ravel() for column in np.indices((n_segments, 2, rows_each))[:2])
    visit = rng.random(len(arms)) < truth[segments, arms]
    names = tuple(f"s{segment}" for segment in range(n_segments))
    feedback = LoggedFeedback(("plain", "bold"), names, arms, segments, np.full(len(arms), 0.5), visit * 1.0)
    model = fitted(feedback, Observed({"visit": visit}), circumstances=AT_ONCE)
    rows, rates = model.evidence.sum(axis=-1)[:, :2], model.rates[0, :, :2]
    low, high = beta(rates * rows, (1 - rates) * rows).interval(0.9)
    covered = ((low <= truth) & (truth <= high)).mean()
    assert abs(covered - 0.9) <= 4 * np.sqrt(0.09 / truth.size)


def test_propensities_undo_a_policy_that_chose_by_what_the_types_do_not_show() -> None:
    """Arm 1 mostly goes to those who visit anyway: the share of visits among its rows is far above its rate."""
    rng = generator(5)
    n = 60_000
    keen = rng.random(n) < 0.5
    propensity = np.where(keen, 0.9, 0.1)
    arms = (rng.random(n) < propensity).astype(np.int64)
    visit = rng.random(n) < np.where(keen, 0.5, 0.1)  # of either arm: 0.3 in the mean
    feedback = LoggedFeedback(
        ("plain", "bold"),
        ("all",),
        arms,
        np.zeros(n, int),
        np.where(arms == 1, propensity, 1 - propensity),
        visit * 1.0,
    )
    spent = {"visit": np.where(keen, 10, 20) * MICRO}
    model = fitted(feedback, Observed({"visit": visit}, spent), circumstances=AT_ONCE)
    biased = visit[arms == 1].mean()
    assert biased > 0.45
    error = model.errors[0, 0, 1]
    assert abs(model.rates[0, 0, 1] - 0.3) <= 4 * error
    assert abs(model.rates[0, 0, 0] - 0.3) <= 4 * model.errors[0, 0, 0]
    # One visit in six is of somebody who is not keen, although hardly one in fifty of those in the rows of arm 1 is.
    amount = model.amounts[0]
    assert amount is not None
    twenty = (amount.draw(np.ones(10_000, int), generator(6)) == 20 * MICRO).mean()
    n_seen = int((visit & (arms == 1) & ~keen).sum())
    assert abs(twenty - 1 / 6) <= 4 * (1 / 6) * np.sqrt(1 / n_seen + 6 / 10_000)
    # The weights add up to n and their squares to n times the mean of 1 / propensity.
    effective = model.evidence[0, 1].sum() - 10.0
    assert effective == pytest.approx(n * 1.0 / (0.5 / 0.9 + 0.5 / 0.1), rel=0.05)


def test_types_can_be_attributes_crossed() -> None:
    attributes = {
        "country": np.array(["US", "CA", None, "US"], dtype=object),
        "loyal": np.array([True, False, False, False]),
        "days": np.array([1.0, 2.0, np.nan, 4.0]),
    }
    feedback = FEEDBACK.taken(slice(0, 4))
    observed = Observed({"visit": np.array([1, 0, 1, 0])}, attributes=attributes)
    model = fitted(feedback, observed, by=("country", "loyal"), circumstances=AT_ONCE)
    assert model.type_ids == (
        "country US, loyal True",
        "country CA, loyal False",
        "country None, loyal False",
        "country US, loyal False",
    )
    people = model.world(generator(1)).population
    assert people.types.tolist() == [0, 1, 2, 3]
    assert people.attributes[0] == {"country": "US", "loyal": True, "days": 1.0}
    assert people.attributes[2] == {"loyal": False}


def test_the_population_has_the_rows_of_the_history_in_their_shares() -> None:
    whole = fitted(FEEDBACK, OBSERVED, circumstances=AT_ONCE).world(generator(6)).population
    assert whole.types.tolist() == FEEDBACK.segments.tolist()
    assert [row["days"] for row in whole.attributes] == OBSERVED.attributes["days"].tolist()
    for size in (5_000, 30_000):
        some = replace(AT_ONCE, n_recipients=size, consent=0.4)
        people = fitted(FEEDBACK, OBSERVED, circumstances=some).world(generator(7)).population
        share = FEEDBACK.segments.mean()
        assert len(people) == size
        assert abs(people.types.mean() - share) <= 4 * np.sqrt(share * (1 - share) / size)
        assert people.consents.count(True) == 0.4 * size
        for place in range(0, size, 500):  # attributes belong to their type
            assert people.attributes[place]["country"] == ("CA", "US")[people.types[place]]


def test_segment_rules_read_the_attributes_of_the_population() -> None:
    people = fitted(FEEDBACK, OBSERVED, circumstances=AT_ONCE).world(generator(8)).population
    strategy = {
        "strategy": "s",
        "currency": "USD",
        "time_zone": "UTC",
        "objectives": [{"id": "o", "reward": {"outcome": "p", "value": "first"}, "attribution_window": "P7D"}],
        "attributes": {"country": {"type": "category", "values": ["US", "CA"]}, "days": {"type": "number"}},
    }
    campaign = {
        "campaign": "c",
        "serves": "o",
        "channel": "email",
        "messages": [{"id": "m", "body": "x"}],
        "segments": [{"id": "us", "when": {"country": "US"}}, {"id": "recent", "when": {"days": {"below": 100}}}],
        "everyone_else": "include",
    }
    rules = SegmentRules(Strategy.model_validate(strategy), Campaign.model_validate(campaign))
    found = rules.of_many(rules.columns_of(people.attributes), len(people))
    expected = np.where(people.types == 1, 0, np.where(OBSERVED.attributes["days"] < 100, 1, 2))
    assert found.tolist() == expected.tolist()
    assert [rules.of(row) for row in people.attributes[:50]] == expected[:50].tolist()


def test_rows_of_one_recipient_are_one_person_who_comes_more_often() -> None:
    n = 3_000
    feedback = FEEDBACK.taken(slice(0, n))
    # The recipients of segment 1 came twice, those of segment 0 once.
    seen = np.zeros(2, int)
    recipients = np.empty(n, dtype=np.uint64)
    for row, segment in enumerate(feedback.segments):
        recipients[row] = segment * 10_000 + (seen[segment] // (1 + segment))
        seen[segment] += 1
    times = MONDAY + np.arange(n) * 24 * DAY // n
    feedback = replace(feedback, recipients=recipients, decided_at=times)
    observed = Observed({"visit": OBSERVED.happened["visit"][:n]})
    world = fitted(feedback, observed).world(generator(9))
    assert len(world.population) == len(np.unique(recipients))
    came = world.arrivals(MONDAY, MONDAY + 240 * DAY, generator(10))
    assert abs(len(came) - 10 * n) <= 4 * np.sqrt(10 * n)
    share = (world.population.types[came] == 1).mean()
    expected = feedback.segments.mean()
    assert abs(share - expected) <= 4 * np.sqrt(expected * (1 - expected) / len(came))


def test_nothing_sent_is_like_the_variant_that_sends_nothing() -> None:
    model = fitted(FEEDBACK, OBSERVED, variant_ids=("bold",), nothing="plain", circumstances=AT_ONCE)
    both = fitted(FEEDBACK, OBSERVED, circumstances=AT_ONCE)
    assert model.rates.shape == (2, 2, 2)
    assert model.rates[:, :, 0] == pytest.approx(both.rates[:, :, 1])
    assert model.rates[:, :, 1] == pytest.approx(both.rates[:, :, 0])
    assert not both.rates[:, :, 2].any()
    silent = both.world(generator(11))
    n = 1_000
    assert not len(silent.events(np.arange(n), np.full(n, NOTHING_SENT), np.zeros(n, int), MONDAY, generator(12)).kinds)


def test_amounts_are_drawn_from_those_of_the_arm_and_delays_from_those_observed() -> None:
    n = len(FEEDBACK)
    rng = generator(13)
    amounts = np.where(FEEDBACK.arms == 1, 30, 10) * MICRO * rng.integers(0, 3, n)
    decided_at = MONDAY + np.arange(n) * HOUR // 10
    took = ExponentialDelay(5 * HOUR).draw(n, rng)
    occurred_at = np.where(OBSERVED.happened["purchase"], decided_at + took, 0)  # of the others nothing is known
    observed = replace(OBSERVED, amounts={"purchase": amounts}, occurred_at={"purchase": occurred_at})
    feedback = replace(FEEDBACK, decided_at=decided_at)
    model = fitted(feedback, observed, uncertain=False)
    world = model.world(generator(14))
    m = 40_000
    events = world.events(np.arange(m) % n, np.arange(m) % 2, np.zeros(m, int), MONDAY, generator(15))
    bought = events.kinds == 1
    for arm, unit in ((0, 10), (1, 30)):
        values = events.values[bought & (events.decisions % 2 == arm)]
        assert set(values.tolist()) == {unit * MICRO, 2 * unit * MICRO}
    assert not events.values[~bought].any()
    late = events.occurred_at[bought] - MONDAY
    # Within the error of the drawn and of the observed delays, of which there are as many as purchases.
    share, k = 1 - np.exp(-1.0), min(bought.sum(), observed.happened["purchase"].sum())
    assert abs((late <= 5 * HOUR).mean() - share) <= 4 * np.sqrt(2 * share * (1 - share) / k)
    assert (events.occurred_at[~bought] == MONDAY).all()
    given_instead = fitted(feedback, observed, circumstances=Circumstances(delays={"purchase": NoDelay()}))
    assert isinstance(given_instead.timing.delays[1], NoDelay)


def test_arrivals_follow_the_hours_of_the_history() -> None:
    n = len(FEEDBACK)
    times = MONDAY + np.arange(n) % 28 * DAY + 9 * HOUR + np.arange(n) % (2 * HOUR)  # mornings from nine to eleven
    world = fitted(replace(FEEDBACK, decided_at=times), OBSERVED).world(generator(16))
    assert len(world.arrivals(MONDAY, MONDAY + 8 * HOUR, generator(17))) == 0
    came = len(world.arrivals(MONDAY + 9 * HOUR, MONDAY + 11 * HOUR, generator(17)))
    # 20,000 rows in 27 days and an hour.
    assert abs(came - n * 24 / (27 * 24 + 1)) <= 4 * np.sqrt(n / 27) + 0.01 * n / 27


def test_a_drift_may_be_imposed_on_what_was_fitted() -> None:
    drift = Drift(("purchase",), ((MONDAY, 1.0),), arm=1)
    model = fitted(FEEDBACK, OBSERVED, circumstances=replace(AT_ONCE, dynamics=[drift]), uncertain=False)
    world = model.world(generator(18))
    before, after = world.rates(MONDAY - 1), world.rates(MONDAY)
    assert before == pytest.approx(model.rates)
    assert after[0] == pytest.approx(model.rates[0])
    odds = [rates[1, :, 1] / (rates[0, :, 1] - rates[1, :, 1]) for rates in (before, after)]
    assert odds[1] == pytest.approx(np.e * odds[0])


@given(st.integers(0, 2**32))
def test_equal_seeds_give_equal_fitted_worlds(seed: int) -> None:
    model: WorldModel = SMALL
    one, other = (model.world(generator(seed)) for _ in range(2))
    assert one.expected_rewards(RULE, MONDAY).tolist() == other.expected_rewards(RULE, MONDAY).tolist()
    assert one.population.types.tolist() == other.population.types.tolist()
    ours, theirs = (
        w.events(np.arange(50), np.arange(50) % 2, np.zeros(50, int), 0, generator(seed)) for w in (one, other)
    )
    assert ours.occurred_at.tolist() == theirs.occurred_at.tolist()


SMALL: FittedWorld = fitted(*history(200), circumstances=replace(AT_ONCE, n_recipients=50))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: fitted(FEEDBACK.taken(slice(0, 0)), Observed({"visit": np.zeros(0)})), "history: found no rows"),
        (lambda: fitted(FEEDBACK, OBSERVED), "arrivals: found a history without times"),
        (lambda: fitted(FEEDBACK, OBSERVED, variant_ids=("mens",)), "variant: found mens; .*: plain, bold"),
        (lambda: fitted(FEEDBACK, OBSERVED, nothing="none"), "variant: found none; .*: plain, bold"),
        (lambda: fitted(FEEDBACK, OBSERVED, by=("zip",)), "by: found the attribute zip; allowed country, days"),
        (lambda: fitted(FEEDBACK, OBSERVED, prior_rows=0.0), "prior_rows: found 0; allowed 1 or more"),
        (lambda: fitted(FEEDBACK, Observed({})), "kinds: found none"),
        (lambda: fitted(FEEDBACK, Observed({"visit": FEEDBACK.arms * 2})), "visit: found values other than 0 and 1"),
        (lambda: fitted(FEEDBACK, Observed({"visit": np.ones(3)})), "visit: found 3 rows; allowed 20000"),
        (
            lambda: fitted(FEEDBACK, replace(OBSERVED, amounts={"order": FEEDBACK.arms})),
            "observed: found the outcome order; allowed visit, purchase",
        ),
        (
            lambda: fitted(
                FEEDBACK,
                replace(OBSERVED, attributes={"row": np.arange(len(FEEDBACK))}),
                by=("row",),
                circumstances=AT_ONCE,
            ),
            "by: found 20,000 types of recipients; allowed at most 1,000",
        ),
    ],
)
def test_a_history_that_makes_no_world_is_refused(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()
