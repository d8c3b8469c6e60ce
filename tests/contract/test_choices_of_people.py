"""What people choose for a customer: ranked under every guardrail, recorded once, and never learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from optimizer.domain.instants import DAY, HOUR
from optimizer.domain.reasons import Block, Group, Reason
from optimizer.errors import Conflict, InvalidRequest, NotFound
from optimizer.services.decisions.deciding import Answer
from optimizer.services.decisions.explaining import explain
from optimizer.services.decisions.ranking import Ranked, rank
from optimizer.services.oversight import steering

STRATEGY = """\
strategy: shop
currency: USD
time_zone: Europe/London
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
attributes:
  age: {type: number}
channels:
  phone: {cost: "1 USD"}
contact_policy:
  - {at_most: 2, per: P7D}
approval: {required: false}
"""
CAMPAIGN = """\
campaign: winback
serves: buy
channel: phone
messages:
  - {id: one, subject: One}
  - {id: two, subject: Two}
  - {id: three, subject: Three}
control: {message: three}
segments:
  - {id: old, when: {age: {at_least: 50}}}
policy: {floor: 0.05}
holdout: {share: 0.2}
budget: {total: 1000 USD}
"""
VARIANTS = ("one", "two", "three")
Play = Callable[..., Any]


@pytest.fixture
def play(deployment: Any, make_house: Callable[..., Any]) -> Play:
    """A house with the small call centre in force, its documents changed by ``(old, new)`` pairs."""

    def built(*changes: tuple[str, str]) -> Any:
        house = make_house(deployment)
        house.files = {"strategy.yaml": STRATEGY, "campaigns/winback.yaml": CAMPAIGN}
        for old, new in changes:
            (path,) = [name for name, text in house.files.items() if old in text]
            house.files[path] = house.files[path].replace(old, new, 1)
        house.apply(house.files)
        return house

    return built


def ranked(house: Any, recipient: str, **rest: Any) -> Ranked:
    with house.deployment.store.reading() as ledger:
        return rank(ledger, house.deployment.live, house.request(recipient, **rest), house.now)


def choose(house: Any, recipient: str, variant: str, request_id: str = "call", **rest: Any) -> Any:
    (answer,) = house.decide(house.request(recipient, request_id, chosen=variant, actor="agent-7", **rest))
    return answer


def chosen(house: Any, recipient: str, variant: str, request_id: str = "call", **rest: Any) -> Any:
    answer = choose(house, recipient, variant, request_id, **rest)
    assert isinstance(answer, Answer), answer
    return answer.decision


def people(house: Any, *, held_out: bool, n: int = 1) -> list[str]:
    """Recipients who are in the campaign's holdout, or not."""
    found: list[str] = []
    while len(found) < n:
        name = f"person-{house._numbers.__next__()}"
        if (ranked(house, name).ranking.group is Group.CAMPAIGN_HOLDOUT) is held_out:
            found.append(name)
    return found


def recorded_so_far(house: Any) -> dict[str, int]:
    """Rows of everything a decision writes, without the meters that looking at a budget begins."""
    return {name: n for name, n in house.counts().items() if name in {"decisions", "commitments", "statistics"}}


def steer(house: Any, wish: Callable[..., Any], *rest: Any) -> Any:
    with house.deployment.store.writing(alone=True) as ledger:
        return wish(ledger, house.deployment.live, "winback", *rest, actor="ann", note="because", now=house.now)


def believed(house: Any) -> Any:
    """What the newest snapshot believes, as plain numbers."""
    house.learn()
    with house.deployment.store.reading() as ledger:
        snapshot = ledger.snapshots.latest("winback")
    return snapshot.trials.tolist(), {name: array.tolist() for name, array in snapshot.belief.arrays.items()}


def test_a_ranking_orders_what_may_be_chosen_by_how_likely_it_is_the_best(play: Play) -> None:
    house = play()
    for answer in house.learning(60):
        if answer.decision.variant_id == "two":
            house.recorded(answer.decision.decision_id)
    house.later(HOUR)
    house.learn()
    (ann,) = people(house, held_out=False)
    found = ranked(house, ann)
    p_best = [variant.p_best for variant in found.ranking.variants]
    assert found.ranking.variants[0].variant_id == "two"
    assert p_best == sorted(p_best, reverse=True)
    assert sum(p_best) == pytest.approx(1.0)
    assert sum(variant.allocation for variant in found.ranking.variants) == pytest.approx(1.0)
    assert sum(variant.trials for variant in found.ranking.variants) == 60
    assert all(variant.low < variant.mean < variant.high for variant in found.ranking.variants)
    assert found.why[0].startswith("does best among customers of segment everyone-else: ")
    assert "least likely the best" in found.why[-1]


def test_before_anything_is_known_the_ranking_says_so(play: Play) -> None:
    house = play()
    (ann,) = people(house, held_out=False)
    assert set(ranked(house, ann).why) == {"nothing is known yet in segment everyone-else: each is as likely the best"}


def test_ranking_writes_nothing_and_claims_nothing(play: Play) -> None:
    house = play()
    before = house.counts()
    for n in range(20):
        ranked(house, f"person-{n}", attributes={"age": 60})
    assert house.counts() == before
    assert house.verify().decisions == 0


def test_a_ranking_agrees_with_the_decision_that_follows(play: Play) -> None:
    house = play()
    for n in range(40):
        found = ranked(house, f"person-{n}", request_id="r1").ranking
        decision = house.decided(f"person-{n}").decision
        assert (found.segment_id, found.group) == (decision.segment_id, decision.group)
        allocations = {variant.variant_id: variant.allocation for variant in found.variants}
        assert allocations[decision.variant_id] == decision.propensity
        assert dict(found.removed) == dict(decision.blocked)


def test_a_choice_is_a_decision_with_its_commitment_and_comes_out_the_same_again(play: Play) -> None:
    house = play()
    (ann,) = people(house, held_out=False)
    decision = chosen(house, ann, "two", attributes={"age": 60}, excluded=("one",))
    assert (decision.variant_id, decision.segment_id, decision.propensity) == ("two", "old", 1.0)
    assert (decision.group, decision.reason) == (Group.CHOSEN_BY_PEOPLE, Reason.CHOSEN_BY_HUMAN)
    assert (decision.actor, decision.snapshot_id) == ("agent-7", None)
    assert decision.blocked == {"one": Block.EXCLUDED_BY_CALLER, "three": Block.NOT_CHOSEN}
    with house.deployment.store.reading() as ledger:
        found = explain(ledger, house.deployment.live, decision.decision_id)
        (meter,) = [reading for key, reading in ledger.meters.all().items() if key.scope == "campaign:winback"]
    assert found.same
    assert found.steps[-1].shares["two"] == 1.0
    assert found.commitment is not None
    assert (meter.money, meter.sends) == (1_000_000, 1)
    assert house.recorded(decision.decision_id) == "accepted"
    assert house.verify().clean


def test_repeating_a_choice_changes_nothing_and_another_choice_needs_another_request(play: Play) -> None:
    house = play()
    (ann,) = people(house, held_out=False)
    first = chosen(house, ann, "two")
    before = house.counts()
    house.later(HOUR)
    assert chosen(house, ann, "two") == first
    refused = choose(house, ann, "one")
    assert isinstance(refused, Conflict)
    expected = "request_id: found 'call', under which two was decided; allowed another request_id for another choice"
    assert str(refused) == expected
    assert house.counts() == before


def test_of_two_choices_made_together_under_one_request_the_first_is_recorded(play: Play) -> None:
    house = play()
    (ann,) = people(house, held_out=False)
    wishes = [house.request(ann, "call", chosen=variant, actor="agent-7") for variant in ("one", "two", "one")]
    first, second, third = house.decide(*wishes)
    assert isinstance(second, Conflict)
    assert first.decision == third.decision
    assert house.counts()["decisions"] == 1


def test_an_unknown_variant_or_campaign_is_refused(play: Play) -> None:
    house = play()
    wrong = choose(house, "ann", "four")
    assert isinstance(wrong, InvalidRequest)
    assert str(wrong) == "/variant: found 'four'; allowed one, two, three"
    assert isinstance(choose(house, "ann", "one", campaign="nonsense"), NotFound)
    with pytest.raises(NotFound):
        ranked(house, "ann", campaign="nonsense")
    with pytest.raises(InvalidRequest):
        ranked(house, "ann", attributes={"colour": "red"})


def exclude(house: Any) -> dict[str, Any]:
    return {"excluded": ("one",)}


def pause_it(house: Any) -> dict[str, Any]:
    steer(house, steering.pause_variant, "one")
    return {}


def pin_another(house: Any) -> dict[str, Any]:
    steer(house, steering.pin, "two")
    return {}


def pause_all(house: Any) -> dict[str, Any]:
    steer(house, steering.pause)
    return {}


@pytest.mark.parametrize(
    ("arrange", "rule", "left"),
    [
        (exclude, Block.EXCLUDED_BY_CALLER, ("two", "three")),
        (pause_it, Block.VARIANT_PAUSED, ("two", "three")),
        (pin_another, Block.NOT_PINNED, ("two",)),
        (pause_all, Block.CAMPAIGN_PAUSED, ()),
    ],
)
def test_what_a_rule_removes_cannot_be_chosen_and_the_refusal_names_the_rule(
    play: Play, arrange: Callable[[Any], dict[str, Any]], rule: Block, left: Sequence[str]
) -> None:
    house = play()
    (ann,) = people(house, held_out=False)
    said = arrange(house)
    before = recorded_so_far(house)
    refused = choose(house, ann, "one", **said)
    assert isinstance(refused, Conflict)
    assert str(refused).startswith("variant: found one, but ")
    assert str(refused).endswith(f"({rule}); allowed {', '.join(left) or 'nothing now'}")
    assert recorded_so_far(house) == before
    found = ranked(house, ann, **said)
    assert {variant.variant_id for variant in found.ranking.variants} == set(left)
    assert found.ranking.removed["one"] is rule
    assert found.removed_because.keys() == set(VARIANTS) - set(left)


def test_what_is_pinned_may_be_chosen(play: Play) -> None:
    house = play()
    (ann,) = people(house, held_out=False)
    steer(house, steering.pin, "two")
    found = ranked(house, ann)
    assert [(v.variant_id, v.allocation) for v in found.ranking.variants] == [("two", 1.0)]
    assert found.why[0].startswith("a person has pinned it for everyone")
    assert chosen(house, ann, "two").reason is Reason.CHOSEN_BY_HUMAN
    assert house.verify().clean


def test_choices_use_up_contacts_and_the_ranking_sees_it(play: Play) -> None:
    house = play()
    (ann,) = people(house, held_out=False)
    chosen(house, ann, "one", "call-1")
    house.later(HOUR)
    chosen(house, ann, "one", "call-2")
    assert "contact_policy" in str(choose(house, ann, "one", "call-3"))
    found = ranked(house, ann)
    assert found.ranking.variants == ()
    assert found.ranking.retry_at == house.now - HOUR + 7 * DAY
    assert found.offer.startswith("Nothing may be offered: the customer has had as many messages lately")
    house.later(7 * DAY)
    assert chosen(house, ann, "one", "call-4").variant_id == "one"


def test_choices_and_draws_share_one_budget_to_the_last_unit(play: Play) -> None:
    house = play(("total: 1000 USD", "total: 5 USD"))
    names = people(house, held_out=False, n=8)
    for name in names[:3]:
        chosen(house, name, "one")
    for name in names[3:5]:
        assert house.decided(name).decision.variant_id is not None
    assert "budget_exhausted" in str(choose(house, names[5], "one"))
    assert house.decided(names[6]).decision.reason is Reason.BUDGET_EXHAUSTED
    assert ranked(house, names[7]).ranking.variants == ()
    assert house.verify().clean


def test_a_ranking_counts_money_that_is_due_to_be_released_as_free(play: Play) -> None:
    costs = ('cost: "1 USD"', 'cost: "5 USD per purchase"')
    house = play(costs, ("total: 1000 USD", "total: 5 USD"))
    ann, bob = people(house, held_out=False, n=2)
    chosen(house, ann, "one")
    assert ranked(house, bob).ranking.variants == ()
    house.later(8 * DAY)
    before = house.counts()
    assert len(ranked(house, bob).ranking.variants) == 3
    assert house.counts() == before
    assert chosen(house, bob, "one").variant_id == "one"


def test_a_refused_choice_leaves_supplies_to_the_others_of_its_transaction(play: Play) -> None:
    house = play(("total: 1000 USD", "total: 1 USD"))
    (ann,) = people(house, held_out=False)
    (held,) = people(house, held_out=True)
    wishes = [
        house.request(held, "call", chosen="one", actor="agent-7"),
        house.request(ann, "call", chosen="one", actor="agent-7"),
    ]
    refused, answered = house.decide(*wishes)
    assert isinstance(refused, Conflict)
    assert answered.decision.variant_id == "one"


def test_a_holdout_stays_a_holdout_whoever_chooses(play: Play) -> None:
    house = play()
    (held,) = people(house, held_out=True)
    found = ranked(house, held)
    assert [variant.variant_id for variant in found.ranking.variants] == ["three"]
    assert found.ranking.kept_from == ("one", "two")
    assert found.offer == (
        "Only three, the control, may be offered: the customer is in the campaign's holdout, "
        "for what the campaign adds is measured against its holdout."
    )
    refused = choose(house, held, "one")
    assert isinstance(refused, Conflict)
    assert str(refused) == (
        "variant: found one, but the customer is in the campaign's holdout (campaign_holdout); allowed three"
    )
    decision = chosen(house, held, "three")
    assert (decision.group, decision.reason) == (Group.CAMPAIGN_HOLDOUT, Reason.HOLDOUT)
    assert decision.actor is None
    assert house.verify().clean


def test_where_holdouts_get_nothing_nothing_can_be_chosen_for_them(play: Play) -> None:
    house = play(("control: {message: three}", "control: nothing"))
    (held,) = people(house, held_out=True)
    assert ranked(house, held).ranking.variants == ()
    assert str(choose(house, held, "three")).endswith("allowed nothing: such recipients are sent nothing")


def test_outside_the_audience_nothing_can_be_chosen(play: Play) -> None:
    house = play(("policy: {floor: 0.05}", "everyone_else: exclude\npolicy: {floor: 0.05}"))
    found = ranked(house, "ann")
    assert (found.ranking.segment_id, found.ranking.variants) == (None, ())
    assert "outside the audience" in str(choose(house, "ann", "one"))


def by_choice(house: Any, names: Sequence[str]) -> list[Any]:
    return [chosen(house, name, VARIANTS[n % 3]) for n, name in enumerate(names)]


def by_pin(house: Any, names: Sequence[str]) -> list[Any]:
    steer(house, steering.pin, "one")
    found = [house.decided(name).decision for name in names]
    steer(house, steering.unpin)
    return found


@pytest.mark.parametrize("decide", [by_choice, by_pin])
def test_what_people_chose_is_recorded_and_never_learned_from(
    play: Play, decide: Callable[[Any, Sequence[str]], list[Any]]
) -> None:
    house = play()
    for answer in house.learning(30):
        if answer.decision.variant_id == "two":
            house.recorded(answer.decision.decision_id)
    before = believed(house)
    decisions = decide(house, people(house, held_out=False, n=12))
    assert {decision.group for decision in decisions} == {Group.CHOSEN_BY_PEOPLE}
    for decision in decisions:
        assert house.recorded(decision.decision_id) == "accepted"
    house.later(HOUR)
    assert believed(house) == before
    chosen_by_people = [
        sums
        for cell, sums in house.statistics().items()
        if (cell.group, cell.metric) == (Group.CHOSEN_BY_PEOPLE, "reward:buy")
    ]
    assert sum(n for n, _, _ in chosen_by_people) == 12
    assert sum(positives for _, positives, _ in chosen_by_people) == 12
    assert house.verify().clean
