"""What is known of the people a batch of requests is about: profiles, consent, suppression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimizer.domain.instants import Instant
from optimizer.policy.draw import tombstones
from optimizer.services.live import Live, Loaded
from optimizer.services.recipients.profiles import later_profiles
from optimizer.storage.controls import EVERY_CHANNEL
from optimizer.storage.recipients import Profile
from optimizer.storage.rows import Later
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class People:
    """Profiles and suppressed channels by recipient key; absent where there are none."""

    profiles: Mapping[str, Profile]
    suppressed: Mapping[str, set[str]]

    def is_suppressed(self, recipient_key: str, channel: str) -> bool:
        """Whether the recipient gets nothing on a channel."""
        channels = self.suppressed.get(recipient_key)
        return channels is not None and not channels.isdisjoint((channel, EVERY_CHANNEL))


def known_of(
    ledger: Ledger, live: Live, loaded: Loaded, persons: Sequence[str], recipient_keys: Sequence[str], now: Instant
) -> People:
    """What the ledger knows of these recipients, and of those whom they are called after, had they been erased."""
    return later_known(ledger, live, loaded, persons, recipient_keys, now)()


def later_known(
    ledger: Ledger, live: Live, loaded: Loaded, persons: Sequence[str], recipient_keys: Sequence[str], now: Instant
) -> Later[People]:
    """The same, together with what else is asked for."""
    listed = ledger.suppressions.later_of(recipient_keys)
    profiles = later_profiles(ledger, loaded, recipient_keys, now)

    def found() -> People:
        suppressed = listed()
        if loaded.has_tombstones:
            hashes = tombstones(live.secret, persons)
            barred = ledger.tombstones.of(hashes)
            for key, hashed in zip(recipient_keys, hashes, strict=True):
                if hashed in barred:
                    suppressed[key] = suppressed.get(key, set()) | barred[hashed]
        return People(profiles(), suppressed)

    return found


def agreed(channel: str, stored: Mapping[str, bool], said: Mapping[str, bool]) -> bool | None:
    """Whether a recipient has agreed to a channel: a no counts whoever says it; None when nobody has said anything."""
    answers = [consent[channel] for consent in (stored, said) if channel in consent]
    return all(answers) if answers else None
