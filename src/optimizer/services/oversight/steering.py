"""Steer: what people decide about a campaign while it runs. Each is one transaction, with a reason, and audited.

Every change counts the documents' counter up, so it reaches every worker before its next decision. Asking for what is
so already changes nothing and leaves no entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from optimizer.domain.controls import UNTOUCHED, Controls, Status
from optimizer.domain.instants import Instant, isoformat
from optimizer.engine.raising import ALARMS
from optimizer.engine.tactic import Tactic
from optimizer.engine.watching import WHOLE_CAMPAIGN, answered_alarm, rollout_state, stage_words, with_rollout
from optimizer.errors import Conflict, NotFound
from optimizer.guardrails.rollout import Wait, approved, released, waits
from optimizer.services.auditing import noted
from optimizer.services.live import DOCUMENTS, Live
from optimizer.services.notices.noticing import announce_pause
from optimizer.storage.audit import AuditEntry
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class Steered:
    """What became of somebody's wish.

    Attributes:
        controls: as they are now.
        changed: False when it was so already.
        sentence: what is so now.
    """

    campaign_id: str
    controls: Controls
    changed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class _Change:
    controls: Controls
    subject: str
    before: str
    after: str
    sentence: str


def pause(ledger: Ledger, live: Live, campaign_id: str, *, actor: str, note: str, now: Instant) -> Steered:
    """Send nothing until somebody resumes.

    Raises:
        NotFound: no such campaign in the documents in force; this and all others here.
        InvalidRequest: the note says nothing; this and all others here.
        Conflict: the campaign is stopped, which is more.
    """

    def change(tactic: Tactic, controls: Controls) -> _Change | str:
        if controls.status is Status.STOPPED:
            raise Conflict(f"campaign {campaign_id}: found it stopped; allowed to pause one that runs")
        if controls.status is Status.PAUSED:
            return f"{campaign_id} is already paused"
        return _with_status(tactic, controls, Status.PAUSED, f"{campaign_id} is paused: nothing is sent")

    return _steered(ledger, live, campaign_id, "pause", change, actor=actor, note=note, now=now)


def stop(ledger: Ledger, live: Live, campaign_id: str, *, actor: str, note: str, now: Instant) -> Steered:
    """Send nothing any more."""

    def change(tactic: Tactic, controls: Controls) -> _Change | str:
        if controls.status is Status.STOPPED:
            return f"{campaign_id} is already stopped"
        return _with_status(tactic, controls, Status.STOPPED, f"{campaign_id} is stopped: nothing is sent")

    return _steered(ledger, live, campaign_id, "stop", change, actor=actor, note=note, now=now)


def resume(ledger: Ledger, live: Live, campaign_id: str, *, actor: str, note: str, now: Instant) -> Steered:
    """Send again, whoever or whatever had paused or stopped the campaign.

    This answers its alarms, and what was a reason to stop is none any more: guardrail metrics of the campaign count
    afresh, unless it was only paused and none of them had raised an alarm; alarms about the learning are no reason.
    A rollout's stage that was interrupted begins again, for nobody took part meanwhile.
    """

    def change(tactic: Tactic, controls: Controls) -> _Change | str:
        if controls.status is Status.RUNNING:
            return f"{campaign_id} is already running"
        since: Mapping[str, Instant] = controls.watched_since
        if controls.status is Status.STOPPED or any(outcome not in ALARMS for outcome in controls.alerted):
            since = {**since, WHOLE_CAMPAIGN: now}
        begins = None if controls.stage_since is None else now
        ready = replace(controls, alerted={}, watched_since=since, stage_since=begins)
        held = "; its rollout is held until somebody releases it" if controls.held and tactic.stages else ""
        found = _with_status(tactic, ready, Status.RUNNING, f"{campaign_id} is running{held}")
        return replace(found, before="; ".join([controls.status.value, *controls.alerted.values()]))

    return _steered(ledger, live, campaign_id, "resume", change, actor=actor, note=note, now=now)


def pause_variant(
    ledger: Ledger, live: Live, campaign_id: str, variant_id: str, *, actor: str, note: str, now: Instant
) -> Steered:
    """Keep a variant from being chosen until somebody resumes it.

    Raises:
        NotFound: no such variant.
    """

    def change(tactic: Tactic, controls: Controls) -> _Change | str:
        _check_variant(tactic, variant_id)
        if variant_id in controls.paused:
            return f"{campaign_id}/{variant_id} is already paused"
        after = replace(controls, paused={**controls.paused, variant_id: f"{actor}: {note.strip()}"})
        pinned = "; it is pinned, so those who learn get nothing" if controls.pinned == variant_id else ""
        sentence = f"{campaign_id}/{variant_id} is paused{pinned}"
        return _Change(after, f"{campaign_id}/{variant_id}", "may be chosen", "paused", sentence)

    return _steered(ledger, live, campaign_id, "pause", change, actor=actor, note=note, now=now)


def resume_variant(
    ledger: Ledger, live: Live, campaign_id: str, variant_id: str, *, actor: str, note: str, now: Instant
) -> Steered:
    """Let a variant be chosen again. Whoever does vouches for it: guardrail metrics count it afresh.

    Raises:
        NotFound: no such variant.
    """

    def change(tactic: Tactic, controls: Controls) -> _Change | str:
        if variant_id not in controls.paused:
            _check_variant(tactic, variant_id)
            return f"{campaign_id}/{variant_id} is not paused"
        paused = {name: why for name, why in controls.paused.items() if name != variant_id}
        after = replace(controls, paused=paused, watched_since={**controls.watched_since, variant_id: now})
        before = f"paused: {controls.paused[variant_id]}"
        sentence = f"{campaign_id}/{variant_id} may be chosen"
        return _Change(after, f"{campaign_id}/{variant_id}", before, "may be chosen", sentence)

    return _steered(ledger, live, campaign_id, "resume", change, actor=actor, note=note, now=now)


def pin(
    ledger: Ledger, live: Live, campaign_id: str, variant_id: str, *, actor: str, note: str, now: Instant
) -> Steered:
    """Give everyone who would learn one variant, until somebody unpins it.

    Raises:
        NotFound: no such variant.
        Conflict: the variant is paused or retired, or nobody has approved it: then nothing at all would be sent.
    """

    def change(tactic: Tactic, controls: Controls) -> _Change | str:
        arm = _check_variant(tactic, variant_id)
        place = f"variant {campaign_id}/{variant_id}"
        if controls.pinned == variant_id:
            return f"{campaign_id}/{variant_id} is already pinned"
        if variant_id in controls.paused:
            raise Conflict(f"{place}: found it paused; allowed one that may be chosen")
        if tactic.limits.retired[arm]:
            raise Conflict(f"{place}: found it retired; allowed one that may be chosen")
        if not tactic.limits.approved[arm]:
            raise Conflict(f"{place}: found words nobody has approved; allowed one that may be chosen")
        after = replace(controls, pinned=variant_id)
        sentence = f"{campaign_id}/{variant_id} is pinned: everyone but the holdouts gets it, and nothing is learned"
        return _Change(after, campaign_id, _pinned(controls), _pinned(after), sentence)

    return _steered(ledger, live, campaign_id, "pin", change, actor=actor, note=note, now=now)


def unpin(ledger: Ledger, live: Live, campaign_id: str, *, actor: str, note: str, now: Instant) -> Steered:
    """Let the policy choose again."""

    def change(_tactic: Tactic, controls: Controls) -> _Change | str:
        if controls.pinned is None:
            return f"nothing is pinned in {campaign_id}"
        after = replace(controls, pinned=None)
        return _Change(after, campaign_id, _pinned(controls), _pinned(after), f"{campaign_id} chooses for itself again")

    return _steered(ledger, live, campaign_id, "unpin", change, actor=actor, note=note, now=now)


def advance(
    ledger: Ledger, live: Live, campaign_id: str, *, stage: int | None = None, actor: str, note: str, now: Instant
) -> Steered:
    """Say yes to the rollout's next stage. It begins once nothing else keeps it: neither time nor a breach.

    Whoever names the stage, counted from 1, is safe from saying yes to another one when the rollout has moved on.

    Raises:
        Conflict: there is no rollout or no next stage, or it is not the one that was named.
    """

    def change(tactic: Tactic, controls: Controls) -> _Change | str:
        stages, following = tactic.stages, controls.stage + 1
        if not stages:
            raise Conflict(f"rollout: found none in the documents of campaign {campaign_id}; allowed one with stages")
        if following >= len(stages):
            raise Conflict(f"rollout: found {stage_words(stages, controls.stage)}; allowed a stage that one follows")
        if stage is not None and stage != following + 1:
            raise Conflict(f"stage: found {stage}; allowed the next one, {following + 1}")
        if controls.stage_approved == following:
            return f"{stage_words(stages, following)} is already approved"
        state = approved(stages, rollout_state(controls, now), following)
        words, left = stage_words(stages, following), waits(stages, state, now)
        when = "at the next refresh" if not left else _WHEN[left[0]]
        after = replace(controls, stage_approved=following)
        return _Change(
            after, campaign_id, stage_words(stages, controls.stage), f"approved: {words}", f"{words} begins {when}"
        )

    return _steered(ledger, live, campaign_id, "advance", change, actor=actor, note=note, now=now)


def roll_back(
    ledger: Ledger, live: Live, campaign_id: str, *, stage: int | None = None, actor: str, note: str, now: Instant
) -> Steered:
    """Take the rollout back to the stage before, and hold it there until somebody releases it.

    Who is not in that stage gets control again. Nothing moves it on by itself: whoever goes back has a reason to.
    Whoever names the stage, counted from 1, is safe from going back further when somebody else has been faster.

    Raises:
        Conflict: there is no rollout or no stage before, or it is not the one that was named.
    """

    def change(tactic: Tactic, controls: Controls) -> _Change | str:
        stages = tactic.stages
        here = min(controls.stage, len(stages) - 1)
        if not stages:
            raise Conflict(f"rollout: found none in the documents of campaign {campaign_id}; allowed one with stages")
        if stage is not None and stage == here + 1 and controls.held:
            return f"{stage_words(stages, here)} is where it is held already"
        if here == 0:
            raise Conflict(f"rollout: found {stage_words(stages, 0)}; allowed a stage that one comes before")
        if stage is not None and stage != here:
            raise Conflict(f"stage: found {stage}; allowed the one before, {here}")
        after = replace(controls, stage=here - 1, stage_since=now, held=True, stage_approved=None)
        words = stage_words(stages, here - 1)
        sentence = f"the rollout of {campaign_id} is back at {words}, and held there until somebody releases it"
        return _Change(after, campaign_id, stage_words(stages, here), f"held: {words}", sentence)

    return _steered(ledger, live, campaign_id, "roll back", change, actor=actor, note=note, now=now)


def release(ledger: Ledger, live: Live, campaign_id: str, *, actor: str, note: str, now: Instant) -> Steered:
    """Let a rollout go on that a breach has held. Whoever does knows of the breach: this answers the alarms."""

    def change(tactic: Tactic, controls: Controls) -> _Change | str:
        if not controls.held:
            return f"the rollout of {campaign_id} is not held"
        after = _answered(with_rollout(controls, released(rollout_state(controls, now))), now)
        words = stage_words(tactic.stages, after.stage) if tactic.stages else "no stages"
        before = "; ".join(["held", *controls.alerted.values()])
        return _Change(after, campaign_id, before, words, f"the rollout of {campaign_id} goes on: {words}")

    return _steered(ledger, live, campaign_id, "release", change, actor=actor, note=note, now=now)


def acknowledge(ledger: Ledger, live: Live, campaign_id: str, *, actor: str, note: str, now: Instant) -> Steered:
    """Answer the alarms. Metrics that only raise alarms count afresh; those that stop the campaign do not."""

    def change(_tactic: Tactic, controls: Controls) -> _Change | str:
        if not controls.alerted:
            return f"no alarm of {campaign_id} waits for an answer"
        before, kinds = "; ".join(controls.alerted.values()), ", ".join(controls.alerted)
        sentence = f"the alarm of {campaign_id} is answered: {kinds}"
        return _Change(_answered(controls, now), campaign_id, before, "no alarm", sentence)

    return _steered(ledger, live, campaign_id, "acknowledge", change, actor=actor, note=note, now=now)


def review(ledger: Ledger, live: Live, campaign_id: str, *, actor: str, note: str, now: Instant) -> Steered:
    """Say that somebody has looked at what the campaign does; the next review is due one period from now."""

    def change(_tactic: Tactic, controls: Controls) -> _Change | str:
        before = "never reviewed" if controls.reviewed_at is None else f"reviewed {isoformat(controls.reviewed_at)}"
        after = replace(controls, reviewed_at=now)
        return _Change(after, campaign_id, before, f"reviewed {isoformat(now)}", f"{campaign_id} is reviewed")

    return _steered(ledger, live, campaign_id, "review", change, actor=actor, note=note, now=now)


_WHEN = {
    Wait.HELD: "once the rollout is released",
    Wait.TIME: "once the stage before has lasted its time",
    Wait.APPROVAL: "once it is approved",
}


def _steered(
    ledger: Ledger,
    live: Live,
    campaign_id: str,
    action: str,
    change: Callable[[Tactic, Controls], _Change | str],
    *,
    actor: str,
    note: str,
    now: Instant,
) -> Steered:
    """Carry a change out; a sentence instead of one says why there is nothing to do.

    Whatever is refused is refused before anything is written, for others may share the transaction.
    """
    said = noted(note)
    ledger.revisions.hold(DOCUMENTS)
    tactic = live.at(ledger).tactic(campaign_id)
    controls = ledger.controls.all().get(campaign_id, UNTOUCHED)
    found = change(tactic, controls)
    if isinstance(found, str):
        return Steered(campaign_id, controls, changed=False, sentence=found)
    ledger.controls.put(campaign_id, found.controls)
    ledger.revisions.bump(DOCUMENTS)
    ledger.audit.append(AuditEntry(now, actor, action, found.subject, said, found.before, found.after))
    for variant_id in sorted(found.controls.paused.keys() - controls.paused.keys()):
        announce_pause(ledger, campaign_id, variant_id, found.controls.paused[variant_id], now)
    return Steered(campaign_id, found.controls, changed=True, sentence=found.sentence)


def _check_variant(tactic: Tactic, variant_id: str) -> int:
    if variant_id not in tactic.variant_ids:
        known = ", ".join(tactic.variant_ids)
        raise NotFound(f"variant: found {variant_id!r} in campaign {tactic.campaign_id}; allowed {known}")
    return tactic.variant_ids.index(variant_id)


def _with_status(tactic: Tactic, controls: Controls, status: Status, sentence: str) -> _Change:
    after = replace(controls, status=status)
    return _Change(after, tactic.campaign_id, controls.status.value, status.value, sentence)


def _answered(controls: Controls, now: Instant) -> Controls:
    answers = {answered_alarm(outcome): now for outcome in controls.alerted}
    return replace(controls, alerted={}, watched_since={**controls.watched_since, **answers})


def _pinned(controls: Controls) -> str:
    return "nothing pinned" if controls.pinned is None else f"pinned {controls.pinned}"
