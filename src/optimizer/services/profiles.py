"""Profiles: the declared attributes kept of a recipient, under a keyed hash."""

from __future__ import annotations

from optimizer.domain.instants import Instant
from optimizer.errors import Conflict, InvalidRequest, NotFound
from optimizer.policy.draw import recipient_key
from optimizer.services.live import Live
from optimizer.storage.recipients import Profile
from optimizer.storage.store import Ledger
from optimizer.strategy.attributes import check_attributes


def put_profile(ledger: Ledger, live: Live, recipient: str, profile: Profile, now: Instant) -> None:
    """Replace what is known of a recipient.

    Raises:
        Conflict: no strategy has been applied yet, so no attribute is declared.
        InvalidRequest: an attribute is not declared or its value is not allowed.
    """
    workspace = live.at(ledger).workspace
    if workspace is None:
        raise Conflict("no strategy is in force; run `optimizer apply` first")
    findings = check_attributes(workspace.strategy.attributes, profile.attributes)
    if findings:
        raise InvalidRequest(*findings)
    ledger.recipients.put(recipient_key(live.secret, recipient), profile, now)


def stored_profile(ledger: Ledger, live: Live, recipient: str) -> Profile:
    """What is known of a recipient.

    Raises:
        NotFound: nothing is.
    """
    key = recipient_key(live.secret, recipient)
    found = ledger.recipients.of([key])
    if key not in found:
        raise NotFound(f"recipient: found no stored profile for {recipient!r}")
    return found[key]
