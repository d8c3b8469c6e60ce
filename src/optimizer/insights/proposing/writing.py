"""Write a new message for a segment in which all that there are do badly, beside control and the other segments."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.domain.proposals import Confidence, Edit, Proposal, ProposalKind
from optimizer.insights.proposing.certainty import ERROR, above_zero, combined, turned
from optimizer.insights.proposing.looked import Looked
from optimizer.insights.proposing.segment_edits import described
from optimizer.insights.proposing.words import as_of, per_trial
from optimizer.strategy.documents import MAX_VARIANTS, Message

PLACEHOLDER = "TODO: words for {segment} that differ from {copied}; until they are written this is a copy of it"


def new_messages(looked: Looked) -> Iterator[Proposal]:
    """A draft for each segment that gains less from the campaign than the others do, and next to nothing.

    What words not written yet would earn is not known, so nothing is expected in numbers and confidence is never high.
    """
    names = looked.tactic.rules.segment_ids
    if len(names) < 2 or not _room(looked):
        return
    for segment, name in enumerate(names):
        others = [each for each in range(len(names)) if each != segment]
        here, elsewhere = looked.lift(looked.settled, [segment]), looked.lift(looked.settled, others)
        behind = combined([(1.0, elsewhere), (1.0, turned(here))])
        if behind is None or here.seen <= 0.0 or here.value > elsewhere.value / 2.0:
            continue
        if not above_zero(behind, ERROR / len(names)) or not above_zero(elsewhere, ERROR):
            continue
        best = _best(looked, segment)
        draft = f"for-{name}"[:48]
        if best is None or draft in {message.id for message in looked.campaign.messages}:
            continue
        sure = Confidence.MEDIUM if here.anytime_interval()[1] < elsewhere.value else Confidence.LOW
        yield Proposal(
            kind=ProposalKind.WRITE_MESSAGE,
            campaign_id=looked.tactic.campaign_id,
            subject=name,
            headline=f"Write a message for {name}: what there is does little for it.",
            evidence=(
                f"In {name} a trial earns {per_trial(here, looked.unit)} than on control; "
                f"in the other segments {per_trial(elsewhere, looked.unit)}.",
                f"What distinguishes them: {described(looked, name)}.",
                f"The best of what there is for them seems to be {best.id}; the draft is a copy of it.",
                as_of(looked),
            ),
            expected=None,
            risk="New words may do no better; they are tried on a part of the traffic, in all segments.",
            confidence=sure,
            edits=(Edit(looked.tactic.campaign_id, ("messages",), "append", _draft(best, draft, name)),),
        )


def _room(looked: Looked) -> bool:
    """Whether one message more is allowed, and somebody reads it before anybody is sent it."""
    most = looked.strategy.capacity.variants_per_campaign or MAX_VARIANTS
    more = max(len([one for one in looked.campaign.targetings or () if not one.retired]), 1)
    sent = sum(not variant.retired for variant in looked.tactic.variants)
    return looked.strategy.approval.required and sent + more <= min(most, MAX_VARIANTS)


def _best(looked: Looked, segment: int) -> Message | None:
    """The message that seems best in the segment."""
    row = looked.row(segment)
    if row is None or not row.p_best.any():
        return None
    return looked.tactic.variants[int(np.argmax(row.p_best))].message


def _draft(copied: Message, id_: str, segment: str) -> dict[str, object]:
    """A message with the words of another, which pass every check, and a note that they are to be written."""
    words = copied.model_dump(mode="json", include={"subject", "body", "fields"}, exclude_none=True)
    cost = {} if copied.cost is None else {"cost": str(copied.cost)}
    return {"id": id_, **words, **cost, "notes": PLACEHOLDER.format(segment=segment, copied=copied.id)}
