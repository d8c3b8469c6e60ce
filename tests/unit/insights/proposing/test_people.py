"""People: new words where all do badly, fewer messages where they tire, wider audiences where nothing is learned."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from tests.unit.insights.proposing.made_up import FILES, carried_out, changed, look

from optimizer.domain.proposals import Confidence, Edit, Proposal, ProposalKind
from optimizer.insights.proposing.looked import ByContact
from optimizer.insights.proposing.tiring import lower_caps
from optimizer.insights.proposing.widening import wider_audiences
from optimizer.insights.proposing.writing import new_messages
from optimizer.strategy.workspace import read_workspace

BADLY = [[0.05, 0.051, 0.05], [0.12, 0.12, 0.12]]


def test_a_segment_that_gains_nothing_while_others_do_gets_a_draft_to_be_written() -> None:
    (one,) = new_messages(look(BADLY, n=400))
    assert (one.kind, one.subject, one.confidence) == (ProposalKind.WRITE_MESSAGE, "low", Confidence.MEDIUM)
    assert one.expected is None
    assert "band is one of a, b" in one.evidence[1]
    after = read_workspace(carried_out(FILES, one)).campaigns["mail"].messages[-1]
    assert (after.id, after.subject, after.retired) == ("for-low", "Two", False)
    assert after.notes is not None
    assert after.notes.startswith("TODO")


def test_no_draft_where_all_gain_or_all_do_not() -> None:
    assert not list(new_messages(look(0.12, n=400)))
    assert not list(new_messages(look(0.05, n=400)))
    assert not list(new_messages(look(BADLY, n=5)))


def test_no_draft_that_would_be_sent_unread_or_is_one_too_many() -> None:
    unread = changed(FILES, "strategy.yaml", ("guardrail_metrics:", "approval: {required: false}\nguardrail_metrics:"))
    full = changed(
        FILES, "strategy.yaml", ("guardrail_metrics:", "capacity: {variants_per_campaign: 3}\nguardrail_metrics:")
    )
    assert not list(new_messages(look(BADLY, n=400, files=unread)))
    assert not list(new_messages(look(BADLY, n=400, files=full)))


def by_contact(rates: list[float], none: float = 0.05, n: float = 4_000.0) -> ByContact:
    """Two segments alike; `n` trials of each contact."""
    trials = np.full((2, 2, len(rates)), n)
    wins = trials * np.stack([rates, [none] * len(rates)])[:, None, :]
    return ByContact(trials, wins, wins)


def tired(rates: list[float], **rest: Any) -> list[Proposal]:
    return list(lower_caps(look(0.08, by_contact=by_contact(rates), **rest)))


def test_late_contacts_that_do_harm_are_not_made() -> None:
    (one,) = tired([0.10, 0.09, 0.05, 0.04, 0.02, 0.01])
    assert (one.kind, one.confidence) == (ProposalKind.LOWER_FREQUENCY, Confidence.HIGH)
    assert one.edits == (Edit("", ("contact_policy", "0", "at_most"), "set", 3),)
    assert one.expected is not None
    assert one.expected.low > 0.0
    assert "{at_most: 3, per: P7D}" in carried_out(FILES, one)["strategy.yaml"]


def test_contacts_that_earn_less_but_still_something_are_made() -> None:
    assert not tired([0.15, 0.14, 0.12, 0.10, 0.08, 0.07])


def test_what_never_earned_anything_is_no_matter_of_frequency() -> None:
    assert not tired([0.03] * 6)


def test_where_control_is_a_message_nobody_knows_what_none_would_do() -> None:
    files = changed(FILES, "campaigns/mail.yaml", ("control: nothing", "control: {message: first}"))
    assert not tired([0.10, 0.09, 0.05, 0.04, 0.02, 0.01], files=files)


def test_a_cap_of_one_is_not_lowered() -> None:
    files = changed(FILES, "strategy.yaml", ("at_most: 4", "at_most: 1"))
    assert not tired([0.10, 0.09, 0.05, 0.04, 0.02, 0.01], files=files)


HARDLY: dict[str, Any] = {"rates": [[0.09, 0.10, 0.04]] * 2, "n": 10, "days": 20}


def test_too_few_recipients_for_so_many_variants_and_the_worst_may_go() -> None:
    (one,) = wider_audiences(look(**HARDLY))
    assert (one.kind, one.confidence, one.subject) == (ProposalKind.FIX_AUDIENCE, Confidence.LOW, "third")
    assert "id: third, subject: Three, retired: true" in carried_out(FILES, one)["campaigns/mail.yaml"]
    assert re.match(
        r"low has its answer within 28 days with a probability of [\d.]+ %, and of [\d.]+ %", one.evidence[0]
    )


def test_the_best_is_likely_among_those_that_stay() -> None:
    assert not list(wider_audiences(look(**{**HARDLY, "rates": [[0.09, 0.10, 0.08]] * 2})))


# Everyone else knows that the first is best; in low it is ahead, of few recipients.
SMALL: dict[str, Any] = {"rates": [[0.11, 0.10, 0.09], [0.13, 0.10, 0.08]], "n": [[10], [900]], "days": 20}


def test_a_small_segment_is_put_together_with_one_that_has_its_answer_and_the_odds_are_said() -> None:
    (one,) = wider_audiences(look(**SMALL))
    assert one.subject == "everyone-else low"
    assert "segments" not in carried_out(FILES, one)["campaigns/mail.yaml"]
    odds = re.match(r"Alone, low has its answer within 28 days with a probability of ([\d.]+) %", one.evidence[0])
    assert odds is not None
    assert float(odds[1]) < 50.0


@pytest.mark.parametrize(
    "change",
    [
        {"rates": [[0.10, 0.11, 0.09], [0.13, 0.10, 0.08]]},  # another variant is ahead there
        {"rates": [[0.11, 0.10, 0.09], [0.102, 0.10, 0.08]]},  # the answer is not sure
        {"rates": 0.10},  # neither has an answer: the evidence of one would be lost, and nothing won
        {"rates": [[0.13, 0.09, 0.09], [0.13, 0.10, 0.08]], "n": [[60], [900]]},  # it has one soon by itself
        {"n": [[1], [900]]},  # nobody knows yet what is ahead there
    ],
)
def test_a_segment_stays_that_learns_or_may_differ_or_is_not_known(change: dict[str, Any]) -> None:
    assert not list(wider_audiences(look(**{**SMALL, **change})))


def test_an_audience_that_learns_in_time_or_has_its_answer_stays() -> None:
    assert not list(wider_audiences(look(0.10, n=900)))
    assert not list(wider_audiences(look([[0.30, 0.05, 0.05]] * 2, n=20)))
    assert not list(wider_audiences(look(**{**HARDLY, "days": 6})))
