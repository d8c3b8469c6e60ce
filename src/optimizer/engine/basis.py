"""A basis: all that decisions of one campaign follow from while nothing changes, so that others can make them too.

With the secret of the installation, whoever has a basis decides exactly as the service does: from the same documents,
approvals, controls and snapshot, by the same functions. That is only allowed where nothing else counts, see `obstacle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import orjson

from optimizer.domain.controls import Controls, Status
from optimizer.domain.instants import SECOND, Duration
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.snapshot_json import read_snapshot, snapshot_json
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.tactic import Tactic, compile_tactic
from optimizer.strategy.audience import Attribute
from optimizer.strategy.workspace import STRATEGY_FILE, Workspace, document_of, read_stored

BUNDLE_FORMAT = 2  # of the JSON in which it travels; a client that does not know it asks the service instead
MOST_AGE: Duration = 30 * SECOND  # a basis that nobody has confirmed for so long decides nothing any more


@dataclass(frozen=True, eq=False)
class Basis:
    """What decides, but for the secret.

    Attributes:
        version: of the documents.
        files: the strategy's text and the campaign's, by path.
        approved: variant id and content hash of each variant that may be sent as it stands.
        controls: those that decide something: no sentences, and nothing that was only noticed.
        snapshot: what was learned.
    """

    campaign_id: str
    version: int
    files: Mapping[str, str]
    approved: tuple[tuple[str, str], ...]
    controls: Controls
    snapshot: Snapshot

    @cached_property
    def text(self) -> bytes:
        """All of it as JSON."""
        controls, snapshot = self.controls, self.snapshot
        return orjson.dumps(
            {
                "campaign": self.campaign_id,
                "version": self.version,
                "files": dict(self.files),
                "approved": self.approved,
                "controls": controls_json(controls),
                "number": snapshot.number,
                "created_at": snapshot.created_at,
                "snapshot": orjson.Fragment(snapshot_json(snapshot)),
            }
        )

    @cached_property
    def digest(self) -> str:
        """The same for every basis that decides alike, and for no other."""
        return sha256(self.text).hexdigest()

    @cached_property
    def tactic(self) -> Tactic:
        """The campaign, compiled."""
        strategy, campaign = self._workspace.strategy, self._workspace.campaigns[self.campaign_id]
        approvals = {(self.campaign_id, variant_id, content_hash) for variant_id, content_hash in self.approved}
        return compile_tactic(strategy, campaign, self.version, approvals, self.controls)

    @cached_property
    def table(self) -> AllocationTable:
        """Rows of the snapshot."""
        return AllocationTable(self.snapshot)

    @property
    def declared(self) -> Mapping[str, Attribute]:
        """The attributes that the strategy declares."""
        return self._workspace.strategy.attributes

    @cached_property
    def _workspace(self) -> Workspace:
        return read_stored(self.files)


def basis_of(workspace: Workspace, tactic: Tactic, controls: Controls, snapshot: Snapshot) -> Basis:
    """What a campaign's decisions follow from.

    Args:
        workspace: the documents in force.
        tactic: the campaign, compiled from them.
        controls: what people and guardrail metrics have decided about it.
        snapshot: the newest.
    """
    file = document_of(workspace, tactic.campaign_id)
    arms = zip(tactic.variants, tactic.limits.approved.tolist(), strict=True)
    return Basis(
        tactic.campaign_id,
        tactic.strategy_version,
        {name: workspace.files[name] for name in (STRATEGY_FILE, file)},
        tuple((variant.variant_id, variant.content_hash) for variant, approved in arms if approved),
        deciding(controls),
        snapshot,
    )


def read_basis(text: bytes) -> Basis:
    """The basis that was written as `Basis.text`."""
    said = orjson.loads(text)
    snapshot = read_snapshot(orjson.dumps(said["snapshot"]), said["campaign"], said["number"], said["created_at"])
    approved = tuple((variant_id, content_hash) for variant_id, content_hash in said["approved"])
    controls = read_controls(said["controls"])
    return Basis(said["campaign"], said["version"], said["files"], approved, controls, snapshot)


def deciding(controls: Controls) -> Controls:
    """Controls without what decides nothing."""
    return Controls(
        status=controls.status,
        paused=dict.fromkeys(sorted(controls.paused), ""),
        pinned=controls.pinned,
        stage=controls.stage,
        stage_since=controls.stage_since,
        reviewed_at=controls.reviewed_at,
        silent_since=controls.silent_since,
    )


def controls_json(controls: Controls) -> dict[str, object]:
    """Those controls as JSON holds them."""
    return {
        "status": controls.status,
        "paused": list(controls.paused),
        "pinned": controls.pinned,
        "stage": controls.stage,
        "stage_since": controls.stage_since,
        "reviewed_at": controls.reviewed_at,
        "silent_since": controls.silent_since,
    }


def read_controls(said: Mapping[str, object]) -> Controls:
    """The controls that `controls_json` wrote."""
    known = {**said, "status": Status(str(said["status"])), "paused": dict.fromkeys(_names(said["paused"]), "")}
    return Controls(**known)  # type: ignore[arg-type]


def obstacle(tactic: Tactic, table: AllocationTable) -> str | None:
    """Which guardrail keeps anybody but the service from deciding, and why; None when none does.

    Whatever is counted across requests, or known of the recipient in the ledger alone, can only be judged there.
    """
    limits = tactic.limits
    obstacles = (
        (bool(tactic.contact_limits), "contact policy: only the ledger knows whom other campaigns have contacted"),
        (bool(tactic.budget_limits), "budget: only the ledger knows what is left of money and sends"),
        (table.snapshot.price is not None, "pacing: the price of the budget changes with what is sent"),
        (limits.needs_consent, "consent: only the ledger knows who has agreed to the channel"),
        (limits.hours.any_depends_on_time_of_day, "hours: quiet hours and send windows are judged by one clock"),
        (
            table.is_personal or tactic.features is not None,
            "policy: what a contextual model makes of attributes is computed in one place",
        ),
    )
    return next((why for stands, why in obstacles if stands), None)


def reads(tactic: Tactic) -> tuple[str, ...]:
    """The attributes that a campaign's decisions depend on."""
    of_words = [name for check in tactic.personal if check is not None for name in check.attribute_names]
    return tuple(sorted({*tactic.rules.attribute_names, *of_words}))


def _names(said: object) -> list[str]:
    return list(said) if isinstance(said, list) else []
