"""Journeys: what the database sums over recipients is what the house's own judgement of each decision comes to."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import Any

import pytest

from optimizer.domain.instants import DAY, HOUR
from optimizer.domain.reasons import HOLDOUTS, Group
from optimizer.domain.statistics import NOTHING, WITHHELD, reward_metric
from optimizer.engine.assessment import assess
from optimizer.storage.journeys import Journeys, Question

TRAPS = "hygiene: {machine_kinds: [clicked], fastest: PT5M, honeypot: trap}\n"
AMOUNTS = ("reward: {outcome: purchase, value: first}", 'reward: {outcome: purchase, value: amount, at_most: "50 USD"}')
PENALTY = (
    "    attribution_window: P7D\n",
    "    attribution_window: P7D\n    penalties: {unsubscribed: 5, clicked: 0.25}\n",
)


def asked(house: Any, campaign: str, valued: str | None = None) -> tuple[Question, Journeys]:
    with house.deployment.store.reading() as ledger:
        rule = house.deployment.live.at(ledger).tactic(campaign).reward_rule
        question = Question((campaign,), rule, valued, (Group.LEARNING,), tuple(sorted(HOLDOUTS)), 30 * DAY, house.now)
        return question, ledger.journeys.of(question)


def lived(house: Any, campaign: str, *, days: int = 5, people: int = 44) -> None:
    """People asked for again and again, with outcomes of every kind: repeated, reversed, early, late and false."""
    chance = random.Random(7)
    for day in range(days):
        some = chance.sample(range(people), people // 2)
        answers = house.decide(
            *[
                house.request(f"p{one}", f"d{day}", campaign, attributes={"vip": one % 3 > 0, "days": one % 200})
                for one in some
            ]
        )
        reports = []
        for answer in answers:
            at, decision = house.now, answer.decision
            if chance.random() < 0.85:
                reports.append(house.report(decision.decision_id, "delivered", occurred_at=at + HOUR // 2))
            for kind, odds in (("opened", 0.5), ("clicked", 0.5), ("trap", 0.1), ("bounced", 0.2), ("purchase", 0.4)):
                while chance.random() < odds:
                    after = chance.choice([HOUR // 2 + 1, HOUR, 20 * HOUR, 3 * DAY, 9 * DAY])
                    value = chance.choice([None, 9_500_000, 80_000_000]) if kind == "purchase" else None
                    rest = {"value": value, "currency": "USD"} if value else {}
                    one = house.report(
                        decision.decision_id, kind, occurred_at=at + after, machine=chance.random() < 0.1, **rest
                    )
                    reports.append(one)
                    if chance.random() < 0.2:
                        reports.append(
                            house.report(decision.decision_id, kind, occurred_at=at + after + 1, reverses=one.event_id)
                        )
        house.later(12 * DAY)
        house.record(*reports)
        house.later(-11 * DAY)
    house.later(20 * DAY)


def told(house: Any, question: Question) -> dict[str, Counter[Any]]:
    """The same from each decision and its outcomes, judged one by one."""
    rule, sums = question.rule, defaultdict(Counter)
    with house.deployment.store.reading() as ledger:
        decisions = [d for d in ledger.decisions.stream() if d.campaign_id in question.campaign_ids]
        outcomes = ledger.outcomes.of([d.decision_id for d in decisions])
        costs = {d.decision_id: ledger.commitments.read(d) for d in decisions}
    decisions = [d for d in decisions if d.group in (*question.learning, *question.held) and d.segment_id]
    by_person = defaultdict(list)
    for decision in sorted(decisions, key=lambda d: (d.decided_at, d.decision_id)):
        by_person[decision.recipient_key].append(decision)
    for some in by_person.values():
        side, home, contact, turns, rewarded = some[0].group in HOLDOUTS, some[0].segment_id, 0, 0, False
        trials = rewards = worth_of_person = 0.0
        for decision in some:
            found = assess(rule, decision, outcomes.get(decision.decision_id, []))
            contact += decision.variant_id is not None or decision.reason.value == "holdout"
            worth = (
                found.reward / 1e6 if question.valued is None else found.counted.get(question.valued, (0, 0))[1] / 1e6
            )
            if question.valued is None and rule.in_amounts and found.exposed_at is None:
                worth = min(found.counted.get(rule.kind, (0, 0))[1], rule.at_most or 10**12) / 1e6
            commitment = costs[decision.decision_id]
            cost = commitment.settled / 1e6 if commitment else 0.0
            held, place = decision.group in HOLDOUTS, f"{decision.campaign_id}/{decision.segment_id}"
            if found.exposed_at is not None:
                trials, rewards = trials + 1, rewards + found.reward / 1e6
                day = (held, place, decision.decided_at // DAY)
                sums["day"][day, "n"] += 1
                sums["day"][day, "reward"] += found.reward / 1e6
                sums["day"][day, "cost"] += cost
                sums["contact"][held, place, min(contact, 16)] += 1
            worth_of_person += worth
            undone = {o.reverses for o in outcomes.get(decision.decision_id, [])}
            times = [
                o.occurred_at
                for o in outcomes.get(decision.decision_id, [])
                if o.kind == rule.kind and o.reverses is None and o.event_id not in undone and not o.machine
            ]
            if rule.kind == "purchase":
                last = decision.decided_at + rule.window
                turns += sum(at <= min(last, some[0].decided_at + question.known_for) for at in times)
            rewarded |= rule.kind in found.counted and (not rule.in_amounts or found.counted[rule.kind][1] > 0)
        person = (side, f"{some[0].campaign_id}/{home}")
        sums["person"][person, "n"] += 1
        sums["person"][person, "rewarded"] += rewarded
        sums["person"][person, "decisions"] += len(some)
        sums["person"][person, "again"] += turns >= 2 and some[0].decided_at + question.known_for <= question.now
        sums["person"][person, "trials_rewards"] += trials * rewards
        sums["person"][person, "rewards_squares"] += rewards**2
        if rule.in_amounts or question.valued:
            sums["person"][person, "worth"] += worth_of_person
    return sums


CASES = {
    "whether something happened, counted from the decision, control is a variant": ("winback", None, ()),
    "the same, with what its outcomes were worth": ("winback", "purchase", ()),
    "counted from the opening, control is nothing, scanners and traps": ("members", None, ()),
    "how often, counted from the delivery": ("newsletter", None, ()),
    "amounts, capped": ("winback", None, (AMOUNTS,)),
    "with penalties": ("winback", "purchase", (PENALTY,)),
}


@pytest.mark.parametrize("case", CASES)
def test_what_the_database_sums_is_what_each_decision_is_judged_to_be(
    house: Any, files: Any, edited: Any, case: str
) -> None:
    campaign, valued, changes = CASES[case]
    documents = dict(files)
    documents["strategy.yaml"] = TRAPS + documents["strategy.yaml"]
    for old, new in changes:
        documents["strategy.yaml"] = documents["strategy.yaml"].replace(old, new, 1)
    documents["strategy.yaml"] += "channels: {email: {cost: 0.02 USD per click}}\n"
    if AMOUNTS in changes:
        documents["campaigns/winback.yaml"] = documents["campaigns/winback.yaml"].replace(
            "policy: {floor: 0.05}", "policy: {floor: 0.05, model: hurdle}"
        )
    house.apply(edited(documents, "strategy.yaml"))
    lived(house, campaign)
    question, found = asked(house, campaign, valued)
    expected = told(house, question)
    assert len(expected["day"]) > 10
    by_day = {(one.held, one.place, one.day): one for one in found.days if one.n}
    assert by_day.keys() == {key for (key, name) in expected["day"] if name == "n"}
    for key, one in by_day.items():
        for name in ("n", "reward", "cost"):
            assert getattr(one, name) == pytest.approx(expected["day"][key, name], abs=1e-9), (key, name)
    for person in found.people:
        for name in {name for (_, name) in expected["person"]}:
            want = expected["person"][(person.held, person.place), name]
            if name != "again" or question.rule.kind == "purchase":
                assert getattr(person, name) == pytest.approx(want, abs=1e-9), (person.place, name)
    assert sum(one.n for one in found.people) == sum(v for (_, n), v in expected["person"].items() if n == "n")
    assert {(c.held, c.place, c.contact): c.n for c in found.contacts} == dict(expected["contact"])


def test_the_sums_of_the_days_are_those_of_the_statistics(house: Any) -> None:
    lived(house, "members")
    _, found = asked(house, "members")
    trials: Counter[bool] = Counter()
    rewards: Counter[bool] = Counter()
    with house.deployment.store.reading() as ledger:
        for cell, sums in ledger.statistics.of_campaign("members"):
            held = cell.group in HOLDOUTS
            if cell.metric == reward_metric("opens") and (held or cell.variant_id not in {NOTHING, WITHHELD}):
                trials[held] += sums.n
                rewards[held] += sums.total / 1e6
    for held in (False, True):
        mine = [one for one in found.days if one.held is held]
        assert sum(one.n for one in mine) == trials[held] > 0
        assert sum(one.reward for one in mine) == pytest.approx(rewards[held])


def test_nobody_has_a_journey_before_anything_happened(house: Any) -> None:
    assert asked(house, "winback")[1] == Journeys((), (), ())
