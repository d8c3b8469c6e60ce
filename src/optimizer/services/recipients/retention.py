"""Retain: what the strategy's `data.retention` says is old enough is about nobody any more, a little at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from optimizer.domain.instants import DAY, Duration, Instant
from optimizer.services.live import Live
from optimizer.storage.controls import Suppression
from optimizer.storage.store import Ledger
from optimizer.strategy.limits import Retention

RETENTION: Final = "retention"  # value: how far the work of today has come
REFUSED: Final = "consent refused"  # source of a suppression that is all that is left of a profile


@dataclass(slots=True)
class Retained:
    """What one portion of the work did.

    Attributes:
        looked: how many records it looked at; 0 once there is nothing left to do today.
        decisions: how many decisions are about nobody now.
        profiles: how many profiles were deleted.
        quarantined: how many reports left the quarantine.
        happenings: how many events were forgotten that attributes follow from.
    """

    looked: int = 0
    decisions: int = 0
    profiles: int = 0
    quarantined: int = 0
    happenings: int = 0


@dataclass(slots=True)
class _Progress:
    """How far the work has come.

    Attributes:
        day: the day on which it was finished last, in days since 1970.
        campaigns: by campaign, the instant before which no decision is about anybody.
        profile: key of the profile that was looked at last.
    """

    day: int = 0
    campaigns: dict[str, Instant] = field(default_factory=dict)
    profile: str = ""


def retain(
    ledger: Ledger, live: Live, now: Instant, most: int, *, random_id: Callable[[], str], start_over: bool = False
) -> Retained:
    """One portion of the day's work; call it in a transaction of its own until it looks at nothing any more.

    Any worker may, at any time: the work of a day is done once, and what one has begun another one goes on with.
    Decisions are made anonymous as by an erasure, so that the statistics stay what they add up to. Profiles go that
    were neither written nor used for a decision in the meantime, and memberships of those who have no profile; a
    refused consent stays, as a suppression. What recipients did goes once no attribute looks so far back any more,
    and in any case as late as decisions.

    Args:
        ledger: the ledger.
        live: the documents in force.
        now: the instant.
        most: how many records to look at, at most: one portion must not keep others waiting.
        random_id: gives a new random id at each call.
        start_over: look at everything again, and today's work as not yet begun.
    """
    done = Retained()
    loaded = live.at(ledger)
    workspace, reach = loaded.workspace, None if loaded.behaviour is None else loaded.behaviour.reach
    if workspace is None or (workspace.strategy.data.retention == Retention() and reach is None):
        return done
    ledger.revisions.hold(RETENTION)
    kept = ledger.revisions.read(RETENTION)
    progress = _Progress(**orjson.loads(kept)) if kept and not start_over else _Progress()
    if progress.day == now // DAY:
        return done
    rules = workspace.strategy.data.retention
    steps: Sequence[tuple[Duration | None, Callable[..., bool]]] = (
        (rules.quarantine, _quarantine),
        (rules.decisions, _decisions),
        (rules.profiles, _profiles),
        (min((period for period in (reach, rules.decisions) if period is not None), default=None), _happenings),
    )
    finished = all(
        period is None or step(ledger, progress, done, now, now - period, most, random_id) for period, step in steps
    )
    if finished:
        progress.day, progress.profile = now // DAY, ""
    ledger.revisions.write(RETENTION, _written(progress))
    return done


def _quarantine(
    ledger: Ledger, _p: _Progress, done: Retained, _now: Instant, before: Instant, most: int, _id: Any
) -> bool:
    room = most - done.looked
    old = ledger.persons.quarantined_before(before, room)
    ledger.quarantine.release(old)
    done.quarantined += len(old)
    done.looked += len(old)
    return len(old) < room


def _decisions(
    ledger: Ledger,
    progress: _Progress,
    done: Retained,
    _now: Instant,
    before: Instant,
    most: int,
    random_id: Callable[[], str],
) -> bool:
    for campaign_id in ledger.persons.campaign_ids():
        room = most - done.looked
        if room == 0:
            return False
        since = progress.campaigns.get(campaign_id, 0)
        found = ledger.persons.decided_between(campaign_id, since, before, room)
        ledger.persons.empty(found, random_id)
        done.decisions += len(found)
        done.looked += len(found)
        progress.campaigns[campaign_id] = before if len(found) < room else found[-1].decided_at
        if len(found) == room:
            return False
    return True


def _profiles(
    ledger: Ledger, progress: _Progress, done: Retained, now: Instant, before: Instant, most: int, _id: Any
) -> bool:
    room = most - done.looked
    persons = ledger.persons
    profiles = dict(persons.profiles_after(progress.profile, room)) if room else {}
    members = dict(persons.members_after(progress.profile, room)) if room else {}
    page = sorted(profiles.items() | members.items())[:room]
    old = [key for key, updated_at in page if updated_at < before]
    seen = persons.decided_lately(old, before)
    gone = [key for key in old if key not in seen]
    refused = [
        Suppression(key, channel, now, REFUSED)
        for key, profile in ledger.recipients.of(gone).items()
        for channel, agreed in profile.consent.items()
        if not agreed
    ]
    ledger.suppressions.add(refused)
    persons.forget_profiles(gone)
    done.profiles += sum(key in profiles for key in gone)
    done.looked += len(page)
    if page:
        progress.profile = page[-1][0]
    return len(page) < room


def _happenings(
    ledger: Ledger, _p: _Progress, done: Retained, _now: Instant, before: Instant, most: int, _id: Any
) -> bool:
    room = most - done.looked
    found = ledger.happenings.forget_before(before, room) if room else 0
    done.happenings += found
    done.looked += found
    return found < room


def _written(progress: _Progress) -> str:
    return orjson.dumps({"day": progress.day, "campaigns": progress.campaigns, "profile": progress.profile}).decode()
