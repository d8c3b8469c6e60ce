"""What a search for segments found: rules in the order in which they are asked, and what they would earn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optimizer.insights.discovering.rules import Rule


@dataclass(frozen=True, slots=True)
class Amount:
    """A number with its 95 % interval.

    Attributes:
        value: reward per decision.
        low: lower end.
        high: upper end.
        standard_error: with the decisions of one recipient taken together.
    """

    value: float
    low: float
    high: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class FoundSegment:
    """Recipients whom a rule describes and no rule before it does.

    Rewards are of recipients the rule was not learned from.

    Attributes:
        id: short id, such as ``country-us``; free to be changed.
        rule: what its recipients have in common; without conditions for everyone else.
        recipients: how many there are, all of the log.
        share: of all recipients.
        decisions: how many were made for them.
        best: variant the rule was learned to give them.
        more: how much more reward per decision `best` earns here than the one variant that is best for all; None where
            it is that very variant, or fewer recipients than may be shown have had one of the two.
        values: reward per decision of each variant here; variants that too few recipients have had are left out.
    """

    id: str
    rule: Rule
    recipients: int
    share: float
    decisions: int
    best: str
    more: Amount | None
    values: Mapping[str, Amount]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        segments: in the order in which their rules are asked; empty when nothing would survive a second look.
        everyone_else: whom no rule describes; None when nothing was found.
        best_for_all: the one variant that is best when all get the same.
        gain: what choosing by segment earns more per decision than that, cross-fitted: the search is made five times
            over, each time judged on a fifth of the recipients it did not see. Each is taught by four fifths, and may
            find a little more than `segments` do. Also given when nothing was found; None when not even a
            candidate came up.
        honest: the same of the very rules in `segments`, on the half of the recipients they were not learned from; the
            test that lets them be proposed, and what they are expected to earn. None when not even a candidate came up.
        why_not: why nothing is proposed, in a sentence; None when something is.
        decisions: looked at.
        recipients: of them.
        looked_at: attributes that were looked at.
        left_out: attributes that were not, and why.
    """

    segments: tuple[FoundSegment, ...]
    everyone_else: FoundSegment | None
    best_for_all: str
    gain: Amount | None
    honest: Amount | None
    why_not: str | None
    decisions: int
    recipients: int
    looked_at: tuple[str, ...]
    left_out: Mapping[str, str]
