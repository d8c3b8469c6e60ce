"""Bundle: what a client needs to decide by itself, for campaigns whose guardrails allow it."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import orjson

from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import SECOND, Instant
from optimizer.domain.snapshot import snapshot_id
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.basis import (
    BUNDLE_FORMAT,
    MOST_AGE,
    Basis,
    basis_of,
    controls_json,
    obstacle,
    read_controls,
    reads,
)
from optimizer.engine.tactic import Tactic
from optimizer.errors import Contended, NotFound
from optimizer.services.live import Live, Loaded
from optimizer.storage.bundles import Issue
from optimizer.storage.controls import EVERY_CHANNEL
from optimizer.storage.store import Ledger
from optimizer.strategy.workspace import STRATEGY_FILE, document_of, read_stored

MOST_SUPPRESSED: Final = 10_000  # of those who get nothing on one channel; a longer list stays where it is
_ATTEMPTS: Final = 3
_MOST_PAST: Final = 32


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one campaign is decided by elsewhere.

    Attributes:
        reason: why it is decided here alone; None when clients may.
        number: of what was issued; None where nothing has to be, or has not been yet.
        basis: what decides; None when clients may not.
        suppressed: persons who get nothing on its channel.
        barred: tombstones of erased people who get nothing on it.
        refused: persons who have said no to it.
        asks: attributes a request must say, as the ledger may know them otherwise.
    """

    campaign_id: str
    reason: str | None
    number: int | None = None
    basis: Basis | None = None
    suppressed: tuple[str, ...] = ()
    barred: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()

    def text(self, secret: bytes) -> bytes:
        """The bundle as JSON; it is the same as long as nothing changes."""
        said: dict[str, object] = {
            "format": BUNDLE_FORMAT,
            "campaign": self.campaign_id,
            "local": self.reason is None,
            "reason": self.reason,
        }
        if self.basis is not None:
            said |= {
                "bundle": self.number,
                "most_age_seconds": MOST_AGE // SECOND,
                "secret": secret.hex(),
                "asks": self.asks,
                "suppressed": self.suppressed,
                "barred": self.barred,
                "refused": self.refused,
                "basis": self.basis.text.decode(),
            }
        return orjson.dumps(said)


def etag_of(text: bytes) -> str:
    """What tells one bundle from another, as HTTP's `ETag` does."""
    return f'"{sha256(text).hexdigest()[:32]}"'


def find_bundle(ledger: Ledger, live: Live, campaign_id: str) -> Bundle:
    """What clients may have of a campaign; its number is None when it has to be issued first.

    Raises:
        NotFound: no such campaign in the documents in force.
    """
    return _bundle(ledger, live, live.at(ledger), campaign_id)


def issue_bundle(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> Bundle:
    """What clients may have of a campaign, written down, so that what they decide by it can be verified.

    Raises:
        NotFound: no such campaign in the documents in force.
        Contended: other workers issue one after the other.
    """
    loaded = live.at(ledger)
    for _ in range(_ATTEMPTS):
        bundle = _bundle(ledger, live, loaded, campaign_id)
        if bundle.basis is None or bundle.number is not None:
            return bundle
        latest = ledger.bundles.latest(campaign_id)
        ledger.bundles.add(_issue(bundle.basis, 1 if latest is None else latest.number + 1, now))
    raise Contended(f"bundle of {campaign_id}: other workers have just issued one")


class _Kept(NamedTuple):
    tactic: Tactic
    table: AllocationTable
    basis: Basis


@dataclass(slots=True)
class _Known:
    """What a worker has made of its documents and snapshots, so that a client that asks again costs little.

    Attributes:
        current: by campaign.
        past: by campaign and number of what was issued; a few.
    """

    current: dict[str, _Kept] = field(default_factory=dict)
    past: dict[tuple[str, int], Basis] = field(default_factory=dict)


_KNOWN: MutableMapping[Live, _Known] = WeakKeyDictionary()


def current_basis(live: Live, loaded: Loaded, campaign_id: str) -> Basis | None:
    """What a campaign's decisions follow from now; None before anything was learned."""
    tactic, table = loaded.tactic(campaign_id), loaded.tables.get(campaign_id)
    if table is None or loaded.workspace is None:
        return None
    known = _KNOWN.setdefault(live, _Known()).current
    kept = known.get(campaign_id)
    if kept is None or kept.tactic is not tactic or kept.table is not table:
        controls = loaded.controls.get(campaign_id, UNTOUCHED)
        basis = basis_of(loaded.workspace, tactic, controls, table.snapshot)
        kept = known[campaign_id] = _Kept(tactic, table, basis)
    return kept.basis


def past_basis(ledger: Ledger, live: Live, issue: Issue) -> Basis:
    """What the decisions of a bundle follow from, whenever it was issued.

    Raises:
        NotFound: its documents or its snapshot are not in the ledger.
    """
    past, place = _KNOWN.setdefault(live, _Known()).past, (issue.campaign_id, issue.number)
    if place not in past:
        snapshot_name = snapshot_id(issue.campaign_id, issue.snapshot)
        stored, snapshot = ledger.versions.get(issue.strategy_version), ledger.snapshots.get(snapshot_name)
        if stored is None or snapshot is None:
            found = f"version {issue.strategy_version}, snapshot {snapshot_name}"
            raise NotFound(f"bundle: found {found}; allowed documents and a snapshot that are in the ledger")
        workspace = read_stored(stored.files)
        files = {name: stored.files[name] for name in (STRATEGY_FILE, document_of(workspace, issue.campaign_id))}
        approved = tuple((variant_id, content_hash) for variant_id, content_hash in orjson.loads(issue.approved))
        controls = read_controls(orjson.loads(issue.controls))
        while len(past) >= _MOST_PAST:
            past.pop(next(iter(past)))
        past[place] = Basis(issue.campaign_id, issue.strategy_version, files, approved, controls, snapshot)
    return past[place]


def _bundle(ledger: Ledger, live: Live, loaded: Loaded, campaign_id: str) -> Bundle:
    tactic, table = loaded.tactic(campaign_id), loaded.tables.get(campaign_id)
    basis = current_basis(live, loaded, campaign_id)
    if table is None or basis is None:
        return Bundle(campaign_id, "policy: nothing has been learned yet")
    stands_in_the_way = obstacle(tactic, table) or _derived(loaded, tactic)
    if stands_in_the_way is not None:
        return Bundle(campaign_id, stands_in_the_way)
    channel = tactic.campaign.channel
    keys = ledger.suppressions.on(channel, MOST_SUPPRESSED + 1)
    barred = ledger.tombstones.on((channel, EVERY_CHANNEL), MOST_SUPPRESSED + 1) if loaded.has_tombstones else []
    refused = ledger.consents.refusing(channel, MOST_SUPPRESSED + 1)
    if len(keys) + len(barred) + len(refused) > MOST_SUPPRESSED:
        return Bundle(campaign_id, f"suppressions: found more than {MOST_SUPPRESSED:,}; allowed a list that can travel")
    latest = ledger.bundles.latest(campaign_id)
    return Bundle(
        campaign_id,
        None,
        latest.number if latest is not None and latest.digest == basis.digest else None,
        basis,
        tuple(sorted(loaded.pseudonyms.persons_of(keys))) if keys else (),
        tuple(barred),
        tuple(sorted(loaded.pseudonyms.persons_of(refused))) if refused else (),
        reads(tactic) if ledger.recipients.any() else (),
    )


def _derived(loaded: Loaded, tactic: Tactic) -> str | None:
    """Which attribute only the ledger knows, because it follows from what the recipient did."""
    declared = loaded.declared
    derived = [name for name in reads(tactic) if getattr(declared[name], "from_", None) is not None]
    return f"attributes: {', '.join(derived)} follows from behaviour, which only the ledger knows" if derived else None


def _issue(basis: Basis, number: int, now: Instant) -> Issue:
    return Issue(
        basis.campaign_id,
        number,
        basis.digest,
        now,
        basis.version,
        basis.snapshot.number,
        orjson.dumps(basis.approved).decode(),
        orjson.dumps(controls_json(basis.controls)).decode(),
    )
