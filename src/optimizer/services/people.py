"""What is known of the people a batch of requests is about: profiles, consent, suppression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimizer.storage.controls import EVERY_CHANNEL
from optimizer.storage.recipients import UNKNOWN, Profile
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class People:
    """Profiles and suppressed channels by recipient key."""

    profiles: Mapping[str, Profile]
    suppressed: Mapping[str, set[str]]

    def profile(self, recipient_key: str) -> Profile:
        """What is stored of a recipient."""
        return self.profiles.get(recipient_key, UNKNOWN)

    def is_suppressed(self, recipient_key: str, channel: str) -> bool:
        """Whether the recipient gets nothing on a channel."""
        channels = self.suppressed.get(recipient_key)
        return channels is not None and not channels.isdisjoint((channel, EVERY_CHANNEL))


def known_of(ledger: Ledger, recipient_keys: Sequence[str]) -> People:
    """What the ledger knows of these recipients."""
    return People(ledger.recipients.of(recipient_keys), ledger.suppressions.of(recipient_keys))


def agreed(channel: str, stored: Mapping[str, bool], said: Mapping[str, bool]) -> bool | None:
    """Whether a recipient has agreed to a channel: a no counts whoever says it; None when nobody has said anything."""
    answers = [consent[channel] for consent in (stored, said) if channel in consent]
    return all(answers) if answers else None
