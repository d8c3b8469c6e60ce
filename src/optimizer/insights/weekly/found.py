"""What a weekly review has found, before it is put into words."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.domain.instants import Instant
from optimizer.insights.forecasting.tracking import Kept
from optimizer.insights.measures.alikeness import Alikeness
from optimizer.insights.weekly.weeks import Week

MESSAGES = "messages"  # the unit of a limit that is no money


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the audit trail.

    Attributes:
        number: of the entry.
        campaign_id: whose; empty where it is about none.
        by_itself: whether nobody in person did it.
        is_guardrail: whether a guardrail metric or an alarm was the reason.
    """

    number: int
    at: Instant
    campaign_id: str
    actor: str
    action: str
    subject: str
    note: str
    before: str
    after: str
    by_itself: bool
    is_guardrail: bool


@dataclass(frozen=True, slots=True)
class SegmentWeek:
    """What was believed about a segment when the week began and when it ended.

    Attributes:
        leader_before: None where nothing was believed yet.
        trials: that the later belief rests on.
    """

    segment_id: str
    leader_before: str | None
    p_best_before: float | None
    leader: str
    p_best: float
    trials: float


@dataclass(frozen=True, slots=True)
class Lift:
    """The learning group against the holdout, since the campaign began, of decisions whose outcomes were due by then.

    Attributes:
        value: difference of the mean rewards, in `unit`.
        low, high: ends of the 95 % interval that holds at every look; None while too little was seen for one.
        trials: of both sides.
        alike: how alike trials of one recipient are, by which the interval has been widened.
    """

    value: float
    low: float | None
    high: float | None
    unit: str
    trials: int
    alike: Alikeness


@dataclass(frozen=True, slots=True)
class Budget:
    """One limit of a campaign, as of the review.

    Attributes:
        what: which, in words.
        unit: a currency, or `MESSAGES`.
        ends: when it leaves no room, in words; empty where nothing can be said.
    """

    what: str
    used: float
    amount: float
    unit: str
    ends: str


@dataclass(frozen=True, slots=True)
class CampaignWeek:
    """One campaign in one week.

    Attributes:
        serves: its objective.
        decisions, decisions_before: in the week, and in the one before; of a week that runs, so far.
        reserved: the most that the week's messages can cost, in units of currency.
        sends: messages of the week.
        segments: what was believed.
        lift: None where nothing can be compared.
        foretold: what was forecast for the week on the evening before, and what came; None without a week before it or
            while the week runs.
        expected: decisions of the week after: median and the ends of the 95 % interval; None where nothing is known.
        budgets: as of the review.
        state: what it is doing, as of the review.
    """

    campaign_id: str
    serves: str
    decisions: int
    decisions_before: int
    sends: int
    reserved: float
    segments: tuple[SegmentWeek, ...]
    lift: Lift | None
    foretold: Kept | None
    expected: tuple[float, float, float] | None
    budgets: tuple[Budget, ...]
    state: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Something that waits for people.

    Attributes:
        kind: ``proposal``, ``approval``, ``review`` or another word for what waits.
        sentence: what.
    """

    kind: str
    campaign_id: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Signature:
    """Somebody has signed the review.

    Attributes:
        entry: number of the audit entry.
        digest: SHA-256 of the Markdown they were shown, as the entry says.
    """

    entry: int
    actor: str
    at: Instant
    note: str
    digest: str


@dataclass(frozen=True, slots=True)
class WeeklyReview:
    """One week of all campaigns.

    Attributes:
        strategy: its id.
        zone: its time zone.
        version: documents in force at the end of the week, or now while it runs.
        is_over: whether the week has ended.
        people: what people did, oldest first.
        by_itself: what the system did.
        campaigns: in the order of the documents.
        asks: what waits for people.
        signatures: oldest first.
        settled: SHA-256 of what comes out the same whenever it is asked again; see `services.weekly.settled_part`.
    """

    week: Week
    as_of: Instant
    strategy: str
    zone: str
    currency: str
    version: int
    is_over: bool
    people: tuple[Event, ...]
    by_itself: tuple[Event, ...]
    campaigns: tuple[CampaignWeek, ...]
    asks: tuple[Ask, ...]
    signatures: tuple[Signature, ...]
    settled: str
