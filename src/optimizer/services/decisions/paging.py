"""Page: the log of a campaign's decisions, newest first, and the decisions about one recipient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from optimizer.domain.decision import Decision
from optimizer.domain.instants import Instant, instant
from optimizer.domain.outcome import Outcome
from optimizer.policy.draw import recipient_key
from optimizer.services.live import Live
from optimizer.services.recipients.suppressing import check_recipients
from optimizer.storage.decision_log import Place, Wanted
from optimizer.storage.store import Ledger

PAGE = 50
MOST_LOOKED_AT = 5_000  # decisions that one page looks through for a rare segment, variant or group


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the log: a decision and what came of it, in order of time."""

    decision: Decision
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Log:
    """A page of the log.

    Attributes:
        lines: newest first.
        reached: where the next page begins; None when this was all. A page that looks for something rare may hold
            little and still have a next one.
        segments, variants: what may be asked for, by the documents in force.
        zone: in which the strategy's days begin.
    """

    campaign_id: str
    lines: Sequence[Logged]
    reached: Place | None
    segments: Sequence[str]
    variants: Sequence[str]
    zone: ZoneInfo


def decision_log(
    ledger: Ledger, live: Live, campaign_id: str, wanted: Wanted, after: Place | None, _now: Instant
) -> Log:
    """A page of a campaign's decisions.

    Args:
        ledger: the ledger.
        live: gives the campaign.
        campaign_id: the campaign.
        wanted: which decisions.
        after: where the page before ended; None for the newest.

    Raises:
        NotFound: no such campaign in the documents in force.
    """
    tactic = live.at(ledger).tactic(campaign_id)
    found = ledger.decision_log.page(campaign_id, wanted, after, PAGE, MOST_LOOKED_AT)
    lines = logged(ledger, found.decision_ids)
    return Log(campaign_id, lines, found.reached, tactic.rules.segment_ids, tactic.variant_ids, tactic.zone)


def decisions_about(ledger: Ledger, live: Live, recipient: str) -> Sequence[Logged]:
    """The newest decisions about a recipient, of any campaign.

    Raises:
        InvalidRequest: that is no recipient.
    """
    check_recipients([recipient])
    key = live.at(ledger).pseudonyms.key_of(recipient_key(live.secret, recipient))
    made = ledger.persons.decided_about([key], lock=False)
    return sorted(
        logged(ledger, [one.decision_id for one in made]),
        key=lambda line: (-line.decision.decided_at, line.decision.decision_id),
    )[:PAGE]


def day_of(zone: ZoneInfo, day: date) -> tuple[Instant, Instant]:
    """First instant of a day in a zone, and the first one after it."""
    first, after = (instant(datetime.combine(day + timedelta(days=n), time(), zone)) for n in (0, 1))
    return first, after


def logged(ledger: Ledger, decision_ids: Sequence[str]) -> list[Logged]:
    """Decisions with what came of them, in the order of their ids."""
    decisions, outcomes = ledger.decisions.by_id(decision_ids), ledger.outcomes.of(decision_ids)
    return [
        Logged(decisions[id_], sorted(outcomes.get(id_, ()), key=lambda one: (one.occurred_at, one.event_id)))
        for id_ in decision_ids
    ]
