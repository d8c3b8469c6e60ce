"""Lower a frequency cap that tires people: later contacts that do harm are not made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.domain.instants import DAY, Duration
from optimizer.domain.proposals import Confidence, Edit, Proposal, ProposalKind
from optimizer.evaluation.stratified import StratifiedDifference
from optimizer.insights.proposing.certainty import ERROR, LEVEL, above_zero, combined, turned
from optimizer.insights.proposing.looked import ByContact, Looked
from optimizer.insights.proposing.words import as_of, effect, per_trial
from optimizer.strategy.limits import ContactRule

EARLY = 2  # contacts that nobody is tired at yet


def lower_caps(looked: Looked) -> Iterator[Proposal]:
    """At most one proposal: one contact less in each period of the rule that binds, where the late ones do harm.

    What a contact does is what it earns beyond what those held out earn at as many occasions. That it falls is not
    enough: a contact that still earns something is worth making. So the late ones must earn less than nothing.
    """
    by_contact = looked.by_contact
    if by_contact is None or looked.campaign.control not in {None, "nothing"}:
        return  # who is held out gets a message too, so nobody knows what none would do
    found = _late(looked, by_contact)
    rule = _rule(looked)
    if found is None or rule is None or rule[1].at_most < 2:
        return
    first, early, late = found
    falls = combined([(1.0, early), (1.0, turned(late))])
    harm = turned(late)
    n = by_contact.trials.shape[-1]
    if falls is None or not above_zero(falls, ERROR):
        return
    sure = Confidence.HIGH if above_zero(harm, ERROR / n) else Confidence.MEDIUM if above_zero(harm, ERROR) else None
    if sure is None and harm.interval(LEVEL)[0] > 0.0:
        sure = Confidence.LOW
    if sure is None:
        return
    place, cap = rule
    contacts = float(looked.per_day().sum()) / cap.at_most  # one of so many in each period is not made
    gain = combined([(contacts, harm)])
    yield Proposal(
        kind=ProposalKind.LOWER_FREQUENCY,
        campaign_id=looked.tactic.campaign_id,
        subject=f"contact_policy {place}",
        headline=f"Allow {cap.at_most - 1} instead of {cap.at_most} messages in {_days(cap.per)}: more tire people.",
        evidence=(
            f"The first {EARLY} contacts earn {per_trial(early, looked.unit)} than none, "
            f"contact {first + 1} and later ones {per_trial(late, looked.unit)}.",
            as_of(looked),
        ),
        expected=None if gain is None else effect(gain, looked),
        risk="The rule holds for every campaign on these channels, so others send less, too.",
        confidence=sure,
        edits=(Edit("", ("contact_policy", str(place), "at_most"), "set", cap.at_most - 1),),
    )


def _late(looked: Looked, by: ByContact) -> tuple[int, StratifiedDifference, StratifiedDifference] | None:
    """The first of the late contacts, and what the early and the late ones earn beyond nothing, a trial.

    Late is the last third of the contacts that were made: a cap cuts the later half or so of what people get.
    """
    made = by.trials[0].sum(axis=0)
    n = made.sum()
    if not n:
        return None
    reached = np.cumsum(made) / n
    first = max(int(np.searchsorted(reached, 2.0 / 3.0)), EARLY)
    if first >= len(made) or not made[first:].any():
        return None
    sides = [range(EARLY), range(first, len(made))]
    early, late = (looked.difference(by.side(0, list(some)), by.side(1, list(some))) for some in sides)
    return (first, early, late) if late.pairs > 0.0 and early.pairs > 0.0 else None


def _rule(looked: Looked) -> tuple[int, ContactRule] | None:
    """The rule for the campaign's channel that allows least a day, with its place in the contact policy."""
    rules = [
        (place, rule)
        for place, rule in enumerate(looked.strategy.contact_policy)
        if rule.channels is None or looked.campaign.channel in rule.channels
    ]
    return min(rules, key=lambda each: each[1].at_most / each[1].per, default=None)


def _days(span: Duration) -> str:
    return "a day" if span == DAY else f"{span / DAY:g} days"
