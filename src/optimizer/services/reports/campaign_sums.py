"""A campaign's sums for a page: read in wide buckets, and the long past of a large campaign only now and then.

What a report needs of the past is little: rewards by day, since differences are taken within days, and of everything
else the sums. Only where outcomes may still come does the hour of a decision matter. So of a campaign of a million
decisions some thousand rows are read instead of some hundred thousand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Final
from weakref import WeakKeyDictionary

from optimizer.domain.instants import DAY, HOUR, MINUTE, Duration, Instant, bucket
from optimizer.domain.statistics import (
    DECIDED,
    Cell,
    Sums,
    amount_metric,
    outcome_metric,
    penalty_metric,
    reward_metric,
)
from optimizer.engine.tactic import Tactic
from optimizer.services.live import Live
from optimizer.storage.readings import FOR_EVER, DaySums
from optimizer.storage.store import Ledger

LARGE: Final = 20_000  # rows; of a smaller campaign everything is read each time, by the hour where that matters
KEPT: Final[Duration] = 15 * MINUTE  # how long the past of a large campaign is taken to be as it was
_SETTLING: Final[Duration] = 2 * DAY  # outcomes are reported later than they happen
_STEPS: Final = 48  # buckets of a large campaign's attribution window


@dataclass(frozen=True, slots=True)
class CampaignSums:
    """What a page needs of a campaign's statistics.

    Attributes:
        cells: sums whose buckets are wide wherever that changes nothing: rewards by the day, in UTC, once their window
            is over; by the hour before that (by a 48th of the window where the campaign is large); outcomes, delays
            and decisions of that time in one bucket.
        days: rewards and decisions by the strategy's days.
    """

    cells: tuple[tuple[Cell, Sums], ...]
    days: tuple[DaySums, ...]


@dataclass(frozen=True, slots=True)
class _Past:
    read_at: Instant
    until: Instant
    window: Duration
    sums: CampaignSums


# A process has one `Live` for a ledger; what is remembered of it goes when it goes.
_remembered: WeakKeyDictionary[Live, dict[str, _Past]] = WeakKeyDictionary()
_lock = Lock()


def campaign_sums(ledger: Ledger, live: Live, tactic: Tactic, now: Instant) -> CampaignSums:
    """A campaign's sums as of now.

    Of a large campaign, what is older than its attribution window and two days was read up to a quarter of an hour
    ago: rewards that old do not change any more, and late outcomes appear a little later.
    """
    window = tactic.reward_rule.window
    until = bucket(now - window - _SETTLING, DAY)
    with _lock:
        past = _remembered.setdefault(live, {}).get(tactic.campaign_id)
    if past is None or past.until != until or past.window != window or not 0 <= now - past.read_at < KEPT:
        sums, rows = _read(ledger, tactic, now, HOUR, until=until)
        past = _Past(now, until, window, sums)
        with _lock:
            remembered = _remembered.setdefault(live, {})
            remembered.pop(tactic.campaign_id, None)
            if rows >= LARGE:
                remembered[tactic.campaign_id] = past
        is_large = rows >= LARGE
    else:
        is_large = True
    recent, _ = _read(ledger, tactic, now, _coarse(window) if is_large else HOUR, since=until)
    return CampaignSums(past.sums.cells + recent.cells, past.sums.days + recent.days)


def counted_since(ledger: Ledger, tactic: Tactic, kinds: Iterable[str], since: Instant) -> list[tuple[Cell, Sums]]:
    """Trials, decisions and outcomes of some kinds, of decisions from an hour on, in one bucket that is that hour."""
    widths = {"reward:": FOR_EVER, DECIDED: FOR_EVER, **{outcome_metric(kind): FOR_EVER for kind in kinds}}
    cells, _ = ledger.readings.cells(tactic.campaign_id, widths, since=since)
    return [(cell._replace(bucket=since), sums) for cell, sums in cells]


def _read(
    ledger: Ledger, tactic: Tactic, now: Instant, width: Duration, since: Instant = 0, until: Instant | None = None
) -> tuple[CampaignSums, int]:
    objective = tactic.reward_rule.objective_id
    rewards = [reward_metric(objective), amount_metric(objective), penalty_metric(objective, "")]
    of_rewards = DAY if until is not None else width
    widths = dict.fromkeys(rewards, of_rewards)
    # Of the past only how many came how late counts; of the present also how long each could have taken.
    widths[f"delay:{objective}:"] = FOR_EVER if until is not None else width
    widths |= {DECIDED: FOR_EVER, outcome_metric(""): FOR_EVER}
    end = FOR_EVER if until is None else until
    cells, rows = ledger.readings.cells(tactic.campaign_id, widths, since, end)
    first = since or min((cell.bucket for cell, _ in cells if cell.metric == rewards[0]), default=None)
    if first is None:
        return CampaignSums(tuple(cells), ()), rows
    last = now if until is None else until
    days = ledger.readings.days(tactic.campaign_id, (rewards[0], DECIDED), tactic.zone, first, bucket(last) + HOUR)
    return CampaignSums(tuple(cells), tuple(days)), rows


def _coarse(window: Duration) -> Duration:
    """A whole number of hours that divides a day, so that a window has about `_STEPS` of them."""
    return max((hours * HOUR for hours in (1, 2, 3, 4, 6, 8, 12, 24) if hours * HOUR * _STEPS <= window), default=HOUR)
