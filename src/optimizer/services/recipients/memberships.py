"""Memberships: whoever enters or leaves a segment of a campaign that announces it becomes a notice, once.

A segment is that of the campaign's documents and the stored profile, as a decision would find it now. Whoever may not
be contacted there, because they are suppressed or have not agreed, counts as being in no segment: nobody is told that
they enter, and everybody that they leave. What is not the caller's id is a key, as everywhere; the id itself is kept
under seal, and only for campaigns that announce.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import orjson

from optimizer.domain.decision import Attributes
from optimizer.domain.instants import MINUTE, Duration, Instant
from optimizer.domain.notices import Notice, NoticeKind, notice_id
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.eligibility import refusals
from optimizer.policy.draw import recipient_keys
from optimizer.services.keys.seals import Seals
from optimizer.services.live import Live, Loaded
from optimizer.services.recipients.behaviour import with_behaviour
from optimizer.services.recipients.people import People, agreed, known_of
from optimizer.storage.memberships import Membership
from optimizer.storage.notices import About
from optimizer.storage.store import Ledger
from optimizer.strategy.fields import EVERYONE_ELSE

# Whoever has just moved stays at least so long, so that a value that flaps is told of twelve times an hour at most;
# where they are then is found by the next sweep. Only a no is told at once.
SHORTEST_STAY: Final[Duration] = 5 * MINUTE
SWEPT_EVERY: Final[Duration] = 15 * MINUTE  # what time alone changes is found within so long
SWEEP: Final = "segment_sweep"  # value: how far the sweep has come


class Swept(NamedTuple):
    """What one portion of a sweep did.

    Attributes:
        looked: how many memberships it looked at; 0 once there is nothing to do for now.
        announced: how many notices came of it.
    """

    looked: int = 0
    announced: int = 0


def announcing(loaded: Loaded, now: Instant) -> dict[str, Tactic]:
    """The campaigns that say when a recipient enters or leaves a segment, and have not ended."""
    return {
        campaign_id: tactic
        for campaign_id, tactic in loaded.tactics.items()
        if tactic.campaign.announce_segments and not tactic.limits.phase(now)[2]
    }


def seen(ledger: Ledger, live: Live, recipients: Sequence[str], now: Instant) -> int:
    """Look at recipients of whom a caller has just said something; how many notices came of it.

    Args:
        ledger: the transaction in which that is kept.
        live: the documents in force.
        recipients: the caller's ids.
        now: the instant.
    """
    loaded = live.at(ledger)
    if not recipients or not announcing(loaded, now):
        return 0
    keys = loaded.pseudonyms.keys_of(recipient_keys(live.secret, recipients))
    return changed_all(ledger, live, dict(zip(keys, recipients, strict=True)), now)


def changed(ledger: Ledger, live: Live, recipient_key: str, recipient: str | None, now: Instant) -> int:
    """Look at one recipient of whom something has changed; how many notices came of it.

    Args:
        ledger: the transaction that has changed it.
        live: the documents in force.
        recipient_key: the recipient, as stored.
        recipient: the caller's id; None when it is not known here, which will do for those seen before.
        now: the instant.
    """
    return changed_all(ledger, live, {recipient_key: recipient}, now)


def changed_all(ledger: Ledger, live: Live, recipients: Mapping[str, str | None], now: Instant) -> int:
    """The same of many, by recipient key."""
    loaded = live.at(ledger)
    tactics = announcing(loaded, now)
    if not tactics or not recipients:
        return 0
    campaign_ids, keys = sorted(tactics), sorted(recipients)
    known, seals = ledger.memberships.known(campaign_ids, keys), Seals(live.secret)
    ledger.memberships.begin(
        Membership(campaign_id, key, None, 0, None, seals.seal(recipient, campaign_id))
        for key, recipient in recipients.items()
        for campaign_id in campaign_ids
        if recipient is not None and (campaign_id, key) not in known
    )
    return _moved(ledger, live, loaded, tactics, keys, now)


def is_sweep_due(ledger: Ledger, now: Instant) -> bool:
    """Whether a sweep has anything to do; costs a few small reads."""
    if ledger.memberships.to_recheck(now, 1):
        return True
    began, campaign_id, _ = _progress(ledger.revisions.read(SWEEP))
    return (bool(campaign_id) or not began <= now < began + SWEPT_EVERY) and bool(ledger.memberships.campaign_ids())


def sweep(ledger: Ledger, live: Live, now: Instant, most: int) -> Swept:
    """Look at some recipients again: time passes, and people are suppressed, without anybody saying so.

    Any worker may, at any time: what one has begun another one goes on with. Memberships of campaigns that announce
    nothing any more are forgotten.

    Args:
        ledger: a transaction of its own.
        live: the documents in force.
        now: the instant.
        most: how many memberships to look at; others wait meanwhile.
    """
    loaded = live.at(ledger)
    tactics, stored = announcing(loaded, now), ledger.memberships.campaign_ids()
    if not stored:
        return Swept()
    ledger.revisions.hold(SWEEP)
    early = ledger.memberships.to_recheck(now, most)
    if early:
        for silent in set(stored) - tactics.keys():
            ledger.memberships.drop(silent, early)
        return Swept(len(early), _moved(ledger, live, loaded, tactics, early, now))
    began, campaign_id, key = _progress(ledger.revisions.read(SWEEP))
    if not campaign_id:
        if began <= now < began + SWEPT_EVERY:
            return Swept()
        began, campaign_id = now, stored[0]
    campaign_id, key = (campaign_id, key) if campaign_id in stored else (_next(stored, campaign_id), "")
    page = ledger.memberships.after(campaign_id, key, most) if campaign_id else []
    announced = 0
    if campaign_id in tactics:
        announced = _moved(ledger, live, loaded, {campaign_id: tactics[campaign_id]}, page, now)
    else:
        ledger.memberships.drop(campaign_id, page)
    progress = (began, campaign_id, page[-1]) if len(page) == most else (began, _next(stored, campaign_id), "")
    ledger.revisions.write(SWEEP, orjson.dumps(progress).decode())
    return Swept(max(len(page), 1), announced)


def _progress(kept: str) -> tuple[Instant, str, str]:
    """When the sweep began, the campaign it is at (empty: it is over), and the recipient it looked at last."""
    if not kept:
        return 0, "", ""
    began, campaign_id, key = orjson.loads(kept)
    return int(began), str(campaign_id), str(key)


def _next(campaign_ids: Sequence[str], campaign_id: str) -> str:
    """The campaign after this one; empty after the last."""
    return min((other for other in campaign_ids if other > campaign_id), default="")


def _moved(
    ledger: Ledger, live: Live, loaded: Loaded, tactics: Mapping[str, Tactic], keys: Sequence[str], now: Instant
) -> int:
    """Compare where some recipients are with where they were, and announce what differs; how many notices that are."""
    memberships = ledger.memberships.of(sorted(tactics), keys)
    if not memberships:
        return 0
    here = list(dict.fromkeys(one.recipient_key for one in memberships))
    people = known_of(ledger, live, loaded, loaded.pseudonyms.persons_of(here), here, now)
    places = [(one.campaign_id, one.recipient_key) for one in memberships]
    stored = [_stored(loaded, people, key) for _, key in places]
    # What has just been heard of counts for whatever is decided after this very instant.
    attributes = with_behaviour(ledger, loaded, places, stored, now + 1)
    moved, n = [], 0
    for before, known in zip(memberships, attributes, strict=True):
        tactic = tactics[before.campaign_id]
        may = _may_be_contacted(tactic, people, before.recipient_key)
        segment_id = _segment_of(tactic, known) if may else None
        if segment_id == before.segment_id:
            if before.recheck_at is not None:
                moved.append(before._replace(recheck_at=None))
        elif may and before.since <= now < before.since + SHORTEST_STAY:
            moved.append(before._replace(recheck_at=before.since + SHORTEST_STAY))
        else:
            after = before._replace(segment_id=segment_id, since=now, recheck_at=None)
            moved.append(after)
            n += _announce(ledger, before, after, now)
    ledger.memberships.put(moved)
    return n


def _stored(loaded: Loaded, people: People, key: str) -> Attributes:
    """The stored profile without what the documents in force no longer declare."""
    profile = people.profiles.get(key)
    stored = {} if profile is None else profile.attributes
    return {name: value for name, value in stored.items() if name in loaded.declared}


def _may_be_contacted(tactic: Tactic, people: People, key: str) -> bool:
    profile, channel = people.profiles.get(key), tactic.campaign.channel
    consent = None if profile is None else agreed(channel, profile.consent, {})
    (refused,) = refusals(tactic.limits, [consent])
    return not refused and not people.is_suppressed(key, channel)


def _segment_of(tactic: Tactic, attributes: Attributes) -> str | None:
    """The declared segment somebody is in; None for none of them."""
    place = tactic.rules.of(attributes)
    segment_id = None if place < 0 else tactic.rules.segment_ids[place]
    return None if segment_id == EVERYONE_ELSE else segment_id


def _announce(ledger: Ledger, before: Membership, after: Membership, now: Instant) -> int:
    about = About(before.recipient_key, before.sealed)
    told: list[tuple[NoticeKind, dict[str, str | None]]] = []
    if before.segment_id is not None:
        told.append((NoticeKind.SEGMENT_LEFT, {"segment": before.segment_id, "to": after.segment_id}))
    if after.segment_id is not None:
        told.append((NoticeKind.SEGMENT_ENTERED, {"segment": after.segment_id, "from": before.segment_id}))
    for place, (kind, data) in enumerate(told):  # a microsecond apart: whoever enters has left before
        id_ = notice_id(kind, before.campaign_id, before.recipient_key, str(now), str(data["segment"]))
        ledger.notices.add(Notice(kind, before.campaign_id, data, now + place), about, id_)
    return len(told)
