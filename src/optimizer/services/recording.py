"""Record outcomes: each at most once, each changing the statistics by the exact difference it makes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.domain.decision import Decision
from optimizer.domain.instants import Instant, isoformat
from optimizer.domain.outcome import SUPPRESSING, WITHDRAWN, Outcome, Receipt
from optimizer.engine.assessment import CLOCK_SKEW, Assessment, assess, assessed_contributions, contributions
from optimizer.engine.plausibility import NO_VALUES, Values
from optimizer.policy.draw import recipient_key
from optimizer.services.committing import settle
from optimizer.services.live import Live
from optimizer.storage.controls import EVERY_CHANNEL, Suppression
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """What a reporter says: see `POST /v1/outcomes`. Either `decision_id` or a recipient with `campaign_id`.

    Attributes:
        recipient: id of the caller's.
        recipient_key: its keyed hash instead, of a report that waited in quarantine.
    """

    event_id: str
    kind: str
    occurred_at: Instant
    decision_id: str | None = None
    recipient: str | None = None
    campaign_id: str | None = None
    value: int | None = None
    currency: str | None = None
    reverses: str | None = None
    machine: bool = False
    recipient_key: str | None = None

    def key(self, secret: bytes) -> str | None:
        """The keyed hash of the recipient; None when the report names none."""
        return self.recipient_key if self.recipient is None else recipient_key(secret, self.recipient)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one report."""

    event_id: str
    status: Receipt
    detail: str | None = None


def record_outcomes(ledger: Ledger, live: Live, reports: Sequence[OutcomeReport], now: Instant) -> list[Recorded]:
    """Record every report that can be used and keep the others in quarantine, with the reason.

    Reports may come late, twice, in any order, and may undo one another; the statistics end up the same.
    """
    known = ledger.outcomes.known([report.event_id for report in reports])
    fresh = {report.event_id: report for report in reversed(reports) if report.event_id not in known}
    named = {event_id: _decision_id(ledger, live, report) for event_id, report in fresh.items()}
    decisions = ledger.decisions.by_id([id_ for id_ in named.values() if id_ is not None], lock=True)
    _suppress(ledger, live, fresh.values(), decisions, now)
    workspace = live.at(ledger).workspace
    values = NO_VALUES if workspace is None else Values.of(workspace.strategy)

    undone = [report.reverses for report in fresh.values() if report.reverses is not None]
    withdrawals = ledger.outcomes.known(undone, kind=WITHDRAWN)
    refused: dict[str, Recorded] = {}
    usable: list[Outcome] = []
    for event_id, report in fresh.items():
        usable_or_refused = _judged(report, decisions.get(named[event_id] or ""), values, withdrawals, now)
        if isinstance(usable_or_refused, Outcome):
            usable.append(usable_or_refused)
        else:
            refused[event_id] = usable_or_refused
            ledger.quarantine.keep(event_id, usable_or_refused.detail or "", _kept(live, report), now)
    recorded = _counted(ledger, live, decisions, usable)
    # The first report of a recorded event takes its result, any other is a duplicate. What was refused is not
    # recorded, so every report of it hears why.
    return [
        refused.get(report.event_id) or recorded.pop(report.event_id, Recorded(report.event_id, Receipt.DUPLICATE))
        for report in reports
    ]


def _counted(
    ledger: Ledger, live: Live, decisions: Mapping[str, Decision], usable: Sequence[Outcome]
) -> dict[str, Recorded]:
    """Write outcomes and change the statistics by the difference they make; what became of each that was new."""
    before = ledger.outcomes.of([outcome.decision_id for outcome in usable])
    written = ledger.outcomes.insert(usable)
    ledger.quarantine.release(list(written))
    added: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in usable:
        if outcome.event_id in written:
            added[outcome.decision_id].append(outcome)
    results: dict[str, Recorded] = {}
    assessments: dict[str, Assessment] = {}
    for decision_id, new in added.items():
        decision, old = decisions[decision_id], before.get(decision_id, [])
        rule = live.reward_rule(ledger, decision)
        found = assessments[decision_id] = assess(rule, decision, [*old, *new])
        ledger.statistics.pending.subtract(contributions(rule, decision, old))
        ledger.statistics.pending.add(assessed_contributions(rule, decision, found))
        results |= {outcome.event_id: _receipt(outcome, found.closes_at) for outcome in new}
    settle(ledger, live, decisions, assessments)
    return results


def _suppress(
    ledger: Ledger, live: Live, reports: Iterable[OutcomeReport], decisions: Mapping[str, Decision], now: Instant
) -> None:
    """Whoever unsubscribes or complains is on the list at once, even if the report cannot be used otherwise."""
    found = []
    for report in reports:
        if report.kind not in SUPPRESSING:
            continue
        decision = decisions.get(report.decision_id or "")
        if decision is not None:
            key = decision.recipient_key
            channel = live.edition(ledger, decision.strategy_version)[decision.campaign_id].campaign.channel
        elif (named := report.key(live.secret)) is not None:
            key = named
            tactic = live.at(ledger).tactics.get(report.campaign_id or "")
            channel = EVERY_CHANNEL if tactic is None else tactic.campaign.channel
        else:
            continue
        everywhere = SUPPRESSING[report.kind]
        found.append(Suppression(key, EVERY_CHANNEL if everywhere else channel, now, f"outcome {report.kind}"))
    ledger.suppressions.add(found)


def _decision_id(ledger: Ledger, live: Live, report: OutcomeReport) -> str | None:
    key = report.key(live.secret)
    if report.decision_id is not None or key is None or report.campaign_id is None:
        return report.decision_id
    # A report may come long after it happened, and others may have been decided since.
    latest = ledger.decisions.latest_of(key, report.campaign_id, by=report.occurred_at + CLOCK_SKEW)
    latest = latest or ledger.decisions.latest_of(key, report.campaign_id)
    return None if latest is None else latest.decision_id


def _judged(
    report: OutcomeReport, decision: Decision | None, values: Values, withdrawals: Collection[str], now: Instant
) -> Outcome | Recorded:
    """The outcome a report amounts to, or why it cannot be used."""
    if decision is None:
        named = report.decision_id or f"none of this recipient in campaign {report.campaign_id}"
        detail = f"decision_id: found {named}; allowed a decision this service made"
        return Recorded(report.event_id, Receipt.UNKNOWN, detail)
    earliest, latest = decision.decided_at - CLOCK_SKEW, now + CLOCK_SKEW
    if not earliest <= report.occurred_at <= latest:
        detail = (
            f"occurred_at: found {isoformat(report.occurred_at)}; "
            f"allowed {isoformat(earliest)} (the decision) to {isoformat(latest)} (now)"
        )
        return Recorded(report.event_id, Receipt.REJECTED, detail)
    value = report.value if report.reverses is None else None  # what undoes another outcome has none of its own
    if (unbelievable := values.objection(report.kind, value, report.currency)) is not None:
        return Recorded(report.event_id, Receipt.REJECTED, unbelievable)
    if report.reverses in withdrawals:
        # What it gave back, a contact or money, may have been used for another decision since.
        detail = f"reverses: found {report.reverses}, a withdrawal; allowed other outcomes: ask for a new decision"
        return Recorded(report.event_id, Receipt.REJECTED, detail)
    return Outcome(
        event_id=report.event_id,
        decision_id=decision.decision_id,
        kind=report.kind,
        value=report.value,
        currency=report.currency,
        occurred_at=report.occurred_at,
        received_at=now,
        reverses=report.reverses,
        machine=report.machine,
    )


def _receipt(outcome: Outcome, closes_at: Instant) -> Recorded:
    if outcome.occurred_at <= closes_at:
        return Recorded(outcome.event_id, Receipt.ACCEPTED)
    detail = (
        f"occurred_at: found {isoformat(outcome.occurred_at)}; the attribution window closed {isoformat(closes_at)}"
    )
    return Recorded(outcome.event_id, Receipt.LATE, detail)


def _kept(live: Live, report: OutcomeReport) -> dict[str, Any]:
    """A report as the quarantine may keep it: the recipient only as a keyed hash."""
    kept = {name: getattr(report, name) for name in OutcomeReport.__dataclass_fields__ if name != "recipient"}
    return kept | {"recipient_key": report.key(live.secret)}
