"""A weekly review in words."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from optimizer.domain.instants import Instant, moment
from optimizer.insights.ranking_words import SHARE
from optimizer.insights.weekly.document import Document, Section, Table, words
from optimizer.insights.weekly.found import MESSAGES, Ask, Budget, CampaignWeek, Event, Lift, SegmentWeek, WeeklyReview

_DID = {
    "apply": "put {subject} of the documents in force",
    "approve": "approved {subject}",
    "pause": "paused {subject}",
    "stop": "stopped {subject}",
    "resume": "resumed {subject}",
    "pin": "pinned a variant of {subject}: {after}",
    "unpin": "let {subject} choose for itself again",
    "advance": "said yes to the next stage of {subject}: {after}",
    "roll back": "took the rollout of {subject} back: {after}",
    "release": "let the rollout of {subject} go on: {after}",
    "acknowledge": "answered the alarms of {subject}: {before}",
    "review": "reviewed {subject}",
    "accept proposal": "accepted {subject}",
    "reject proposal": "rejected {subject}",
    "sign weekly review": "signed the review of {subject}",
}
PEOPLE_DID = frozenset(_DID)  # actions of people that a review tells of
_NONE = "\u2013"  # a dash


def document_of(review: WeeklyReview) -> Document:
    """The review as people read it."""
    zone = ZoneInfo(review.zone)
    begins, last = (moment(at).astimezone(zone) for at in (review.week.begins, review.week.ends - 1))
    span = f"{begins.day} {begins:%b} to {last.day} {last:%b %Y}"
    state = "" if review.is_over else " The week is not over: these are its figures so far."
    lead = (
        f"{span}, strategy {words(review.strategy)}, version {review.version} of the documents.{state}",
        f"As of {_time(review.as_of, zone)}. Times and days are those of {review.zone}.",
    )
    guardrails = [event for event in review.by_itself if event.is_guardrail]
    others = [event for event in review.by_itself if not event.is_guardrail]
    return Document(
        f"Weekly review {review.week.label}",
        lead,
        (
            Section("What it asks", tuple(_ask(one) for one in review.asks), empty="Nothing waits for anybody."),
            Section(
                "What was learned",
                tuple(line for one in review.campaigns for line in learned(one)),
                _learned_tables(review.campaigns),
                "Nothing was learned: no campaign was in force.",
            ),
            Section(
                "What changed",
                tuple(event_sentence(event, zone) for event in review.people),
                empty="Nobody changed anything.",
            ),
            Section(
                "Guardrail events",
                tuple(event_sentence(event, zone) for event in guardrails),
                empty="No guardrail metric was breached, and no alarm was raised.",
            ),
            Section(
                "What it did by itself",
                tuple(event_sentence(event, zone) for event in others),
                empty="It changed nothing by itself but the allocation.",
            ),
            Section(
                "Traffic and what is expected",
                tuple(line for one in review.campaigns for line in traffic_sentences(one)),
                _traffic_tables(review.campaigns, review.currency),
                "There was no campaign.",
            ),
            Section(
                "Budgets",
                tuple(_budget_lines(review.campaigns)),
                empty="No campaign has a limit on money or messages.",
            ),
            Section("How this can be proven", proof(review, zone)),
        ),
    )


def event_sentence(event: Event, zone: ZoneInfo) -> str:
    """Who did what, when and why: ``Mon 16 Nov 09:12, ann paused winback: “legal asked us to wait”``."""
    at = moment(event.at).astimezone(zone)
    when = f"{at:%a} {at.day} {at:%b} {at:%H:%M}"
    subject = words(event.subject)
    if event.by_itself:
        return f"{when}, {subject}: {words(event.action)}: {words(event.note)} (audit entry {event.number})"
    form = _DID.get(event.action, f"{words(event.action).replace('{', '').replace('}', '')} {{subject}}")
    did = form.format(subject=subject, before=words(event.before), after=words(event.after))
    why = f": “{words(event.note)}”" if event.note else ""
    return f"{when}, {words(event.actor)} {did}{why} (audit entry {event.number})"


def learned(campaign: CampaignWeek) -> list[str]:
    """What a campaign learned in the week: leaders that changed, and what it earns beyond its holdout."""
    said = [f"{campaign.campaign_id}, {one.segment_id}: {leader_sentence(one)}" for one in _changed(campaign.segments)]
    if campaign.lift is not None:
        said.append(f"{campaign.campaign_id}: {lift_sentence(campaign.lift)}")
    return said or [f"{campaign.campaign_id}: no leader changed."]


def leader_sentence(segment: SegmentWeek) -> str:
    """Whom the evidence favours now, and whom it did before."""
    now = f"{words(segment.leader)} leads, best with probability {segment.p_best:.2f}"
    if segment.leader_before is None:
        return f"{now}, after {segment.trials:,.0f} trials; nothing was known a week before."
    before = f"{words(segment.leader_before)} with {segment.p_best_before or 0.0:.2f}"
    return f"{now}, after {segment.trials:,.0f} trials; a week before it was {before}."


def lift_sentence(lift: Lift) -> str:
    """What the learning group earns beyond the holdout, with an interval that holds at every look."""
    of = f"of {lift.trials:,} trials whose outcomes were due by the end of the week"
    value = _amount(lift.value, lift.unit)
    if lift.low is None or lift.high is None:
        return f"{value} a trial against the holdout, {of}; too few for an interval."
    ends = f"95 % interval {_amount(lift.low, lift.unit)} to {_amount(lift.high, lift.unit)}"
    sure = "more" if lift.low > 0.0 else "less" if lift.high < 0.0 else "not surely more or less"
    said = f"{value} a trial against the holdout ({ends}, at every look), {of}: {sure} than the holdout."
    return f"{said} {lift.alike.sentence}".rstrip()


def traffic_sentences(campaign: CampaignWeek) -> list[str]:
    """Whether the forecast of the week held."""
    if campaign.foretold is None:
        return []
    kept = campaign.foretold
    held = "held" if kept.held95 else "missed"
    return [
        f"{campaign.campaign_id}: the forecast {held}: {kept.expected.low95:,.0f} to {kept.expected.high95:,.0f} "
        f"decisions (95 % interval), {kept.came:,.0f} came."
    ]


def proof(review: WeeklyReview, zone: ZoneInfo) -> tuple[str, ...]:
    """What was signed, and which part of the review anybody can make again."""
    said = [
        f"Settled part: SHA-256 {review.settled}. What changed, what it did by itself, what was believed, and the "
        "decisions with their forecasts come out the same whenever this week is asked for again. Lifts change where "
        "outcomes are reported late, messages where one is withdrawn; what it asks, budgets and states are those of "
        "the time above."
    ]
    said += [
        f"Signed by {words(one.actor)} on {_time(one.at, zone)} (audit entry {one.entry}): “{words(one.note)}”; "
        f"SHA-256 of the Markdown shown {one.digest}."
        for one in review.signatures
    ]
    if not review.signatures:
        said.append("Nobody has signed it yet.")
    return tuple(said)


def _changed(segments: Sequence[SegmentWeek]) -> list[SegmentWeek]:
    return [one for one in segments if one.leader != one.leader_before]


def _ask(one: Ask) -> str:
    where = f"{one.campaign_id}: " if one.campaign_id else ""
    return f"{one.kind.capitalize()}, {where}{words(one.sentence)}"


def _learned_tables(campaigns: Sequence[CampaignWeek]) -> tuple[Table, ...]:
    rows = tuple(
        (
            f"{one.campaign_id}, {segment.segment_id}",
            words(segment.leader),
            f"{segment.p_best:.2f}",
            _NONE if segment.p_best_before is None else f"{segment.p_best_before:.2f}",
            f"{segment.trials:,.0f}",
        )
        for one in campaigns
        for segment in one.segments
    )
    head = ("Segment", "Leads", "P(best)", "P(best) of the leader a week before", "Trials")
    return (Table("What was believed at the end of the week", head, rows, frozenset({2, 3, 4})),) if rows else ()


def _traffic_tables(campaigns: Sequence[CampaignWeek], currency: str) -> tuple[Table, ...]:
    rows = tuple(
        (
            one.campaign_id,
            f"{one.decisions:,}",
            f"{one.decisions_before:,}",
            f"{one.sends:,}",
            f"{one.reserved:,.2f} {currency}",
            _week_after(one.expected),
            one.state.replace("_", " "),
        )
        for one in campaigns
    )
    head = (
        "Campaign",
        "Decisions",
        "The week before",
        "Messages",
        "Cost at most",
        "Decisions the week after (95 % interval)",
        "State now",
    )
    return (Table("Traffic of the week", head, rows, frozenset({1, 2, 3, 4, 5})),) if rows else ()


def _week_after(expected: tuple[float, float, float] | None) -> str:
    return _NONE if expected is None else "{:,.0f} ({:,.0f} to {:,.0f})".format(*expected)


def _budget_lines(campaigns: Sequence[CampaignWeek]) -> list[str]:
    """A line for each limit; one that campaigns share is told once."""
    limits = {(words(budget.what), budget.unit): budget for one in campaigns for budget in one.budgets}
    return [
        f"{what}: {_used(budget)} {unit} in use" + (f"; {budget.ends}." if budget.ends else ".")
        for (what, unit), budget in limits.items()
    ]


def _used(budget: Budget) -> str:
    """How much of it is in use; messages are told whole."""
    places = 0 if budget.unit == MESSAGES else 2
    return f"{budget.used:,.{places}f} of {budget.amount:,.{places}f}"


def _amount(value: float, unit: str) -> str:
    if unit == SHARE:
        return f"{100.0 * value:+.2f} points"
    return f"{value:+,.4f} {unit}"


def _time(at: Instant, zone: ZoneInfo) -> str:
    local = moment(at).astimezone(zone)
    return f"{local.day} {local:%b %Y, %H:%M %Z}"
