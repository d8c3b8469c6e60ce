"""Proposals: changes that the evidence suggests and that people decide about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Literal

from optimizer.domain.instants import Instant


class ProposalKind(StrEnum):
    """What a proposal would do; the values are what people and machines read."""

    RETIRE_VARIANT = "retire_variant"
    MOVE_BUDGET = "move_budget"
    RAISE_BUDGET = "raise_budget"
    ADVANCE_STAGE = "advance_stage"
    ROLL_BACK_STAGE = "roll_back_stage"
    SPLIT_SEGMENT = "split_segment"
    MERGE_SEGMENTS = "merge_segments"
    WRITE_MESSAGE = "write_message"
    LOWER_FREQUENCY = "lower_frequency"
    FIX_AUDIENCE = "fix_audience"


class Confidence(StrEnum):
    """How sure the evidence is that the true objective improves; each maker says what its words mean."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a document.

    Attributes:
        document: whose: a campaign's id; empty for the strategy.
        path: keys from the document's top; an element of a list of things with ids is named by its id:
            ``("messages", "ten-percent", "retired")``, a text of a list of texts by itself, and anything else by its
            place, counted from 0: ``("contact_policy", "1", "at_most")``.
        op: `set` puts `value` there, `remove` takes what is there away, `insert_before` and `append` add `value` to the
            list that `path` leads to (`insert_before`: before the element that the last key names).
        value: in the types of JSON; None when removing.
    """

    document: str
    path: tuple[str, ...]
    op: Literal["set", "remove", "insert_before", "append"]
    value: Any = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change is expected to do.

    Attributes:
        value: in `unit`; above zero is better.
        low: lower end of the 95 % interval.
        high: upper end.
        unit: what it is counted in: a share of the trials, rewards, or a currency.
        per: of what: ``trial``, ``day``, ``month`` or ``campaign``.
    """

    value: float
    low: float
    high: float
    unit: str
    per: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """One change, with its reasons.

    Attributes:
        kind: what it would do.
        campaign_id: the campaign it is about.
        subject: what in the campaign: a variant, segments, a stage; with kind and campaign it says which proposal this
            is, so that one that was rejected is not made again.
        headline: what to do, in one sentence.
        evidence: what is known, one sentence each, with numbers, units and the time they are as of.
        expected: the effect on the objective; None where it cannot be put into a number.
        risk: what could go wrong, in a sentence.
        confidence: how sure.
        edits: the change of the documents; empty where none is needed.
        steering: the use case of `services.steering` that carries it out, where it is no change of documents:
            ``advance`` or ``roll_back``.
    """

    kind: ProposalKind
    campaign_id: str
    subject: str
    headline: str
    evidence: tuple[str, ...]
    expected: Effect | None
    risk: str
    confidence: Confidence
    edits: tuple[Edit, ...] = ()
    steering: Literal["advance", "roll_back"] | None = None

    @property
    def fingerprint(self) -> str:
        """Which proposal this is, whatever its figures: 16 hexadecimal characters."""
        said = "\x1f".join((self.kind, self.campaign_id, self.subject))
        return blake2b(said.encode(), digest_size=8).hexdigest()


class ProposalState(StrEnum):
    """What has become of a proposal."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"  # the evidence no longer says so, or the documents have changed beneath it


@dataclass(frozen=True, slots=True)
class Kept:
    """A proposal in the ledger.

    Attributes:
        number: 1 for the first ever.
        proposal: as it was last made.
        made_at: when it was first made.
        as_of: until when the evidence counts.
        strategy_version: documents it was made from.
        state: what has become of it.
        decided_by: who decided; None while it is open.
        decided_at: when.
        note: why.
        became_version: the documents that accepting it put in force; None where there are none.
        trials: how many trials of its campaign's learning group the evidence counted.
    """

    number: int
    proposal: Proposal
    made_at: Instant
    as_of: Instant
    strategy_version: int
    state: ProposalState
    decided_by: str | None = None
    decided_at: Instant | None = None
    note: str | None = None
    became_version: int | None = None
    trials: int = 0
