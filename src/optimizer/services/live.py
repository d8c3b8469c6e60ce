"""What a worker has loaded: the documents in force, their approvals, and each campaign's newest snapshot.

Every transaction asks `Live.at(ledger)` first. It costs one small read, and only what changed is loaded again, so an
`apply`, an approval or a new snapshot made by any process is seen before the next decision of every other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock

from optimizer.domain.controls import UNTOUCHED, Controls
from optimizer.domain.decision import Decision
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.assessment import RewardRule
from optimizer.engine.behaviour import Behaviour
from optimizer.engine.tactic import Tactic, compile_tactic
from optimizer.errors import Conflict, NotFound, Unavailable
from optimizer.services.keys.pseudonyms import PERSONS_AS_THEY_ARE, RECIPIENT_KEY, Pseudonyms
from optimizer.storage.store import Ledger
from optimizer.strategy.audience import Attribute
from optimizer.strategy.documents import Strategy
from optimizer.strategy.variants import Variant
from optimizer.strategy.workspace import Workspace, read_stored

DOCUMENTS = "documents"  # counter: strategy versions, approvals and controls
SNAPSHOTS = "snapshots"  # counter: snapshots of any campaign
TOMBSTONES = "tombstones"  # counter: 1 since somebody was erased who must not be contacted again


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """One consistent state of everything a decision depends on."""

    revisions: Mapping[str, int]
    version: int
    workspace: Workspace | None
    tactics: Mapping[str, Tactic]
    tables: Mapping[str, AllocationTable]
    controls: Mapping[str, Controls]
    pseudonyms: Pseudonyms = PERSONS_AS_THEY_ARE
    behaviour: Behaviour | None = None  # how attributes follow from what recipients did
    deriving: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # those that a campaign looks at, if any

    @property
    def declared(self) -> Mapping[str, Attribute]:
        """The attributes the documents declare."""
        return {} if self.workspace is None else self.workspace.strategy.attributes

    @property
    def strategy(self) -> Strategy:
        """The strategy in force.

        Raises:
            Conflict: there is none.
        """
        if self.workspace is None:
            raise Conflict("no strategy is in force; run `optimizer apply` first")
        return self.workspace.strategy

    @property
    def currency(self) -> str:
        """The strategy's currency; empty while no strategy is in force."""
        return "" if self.workspace is None else self.workspace.strategy.currency

    @property
    def has_tombstones(self) -> bool:
        """Whether anybody was erased who must not be contacted again."""
        return TOMBSTONES in self.revisions

    def tactic(self, campaign_id: str) -> Tactic:
        """The campaign, compiled.

        Raises:
            NotFound: no such campaign in the documents in force.
        """
        try:
            return self.tactics[campaign_id]
        except KeyError:
            known = ", ".join(sorted(self.tactics)) or "none yet; run `optimizer apply`"
            raise NotFound(f"campaign: found {campaign_id!r}; allowed {known}") from None


NOTHING_LOADED = Loaded({}, 0, None, {}, {}, {})


class Live:
    """The worker's copy of the ledger's documents and snapshots.

    Args:
        secret: key of every hash: persons, decision ids, draws, holdouts.
        find_key: gives the recipient key with a fingerprint, or None when this process does not have it.
    """

    def __init__(self, secret: bytes, find_key: Callable[[str], bytes | None] = lambda _: None) -> None:
        self.secret = secret
        self._find_key = find_key
        self._pseudonyms = {PERSONS_AS_THEY_ARE.number: PERSONS_AS_THEY_ARE}
        self._loaded = NOTHING_LOADED
        self._editions: dict[int, Mapping[str, Tactic]] = {}
        self._lock = Lock()

    @property
    def latest(self) -> Loaded:
        """The state this process saw last, without asking the ledger; it may have changed since."""
        return self._loaded

    def at(self, ledger: Ledger) -> Loaded:
        """The state in force in this transaction."""
        loaded, seen = self._loaded, ledger.revisions.all()
        if _newer(seen, loaded.revisions):
            with self._lock:
                loaded = self._loaded
                if _newer(ledger.revisions.all(), loaded.revisions):  # else another thread has loaded it meanwhile
                    loaded = _load(ledger, loaded)
                    if not ledger.revisions.bumped:  # what this transaction changed itself may yet be rolled back
                        self._loaded = loaded
        number = seen.get(RECIPIENT_KEY, 0)
        return loaded if number == loaded.pseudonyms.number else self._renamed(ledger, loaded, number)

    def edition(self, ledger: Ledger, version: int) -> Mapping[str, Tactic]:
        """The campaigns of one version of the documents, for judging and repeating what was decided under it."""
        if version not in self._editions:
            stored = ledger.versions.get(version)
            if stored is None:
                raise NotFound(f"strategy version: found {version}; allowed a version that was applied")
            workspace = read_stored(stored.files)
            self._editions[version] = tactics_of(workspace, version, (), {})
        return self._editions[version]

    def reward_rule(self, ledger: Ledger, decision: Decision) -> RewardRule:
        """The rule by which a decision's outcomes are judged: that of the documents it was made under."""
        return self.edition(ledger, decision.strategy_version)[decision.campaign_id].reward_rule

    def variant(self, ledger: Ledger, decision: Decision) -> Variant | None:
        """The variant a decision names, with the words it had then."""
        if decision.variant_id is None:
            return None
        tactic = self.edition(ledger, decision.strategy_version)[decision.campaign_id]
        return tactic.variants[tactic.variant_ids.index(decision.variant_id)]

    def _renamed(self, ledger: Ledger, loaded: Loaded, number: int) -> Loaded:
        """The state with the pseudonyms this very transaction sees; a view from before a rotation has those of then.

        Raises:
            Unavailable: this process does not have the recipient key in force.
        """
        with self._lock:
            if number not in self._pseudonyms:
                wanted = ledger.revisions.read(RECIPIENT_KEY)
                key = self._find_key(wanted)
                if key is None:
                    raise Unavailable(
                        f"recipient key: found none with fingerprint {wanted}; allowed the one that rotation {number} "
                        "made, in .optimizer/recipient-key or OPTIMIZER_RECIPIENT_KEY"
                    )
                self._pseudonyms[number] = Pseudonyms(number, key)
            renamed = replace(loaded, pseudonyms=self._pseudonyms[number])
            if number > loaded.pseudonyms.number and loaded is self._loaded and not ledger.revisions.bumped:
                self._loaded = renamed
        return renamed


def _newer(revisions: Mapping[str, int], loaded: Mapping[str, int]) -> bool:
    """Whether a transaction sees something that is not loaded; an older view never unloads a newer one."""
    return any(revisions.get(name, 0) > loaded.get(name, 0) for name in (DOCUMENTS, SNAPSHOTS, TOMBSTONES))


def _load(ledger: Ledger, loaded: Loaded) -> Loaded:
    """One consistent state, even in a transaction that sees what others commit between two of its questions."""
    while True:
        revisions = ledger.revisions.all()
        found = _loaded_at(ledger, revisions, loaded)
        if ledger.revisions.all() == revisions:
            return found


def _loaded_at(ledger: Ledger, revisions: Mapping[str, int], loaded: Loaded) -> Loaded:
    version, workspace, tactics, controls = loaded.version, loaded.workspace, loaded.tactics, loaded.controls
    if revisions.get(DOCUMENTS, 0) > loaded.revisions.get(DOCUMENTS, 0):
        stored = ledger.versions.latest()
        if stored is not None:
            if stored.version != version or workspace is None:
                version, workspace = stored.version, read_stored(stored.files)
            controls = ledger.controls.all()
            tactics = tactics_of(workspace, version, ledger.approvals.granted(), controls)
    tables = {}
    for campaign_id in tactics:
        table = loaded.tables.get(campaign_id)
        number = ledger.snapshots.latest_number(campaign_id)
        if table is None or table.snapshot.number != number:
            snapshot = ledger.snapshots.latest(campaign_id)
            table = None if snapshot is None else AllocationTable(snapshot)
        if table is not None:
            tables[campaign_id] = table
    behaviour = None if workspace is None else Behaviour.of(workspace.strategy)
    names = {} if behaviour is None else {id_: behaviour.used_by(tactic) for id_, tactic in tactics.items()}
    deriving = {campaign_id: of_campaign for campaign_id, of_campaign in names.items() if of_campaign}
    return Loaded(revisions, version, workspace, tactics, tables, controls, loaded.pseudonyms, behaviour, deriving)


def tactics_of(
    workspace: Workspace,
    version: int,
    approvals: Collection[tuple[str, str, str]],
    controls: Mapping[str, Controls],
) -> dict[str, Tactic]:
    return {
        campaign_id: compile_tactic(
            workspace.strategy, campaign, version, approvals, controls.get(campaign_id, UNTOUCHED)
        )
        for campaign_id, campaign in workspace.campaigns.items()
    }
