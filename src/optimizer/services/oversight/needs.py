"""Needs: what waits for somebody, over all campaigns, oldest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from optimizer.domain.controls import UNTOUCHED, Controls, Status
from optimizer.domain.instants import DAY, Duration, Instant
from optimizer.domain.proposals import ProposalState
from optimizer.engine.raising import SILENCE
from optimizer.engine.tactic import Tactic
from optimizer.engine.watching import rollout_state, stage_words
from optimizer.guardrails.reviews import review_due_at
from optimizer.guardrails.rollout import Wait, waits
from optimizer.services.documents.agreeing import state_digest
from optimizer.services.learning.watching import WATCHER
from optimizer.services.live import Live, Loaded
from optimizer.storage.audit import Link
from optimizer.storage.store import Ledger
from optimizer.strategy.limits import Review
from optimizer.strategy.variants import Variant

SOON: Duration = 3 * DAY  # before it is due a review is asked for; at most a quarter of the time between two
MOST_PROPOSALS = 50
MOST_LOOKED_BACK = 50  # entries of the audit trail, or versions of the documents, to find out since when
MOST_NAMED = 3


class NeedKind(StrEnum):
    """What is asked of people; the values are what pages say."""

    APPROVAL = "approval"
    PROPOSAL = "proposal"
    REVIEW = "review"
    ALARM = "alarm"
    SILENCE = "silence"
    PAUSED_MESSAGE = "paused message"
    HELD_ROLLOUT = "held rollout"
    NEXT_STAGE = "next stage"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that waits for somebody.

    Attributes:
        campaign_id: None when it is about all of them.
        subject: the message to approve, the number of the proposal, the stage, the count of the quarantine.
        since: from when it waits, or when it is due; None where nobody knows.
        sentence: what is so.
        urgent: whether harm is done, or nothing learned, until somebody looks.
        seen: how the campaign stands, for a form that changes it; see `services.agreeing`.
    """

    kind: NeedKind
    campaign_id: str | None
    subject: str
    since: Instant | None
    sentence: str
    urgent: bool
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """All of them, oldest first; those of which nobody knows since when come last."""

    found: tuple[Need, ...]


def needs(ledger: Ledger, live: Live, now: Instant) -> Needs:
    """What waits for somebody."""
    loaded = live.at(ledger)
    last = ledger.audit.latest(1)
    number = last[0].number if last else 0
    found = [*_proposals(ledger, loaded), *_quarantine(ledger)]
    for campaign_id in loaded.tactics:
        seen = f"{number}.{state_digest(loaded, campaign_id)}"
        tactic = loaded.tactic(campaign_id)
        if not _has_ended(tactic, now):
            found += _approvals(ledger, live, loaded, tactic, seen)
            found += _reviews(loaded, tactic, loaded.controls.get(campaign_id, UNTOUCHED), seen, now)
        found += _since_it_runs(ledger, loaded, tactic, seen, now)
    return _oldest_first(found)


def needs_since_they_run(ledger: Ledger, live: Live, now: Instant) -> Needs:
    """Of what waits for somebody, what came about while campaigns ran: alarms, paused messages, and rollouts."""
    loaded = live.at(ledger)
    found = [_since_it_runs(ledger, loaded, tactic, "", now) for tactic in loaded.tactics.values()]
    return _oldest_first(chain.from_iterable(found))


def _oldest_first(found: Iterable[Need]) -> Needs:
    def order(need: Need) -> tuple[object, ...]:
        return need.since is None, need.since or 0, need.campaign_id or "", need.kind, need.subject

    return Needs(tuple(sorted(found, key=order)))


def _has_ended(tactic: Tactic, now: Instant) -> bool:
    return tactic.limits.ends_at is not None and now >= tactic.limits.ends_at


def _since_it_runs(ledger: Ledger, loaded: Loaded, tactic: Tactic, seen: str, now: Instant) -> Iterator[Need]:
    campaign_id, ended = tactic.campaign_id, _has_ended(tactic, now)
    controls = loaded.controls.get(campaign_id, UNTOUCHED)
    entries = ledger.audit.latest(MOST_LOOKED_BACK, subject=campaign_id) if controls.alerted or controls.held else []
    yield from _alarms(tactic, controls, entries, seen)
    if not ended:
        yield from _pauses(ledger, tactic, controls, seen)
    if tactic.stages and not ended:
        yield from _rollout(tactic, controls, entries, seen, now)


def _approvals(ledger: Ledger, live: Live, loaded: Loaded, tactic: Tactic, seen: str) -> Iterator[Need]:
    """One for each message of which nobody has approved the words as they stand."""
    waiting: dict[str, list[Variant]] = {}
    for variant, approved in zip(tactic.variants, tactic.limits.approved, strict=True):
        if not (approved or variant.retired):
            waiting.setdefault(variant.message.id, []).append(variant)
    if not waiting:
        return
    versions = {one.version: one.applied_at for one in ledger.versions.applied(MOST_LOOKED_BACK)}
    for message_id, variants in waiting.items():
        since = _known_since(ledger, live, loaded, tactic.campaign_id, variants[0], versions)
        where = "" if len(variants) == 1 else f", in {len(variants)} targetings"
        sentence = f"{message_id} is not sent until somebody approves its words{where}"
        yield Need(NeedKind.APPROVAL, tactic.campaign_id, message_id, since, sentence, urgent=False, seen=seen)


def _known_since(
    ledger: Ledger, live: Live, loaded: Loaded, campaign_id: str, variant: Variant, versions: dict[int, Instant]
) -> Instant | None:
    """Since when the documents have said these words."""
    since = versions.get(loaded.version)
    for version in sorted((version for version in versions if version < loaded.version), reverse=True):
        before = live.edition(ledger, version).get(campaign_id)
        same = variant.variant_id, variant.content_hash
        if before is None or all((one.variant_id, one.content_hash) != same for one in before.variants):
            return since
        since = versions[version]
    return since


def _reviews(loaded: Loaded, tactic: Tactic, controls: Controls, seen: str, now: Instant) -> Iterator[Need]:
    review: Review | None = None if loaded.workspace is None else loaded.workspace.strategy.review
    due_at = review_due_at(controls, review)
    if review is None or due_at is None or now < due_at - min(SOON, review.every // 4):
        return
    overdue = now >= due_at
    after = {"warn": "", "freeze": "; nothing is learned until then", "stop": "; nothing is sent until then"}
    sentence = f"its review is overdue{after[review.when_overdue]}" if overdue else "its review is due soon"
    urgent = overdue and review.when_overdue != "warn"
    yield Need(NeedKind.REVIEW, tactic.campaign_id, tactic.campaign_id, due_at, sentence, urgent, seen)


def _alarms(tactic: Tactic, controls: Controls, entries: list[Link], seen: str) -> Iterator[Need]:
    silent = controls.silent_since
    if silent is not None:
        sentence = controls.alerted.get(SILENCE, "no outcomes come in though many should; nothing is learned meanwhile")
        yield Need(NeedKind.SILENCE, tactic.campaign_id, SILENCE, silent, sentence, urgent=True, seen=seen)
    sentences = [said for kind, said in controls.alerted.items() if kind != SILENCE or silent is None]
    if not sentences:
        return
    raised = [link.entry.at for link in entries if any(link.entry.note in said for said in sentences)]
    since = min(raised, default=None)
    stopped = controls.status is Status.STOPPED
    sentence = "; ".join(sentences) + ("; the campaign is stopped" if stopped else "")
    kinds = ", ".join(controls.alerted)
    yield Need(NeedKind.ALARM, tactic.campaign_id, kinds, since, sentence, urgent=True, seen=seen)


def _pauses(ledger: Ledger, tactic: Tactic, controls: Controls, seen: str) -> Iterator[Need]:
    """One for each variant that a guardrail metric has paused since somebody looked; whoever pauses one knows."""
    retired = {variant.variant_id for variant in tactic.variants if variant.retired}
    for variant_id, sentence in controls.paused.items():
        last = ledger.audit.latest(1, subject=f"{tactic.campaign_id}/{variant_id}", action="pause")
        if variant_id in retired or not last or last[0].entry.actor != WATCHER:
            continue
        since = last[0].entry.at
        if controls.reviewed_at is None or controls.reviewed_at < since:
            told = f"{variant_id} is paused: {sentence}; resume it, retire it, or sign the review to leave it so"
            yield Need(NeedKind.PAUSED_MESSAGE, tactic.campaign_id, variant_id, since, told, urgent=False, seen=seen)


def _rollout(tactic: Tactic, controls: Controls, entries: list[Link], seen: str, now: Instant) -> Iterator[Need]:
    left = waits(tactic.stages, rollout_state(controls, now), now)
    words = stage_words(tactic.stages, controls.stage)
    if Wait.HELD in left:
        since = next((link.entry.at for link in entries if link.entry.action == "hold rollout"), None)
        sentence = f"a guardrail metric holds the rollout at {words} until somebody releases it"
        yield Need(NeedKind.HELD_ROLLOUT, tactic.campaign_id, words, since, sentence, urgent=True, seen=seen)
    elif left == (Wait.APPROVAL,):
        stage = tactic.stages[controls.stage]
        since = None if controls.stage_since is None else controls.stage_since + (stage.lasts or 0)
        sentence = f"{words} is over; {stage_words(tactic.stages, controls.stage + 1)} waits for a yes"
        following = str(controls.stage + 2)
        yield Need(NeedKind.NEXT_STAGE, tactic.campaign_id, following, since, sentence, urgent=False, seen=seen)


def _proposals(ledger: Ledger, loaded: Loaded) -> Iterator[Need]:
    for kept in ledger.proposals.newest(MOST_PROPOSALS, states=(ProposalState.OPEN,)):
        made = kept.proposal
        if made.campaign_id in loaded.tactics:
            number = str(kept.number)
            yield Need(NeedKind.PROPOSAL, made.campaign_id, number, kept.made_at, made.headline, urgent=False)


def _quarantine(ledger: Ledger) -> Iterator[Need]:
    n = ledger.quarantine.count()
    if n:
        reports = "one report could" if n == 1 else f"{n:,} reports could"
        since = ledger.quarantine.oldest_at()
        yield Need(
            NeedKind.QUARANTINE, None, f"{n}", since, f"{reports} not be used and wait in quarantine", urgent=False
        )
