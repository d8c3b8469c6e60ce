"""Record outcomes: each at most once, each changing the statistics by the exact difference it makes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from optimizer.domain.decision import Brief
from optimizer.domain.instants import Instant, isoformat
from optimizer.domain.outcome import SUPPRESSING, WITHDRAWN, Outcome, Receipt
from optimizer.engine.assessment import CLOCK_SKEW, Assessment, assess
from optimizer.engine.histories import Changes
from optimizer.engine.plausibility import NO_VALUES, Values
from optimizer.policy.draw import recipient_keys
from optimizer.services.decisions.committing import Tactics, settle
from optimizer.services.live import Live, Loaded
from optimizer.services.recipients.behaviour import note_outcomes
from optimizer.services.recipients.memberships import changed_all
from optimizer.storage.controls import EVERY_CHANNEL, Suppression
from optimizer.storage.store import Ledger


class OutcomeReport(NamedTuple):
    """What a reporter says: see `POST /v1/outcomes`. Either `decision_id` or a recipient with `campaign_id`.

    Attributes:
        recipient: id of the caller's.
        recipient_key: the key it is stored under instead, of a report that waited in quarantine.
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


class Recorded(NamedTuple):
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
    loaded = live.at(ledger)
    by_name, suppressing, undone = _unusual(fresh.values())
    keys = _recipient_keys(live, loaded, by_name)
    named = _named(ledger, by_name, keys)
    about = [named.get(event_id) if (id_ := report.decision_id) is None else id_ for event_id, report in fresh.items()]
    decisions = ledger.decisions.briefs(id_ for id_ in about if id_ is not None)
    _suppress(ledger, live, loaded, suppressing, keys, decisions, now)
    values = NO_VALUES if loaded.workspace is None else Values.of(loaded.workspace.strategy)

    if undone:  # no other worker shall withdraw one of them meanwhile
        ledger.decisions.later_kept(decisions)()
    withdrawals = ledger.outcomes.known(undone, kind=WITHDRAWN) if undone else set[str]()
    refused: dict[str, Recorded] = {}
    usable: list[Outcome] = []
    for decision_id, report in zip(about, fresh.values(), strict=True):
        usable_or_refused = _judged(report, decisions.get(decision_id or ""), values, withdrawals, now)
        if isinstance(usable_or_refused, Outcome):
            usable.append(usable_or_refused)
        else:
            event_id = report.event_id
            refused[event_id] = usable_or_refused
            kept = _kept(report, keys.get(event_id))
            ledger.quarantine.keep(event_id, usable_or_refused.detail or "", kept, now)
    recorded = _counted(ledger, live, decisions, usable)
    if loaded.behaviour is not None:
        new = [one for one in usable if one.event_id in recorded]
        note_outcomes(ledger, loaded.behaviour, decisions, new)
        did = [(decisions[one.decision_id].recipient_key, fresh[one.event_id].recipient) for one in new]
        changed_all(ledger, live, dict(sorted(did, key=lambda pair: pair[1] is not None)), now)
    # The first report of a recorded event takes its result, any other is a duplicate. What was refused is not
    # recorded, so every report of it hears why.
    return [
        refused.get(report.event_id) or recorded.pop(report.event_id, None) or _duplicate(report) for report in reports
    ]


def _counted(
    ledger: Ledger, live: Live, decisions: Mapping[str, Brief], usable: Sequence[Outcome]
) -> dict[str, Recorded]:
    """Write outcomes and change the statistics by the difference they make; what became of each that was new."""
    written = ledger.outcomes.insert(usable)
    ledger.quarantine.release(written)
    added: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in usable:
        if outcome.event_id in written:
            added[outcome.decision_id].append(outcome)
    # Written first, looked at afterwards: of two workers that hear of the same decision each sees what the other has
    # written before it, and neither waits for the other while rows are written.
    all_kept = ledger.decisions.later_kept(added)
    before = ledger.outcomes.of(added, besides=written)
    all_kept()
    tactics, changes = Tactics(ledger, live), Changes()
    results: dict[str, Recorded] = {}
    to_settle: dict[str, tuple[Brief, Assessment]] = {}
    for decision_id, new in added.items():
        decision, old = decisions[decision_id], before.get(decision_id, ())
        tactic = tactics.of(decision)
        change = changes.add(tactic, decision, old, new)
        if decision.variant_id is not None and change.settles[tactic.variant_ids.index(decision.variant_id)]:
            to_settle[decision_id] = decision, assess(tactic.reward_rule, decision, [*old, *new])
        closes_at = decision.decided_at + change.closes_after
        for outcome in new:
            results[outcome.event_id] = _receipt(outcome, closes_at)
    ledger.statistics.pending.add(changes.sums())
    settle(ledger, live, to_settle)
    return results


def _unusual(reports: Iterable[OutcomeReport]) -> tuple[list[OutcomeReport], list[OutcomeReport], list[str]]:
    """The reports that name no decision, those that suppress somebody, and the events that any of them undoes."""
    by_name, suppressing, undone = [], [], []
    for report in reports:  # thousands may come at once, and hardly any of them is unusual: they are looked at once
        _, kind, _, decision_id, _, _, _, _, reverses, _, _ = report
        if decision_id is None:
            by_name.append(report)
        if kind in SUPPRESSING:
            suppressing.append(report)
        if reverses is not None:
            undone.append(reverses)
    return by_name, suppressing, undone


def _recipient_keys(live: Live, loaded: Loaded, reports: Collection[OutcomeReport]) -> dict[str, str]:
    """The stored key of the recipient that a report names, by event id; none for a report that names nobody."""
    found = {report.event_id: report.recipient_key for report in reports if report.recipient_key is not None}
    by_name = {report.event_id: report.recipient for report in reports if report.recipient is not None}
    if by_name:
        persons = recipient_keys(live.secret, list(by_name.values()))
        found |= zip(by_name, loaded.pseudonyms.keys_of(persons), strict=True)
    return found


def _suppress(
    ledger: Ledger,
    live: Live,
    loaded: Loaded,
    reports: Iterable[OutcomeReport],
    keys: Mapping[str, str],
    decisions: Mapping[str, Brief],
    now: Instant,
) -> None:
    """Whoever unsubscribes or complains is on the list at once, even if the report cannot be used otherwise."""
    found = []
    for report in reports:
        decision = decisions.get(report.decision_id or "")
        if decision is not None:
            key = decision.recipient_key
            channel = live.edition(ledger, decision.strategy_version)[decision.campaign_id].campaign.channel
        elif report.event_id in keys:
            key = keys[report.event_id]
            tactic = loaded.tactics.get(report.campaign_id or "")
            channel = EVERY_CHANNEL if tactic is None else tactic.campaign.channel
        else:
            continue
        everywhere = SUPPRESSING[report.kind]
        found.append(Suppression(key, EVERY_CHANNEL if everywhere else channel, now, f"outcome {report.kind}"))
    if found:
        ledger.suppressions.add(found)
        changed_all(ledger, live, dict.fromkeys(one.recipient_key for one in found), now)


def _named(ledger: Ledger, reports: Iterable[OutcomeReport], keys: Mapping[str, str]) -> dict[str, str | None]:
    """The decision that is meant by each report of a recipient: the latest in the campaign it names.

    A report may come long after it happened, and others may have been decided since: the latest is that of then.
    """
    then = {
        report.event_id: (keys[report.event_id], report.campaign_id, report.occurred_at + CLOCK_SKEW)
        for report in reports
        if report.campaign_id is not None and report.event_id in keys
    }
    named: dict[str, str | None] = {}
    if then:
        named |= zip(then, ledger.decisions.latest_of_many(then.values()), strict=True)
    ever = {
        event_id: (key, campaign_id, None) for event_id, (key, campaign_id, _) in then.items() if not named[event_id]
    }
    if ever:
        named |= zip(ever, ledger.decisions.latest_of_many(ever.values()), strict=True)
    return named


def _judged(
    report: OutcomeReport, decision: Brief | None, values: Values, withdrawals: Collection[str], now: Instant
) -> Outcome | Recorded:
    """The outcome a report amounts to, or why it cannot be used."""
    if decision is None:
        named = report.decision_id or "none"
        if report.decision_id is None and report.campaign_id is not None:
            named = f"none of this recipient in campaign {report.campaign_id}"
        detail = f"decision_id: found {named}; allowed a decision this service made"
        return Recorded(report.event_id, Receipt.UNKNOWN, detail)
    earliest, latest = decision.decided_at - CLOCK_SKEW, now + CLOCK_SKEW
    if not earliest <= report.occurred_at <= latest:
        detail = (
            f"occurred_at: found {isoformat(report.occurred_at)}; "
            f"allowed {isoformat(earliest)} (the decision) to {isoformat(latest)} (now)"
        )
        return Recorded(report.event_id, Receipt.REJECTED, detail)
    if report.value is not None or report.currency is not None:
        value = report.value if report.reverses is None else None  # what undoes another outcome has none of its own
        if (unbelievable := values.objection(report.kind, value, report.currency)) is not None:
            return Recorded(report.event_id, Receipt.REJECTED, unbelievable)
    if withdrawals and report.reverses in withdrawals:
        # What it gave back, a contact or money, may have been used for another decision since.
        detail = f"reverses: found {report.reverses}, a withdrawal; allowed other outcomes: ask for a new decision"
        return Recorded(report.event_id, Receipt.REJECTED, detail)
    event_id, kind, occurred_at, _, _, _, value, currency, reverses, machine, _ = report
    return Outcome(event_id, decision.decision_id, kind, value, currency, occurred_at, now, reverses, machine)


def _receipt(outcome: Outcome, closes_at: Instant) -> Recorded:
    if outcome.occurred_at <= closes_at:
        return Recorded(outcome.event_id, Receipt.ACCEPTED)
    detail = (
        f"occurred_at: found {isoformat(outcome.occurred_at)}; the attribution window closed {isoformat(closes_at)}"
    )
    return Recorded(outcome.event_id, Receipt.LATE, detail)


def _duplicate(report: OutcomeReport) -> Recorded:
    return Recorded(report.event_id, Receipt.DUPLICATE)


def _kept(report: OutcomeReport, key: str | None) -> dict[str, Any]:
    """A report as the quarantine may keep it: the recipient only as a keyed hash."""
    kept = report._asdict() | {"recipient_key": key}
    del kept["recipient"]
    return kept
