"""Undoing: which accepted proposals documents would take back that were written before them, or without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from optimizer.domain.instants import isoformat
from optimizer.domain.proposals import Edit, Kept
from optimizer.errors import Conflict
from optimizer.storage.store import Ledger
from optimizer.strategy.versions.editing import held
from optimizer.strategy.workspace import Workspace


def undone(ledger: Ledger, workspace: Workspace) -> list[Kept]:
    """The accepted proposals whose change is in force, while documents say what was there before it.

    Documents that say something else again at that place were written by somebody who knows of it; those in which the
    place itself is gone, too.
    """
    latest = ledger.versions.latest()
    if latest is None or latest.digest == workspace.digest:
        return []
    found = []
    for kept in ledger.proposals.accepted():
        before = ledger.versions.get((kept.became_version or 0) - 1)
        if before is not None and any(
            _undoes(before.files, latest.files, workspace, edit) for edit in kept.proposal.edits
        ):
            found.append(kept)
    return found


def refuse_undoing(ledger: Ledger, workspace: Workspace) -> None:
    """Refuse documents that would undo something nobody has asked to undo.

    Raises:
        Conflict: they would.
    """
    for sentence in undoing_warnings(ledger, workspace):
        raise Conflict(f"workspace: {sentence}; allowed ones that say it: `optimizer pull` fetches them, or --force")


def undoing_warnings(ledger: Ledger, workspace: Workspace) -> Iterator[str]:
    """A sentence for each accepted proposal that documents would undo."""
    for kept in undone(ledger, workspace):
        when = "" if kept.decided_at is None else isoformat(kept.decided_at)[:10]
        yield (
            f"found documents that undo proposal {kept.number}, accepted by {kept.decided_by} on {when} "
            f'("{kept.proposal.headline}")'
        )


def _undoes(before: Mapping[str, str], latest: Mapping[str, str], workspace: Workspace, edit: Edit) -> bool:
    if edit.document and edit.document not in workspace.campaigns:
        return False
    around = replace(edit, op="set", path=edit.path[:-1])
    if around.path and held(before, around) is not None and held(workspace.files, around) is None:
        return False
    was = held(before, edit)
    return bool(held(latest, edit) != was and held(workspace.files, edit) == was)
