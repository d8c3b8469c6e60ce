"""Agreement: whether a campaign still stands as somebody saw it who wishes something of it."""

from __future__ import annotations

from dataclasses import asdict
from hashlib import blake2b

import orjson

from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import Instant, moment
from optimizer.engine.tactic import Tactic
from optimizer.errors import Conflict
from optimizer.services.live import DOCUMENTS, Live, Loaded
from optimizer.storage.audit import Link
from optimizer.storage.store import Ledger

MOST_CHANGES = 3  # that are told
LONGEST_NOTE = 80


def seen(ledger: Ledger, live: Live, campaign_id: str, _now: Instant) -> str:
    """How a campaign stands, as a form carries it: last entry of the audit trail, and a digest of its state.

    Raises:
        NotFound: no such campaign in the documents in force.
    """
    loaded = live.at(ledger)
    loaded.tactic(campaign_id)
    last = ledger.audit.latest(1)
    return f"{last[0].number if last else 0}.{state_digest(loaded, campaign_id)}"


def state_digest(loaded: Loaded, campaign_id: str) -> str:
    """Sixteen digits that differ when the documents, approvals or controls of a campaign do."""
    tactic = loaded.tactic(campaign_id)
    controls = asdict(loaded.controls.get(campaign_id, UNTOUCHED))
    decided = {name: value for name, value in controls.items() if name not in {"lasting", "hearing"}}
    state = [loaded.version, tactic.limits.approved.tolist(), decided]
    return blake2b(orjson.dumps(state, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def check_seen(ledger: Ledger, live: Live, campaign_id: str, before: str) -> None:
    """Hold a campaign as it is until the transaction ends, if that is how somebody saw it.

    Args:
        ledger: of the transaction that is to carry out their wish.
        live: what is loaded.
        campaign_id: the campaign.
        before: what `seen` gave when they looked; empty where nobody says.

    Raises:
        NotFound: no such campaign in the documents in force.
        Conflict: somebody, or something, changed it since; who, what and when.
    """
    ledger.revisions.hold(DOCUMENTS)
    if not before:
        return
    loaded = live.at(ledger)
    number, _, digest = before.partition(".")
    if digest != state_digest(loaded, campaign_id):
        changed = _changes(ledger, loaded.tactic(campaign_id), int(number) if number.isdecimal() else 0)
        raise Conflict(
            f"campaign {campaign_id}: found it changed since you looked ({changed}); nothing was done: look again"
        )


def _changes(ledger: Ledger, tactic: Tactic, number: int) -> str:
    """Who did what since an entry of the audit trail."""
    links = [
        *ledger.audit.latest(MOST_CHANGES, subject=tactic.campaign_id),
        *ledger.audit.latest(MOST_CHANGES, subject=f"version {tactic.strategy_version}"),
    ]
    newer = sorted((link for link in links if link.number > number), key=lambda link: -link.number)
    told = [_told(link, tactic) for link in newer[:MOST_CHANGES]]
    return "; ".join(told) if told else "in a way the audit trail does not name"


def _told(link: Link, tactic: Tactic) -> str:
    entry = link.entry
    what = "" if entry.subject == tactic.campaign_id else f" {entry.subject.removeprefix(f'{tactic.campaign_id}/')}"
    note = entry.note if len(entry.note) <= LONGEST_NOTE else entry.note[: LONGEST_NOTE - 1] + "…"
    at = moment(entry.at).astimezone(tactic.zone)
    return f"{entry.actor} at {at:%H:%M %Z}: {entry.action}{what}, “{note}”"
