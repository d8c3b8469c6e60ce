"""The weekly review: one week of all campaigns from the ledger, and somebody's signature under it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256

import orjson

from optimizer.domain.instants import Instant, isoformat
from optimizer.domain.proposals import ProposalState
from optimizer.errors import Conflict, InvalidRequest, RequestFinding
from optimizer.insights.forecasting.daily import as_date, date_words, day_of
from optimizer.insights.weekly.document import Document
from optimizer.insights.weekly.found import Ask, CampaignWeek, Event, Signature, WeeklyReview
from optimizer.insights.weekly.markdown import markdown
from optimizer.insights.weekly.saying import PEOPLE_DID, document_of
from optimizer.insights.weekly.weeks import Week, week_before, week_named, week_of
from optimizer.services.auditing import noted
from optimizer.services.documents.applying import awaiting_approval
from optimizer.services.learning.watching import WATCHER
from optimizer.services.live import DOCUMENTS, Live, Loaded
from optimizer.services.oversight.needs import needs_since_they_run
from optimizer.services.oversight.overseeing import standing
from optimizer.services.oversight.steering import review as review_campaign
from optimizer.services.reports.weekly_campaigns import campaign_week
from optimizer.storage.audit import AuditEntry, Link
from optimizer.storage.store import Ledger

SIGN = "sign weekly review"
MOST_PROPOSALS = 50
_GUARDRAILS = frozenset({"pause", "stop", "alert", "hold rollout", "freeze"})
_MOVING = ("lift", "budgets", "state", "sends", "reserved")  # of a campaign: what may come out otherwise later
_PAGE = 500
_MOST_VERSIONS = 10_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A review as somebody sees it.

    Attributes:
        review: what was found.
        document: the same in words.
        digest: SHA-256 of the document as Markdown.
        seal: shows that this installation made this digest of this week at this instant.
    """

    review: WeeklyReview
    document: Document
    digest: str
    seal: str


@dataclass(frozen=True, slots=True)
class SignedText:
    """What a form gives back of what was shown; see `Shown`."""

    as_of: Instant
    settled: str
    digest: str
    seal: str


@dataclass(frozen=True, slots=True)
class Signed:
    """What became of a signature.

    Attributes:
        campaigns: those that count as reviewed now.
    """

    week: str
    campaigns: tuple[str, ...]
    sentence: str


def weekly_review(ledger: Ledger, live: Live, week: str | None, now: Instant) -> WeeklyReview:
    """One week of all campaigns.

    Args:
        ledger: the ledger.
        live: the documents in force.
        week: such as ``2026-W47``; None for the last one that is over.
        now: the instant up to which the ledger is read.

    Raises:
        Conflict: no strategy is in force.
        InvalidRequest: there is no such week, or it has not begun.
    """
    loaded = live.at(ledger)
    zone = loaded.strategy.time_zone
    wanted = week_before(week_of(now, zone), zone) if week is None else week_named(week, zone)
    if wanted.begins > now:
        latest = week_of(now, zone).label
        raise InvalidRequest(RequestFinding("/week", wanted.label, f"a week that has begun: {latest} or one before"))
    until = min(wanted.ends, now)
    version = _version_before(ledger, until)
    tactics = live.edition(ledger, version) if version else {}
    events = _events(ledger, wanted, now, frozenset(tactics) | frozenset(loaded.tactics))
    campaigns = tuple(campaign_week(ledger, live, loaded, tactic, wanted, now) for tactic in tactics.values())
    return WeeklyReview(
        week=wanted,
        as_of=now,
        strategy=loaded.strategy.strategy,
        zone=zone.key,
        currency=loaded.strategy.currency,
        version=version,
        is_over=wanted.ends <= now,
        people=tuple(event for event in events if not event.by_itself and event.action in PEOPLE_DID),
        by_itself=tuple(event for event in events if event.by_itself),
        campaigns=campaigns,
        asks=_asks(ledger, live, loaded, now),
        signatures=signatures_of(ledger, live, wanted.label, now),
        settled=_settled(wanted, version, events, campaigns),
    )


def shown_review(ledger: Ledger, live: Live, week: str | None, now: Instant) -> Shown:
    """A review as it is shown, with what whoever signs it has to give back; raises as `weekly_review`."""
    review = weekly_review(ledger, live, week, now)
    document = document_of(review)
    digest = sha256(markdown(document).encode()).hexdigest()
    return Shown(review, document, digest, _seal(live, review.week.label, review.as_of, review.settled, digest))


def signatures_of(ledger: Ledger, live: Live, week: str, now: Instant) -> tuple[Signature, ...]:  # noqa: ARG001
    """Who has signed the review of a week so far, oldest first."""
    links = ledger.audit.latest(_PAGE, action=SIGN, subject=f"week {week}")
    return tuple(_signature(link) for link in reversed(links))


def sign_weekly_review(
    ledger: Ledger, live: Live, week: str, signed: SignedText, *, actor: str, note: str, now: Instant
) -> Signed:
    """Close a review: every campaign in it counts as reviewed, in this transaction, and the trail says what was shown.

    What is signed is not worked out again, which would keep decisions waiting: the seal says that it was shown.

    Args:
        ledger: of a transaction that writes.
        live: the documents in force.
        week: such as ``2026-W47``.
        signed: what was shown.
        actor: who signs.
        note: what they say; must say something.
        now: the instant.

    Raises:
        InvalidRequest: the note says nothing, the week is none, or it is not what this installation has shown.
        Conflict: the week was not over when it was shown, or no strategy is in force.
    """
    said = noted(note)
    wanted = _seal(live, week, signed.as_of, signed.settled, signed.digest)
    if not hmac.compare_digest(signed.seal.encode(), wanted.encode()):
        allowed = "the one that came with the review that was shown"
        raise InvalidRequest(RequestFinding("/seal", "one that does not fit", allowed))
    ledger.revisions.hold(DOCUMENTS)
    loaded = live.at(ledger)
    over_at = week_named(week, loaded.strategy.time_zone).ends
    if signed.as_of < over_at:
        found = f"a review from before its end at {isoformat(over_at)}"
        raise Conflict(f"week {week}: found {found}; allowed one of a week that is over")
    version = _version_before(ledger, over_at)
    reviewed_then = live.edition(ledger, version) if version else {}
    campaigns = tuple(campaign_id for campaign_id in reviewed_then if campaign_id in loaded.tactics)
    for campaign_id in campaigns:
        review_campaign(ledger, live, campaign_id, actor=actor, note=f"weekly review {week}: {said}"[:1_000], now=now)
    after = f"sha256 {signed.digest}; as of {isoformat(signed.as_of)}; settled part sha256 {signed.settled}"
    ledger.audit.append(AuditEntry(now, actor, SIGN, f"week {week}", said, "", after))
    reviewed = f": {', '.join(campaigns)} reviewed" if campaigns else ""
    return Signed(week, campaigns, f"the review of {week} is signed{reviewed}")


def text_of(shown: Shown) -> SignedText:
    """What a form carries."""
    return SignedText(shown.review.as_of, shown.review.settled, shown.digest, shown.seal)


def _version_before(ledger: Ledger, at: Instant) -> int:
    """The documents in force just before an instant; 0 for none."""
    return next((one.version for one in ledger.versions.applied(_MOST_VERSIONS) if one.applied_at < at), 0)


def _seal(live: Live, week: str, as_of: Instant, settled: str, digest: str) -> str:
    said = f"weekly review\x1f{week}\x1f{as_of}\x1f{settled}\x1f{digest}"
    return hmac.new(live.secret, said.encode(), sha256).hexdigest()


def _settled(week: Week, version: int, events: Sequence[Event], campaigns: Sequence[CampaignWeek]) -> str:
    """SHA-256 of what the ledger says of a week for good.

    Entries of the trail, versions, snapshots and counts of decisions only ever come on top. What outcomes add is left
    out: it grows while they come in.
    """
    kept = [{name: value for name, value in asdict(one).items() if name not in _MOVING} for one in campaigns]
    said = [week.label, version, [asdict(event) for event in events], kept]
    return sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _signature(link: Link) -> Signature:
    entry = link.entry
    digest = entry.after.partition(";")[0].removeprefix("sha256 ")
    return Signature(link.number, entry.actor, entry.at, entry.note, digest)


def _events(ledger: Ledger, week: Week, now: Instant, campaigns: frozenset[str]) -> tuple[Event, ...]:
    """Entries of the trail made in a week, oldest first."""
    events: list[Event] = []
    for links in ledger.audit.pages(_PAGE):
        for link in links:
            entry = link.entry
            if week.begins <= entry.at < week.ends and entry.at <= now:
                events.append(_event(link, campaigns))
        if links[-1].entry.at < week.begins:
            break
    return tuple(reversed(events))


def _event(link: Link, campaigns: frozenset[str]) -> Event:
    entry = link.entry
    campaign_id = entry.subject.partition("/")[0].partition(" ")[0]
    by_itself = entry.actor == WATCHER
    return Event(
        number=link.number,
        at=entry.at,
        campaign_id=campaign_id if campaign_id in campaigns else "",
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        note=entry.note,
        before=entry.before,
        after=entry.after,
        by_itself=by_itself,
        is_guardrail=by_itself and entry.action in _GUARDRAILS,
    )


def _asks(ledger: Ledger, live: Live, loaded: Loaded, now: Instant) -> tuple[Ask, ...]:
    """What waits for people now."""
    found = []
    for kept in ledger.proposals.newest(MOST_PROPOSALS, states=[ProposalState.OPEN]):
        said = f"{kept.proposal.headline} (number {kept.number}, {kept.proposal.confidence} confidence)"
        found.append(Ask("proposal", kept.proposal.campaign_id, said))
    for campaign_id, tactic in loaded.tactics.items():
        waiting = [variant_id for _, variant_id in awaiting_approval(tactic)]
        if waiting:
            found.append(Ask("approval", campaign_id, f"nobody has approved {', '.join(waiting)}"))
        due = standing(ledger, live, campaign_id, now).review
        if due is not None and due.overdue and due.due_at is not None:
            day = date_words(as_date(day_of(due.due_at, tactic.zone)))
            found.append(Ask("review", campaign_id, f"due since {day}; when overdue: {due.when_overdue}"))
    others = needs_since_they_run(ledger, live, now).found
    found += [Ask(need.kind.value, need.campaign_id or "", need.sentence) for need in others]
    return tuple(found)
