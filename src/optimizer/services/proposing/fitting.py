"""Fitting: what the documents in force would be with a proposal's change, if it still fits them."""

from __future__ import annotations

from optimizer.domain.proposals import Proposal
from optimizer.errors import Conflict, DocumentError
from optimizer.services.forecasts.outlooks import expected_outlook, hopeless_findings
from optimizer.strategy.versions.editing import edited
from optimizer.strategy.versions.retirement import retirement_findings
from optimizer.strategy.workspace import Workspace, read_workspace


def proposed_documents(workspace: Workspace, proposal: Proposal) -> Workspace:
    """Checked documents with the change.

    Args:
        workspace: the documents in force.
        proposal: one with edits.

    Raises:
        Conflict: they have changed so that it does not fit them any more, or they say already what it wants.
    """
    try:
        after = read_workspace(edited(workspace.files, proposal.edits))
    except DocumentError as error:
        raise _misfit(error) from error
    wrong = [*hopeless_findings(after, expected_outlook(after)), *retirement_findings(workspace, after)]
    if wrong:
        raise _misfit(DocumentError(wrong))
    if after.digest == workspace.digest:
        raise Conflict("documents: found that they say so already; allowed a proposal that changes something")
    return after


def _misfit(error: DocumentError) -> Conflict:
    more = f" (and {len(error.findings) - 1} more)" if len(error.findings) > 1 else ""
    return Conflict(f"{error.findings[0]}{more}")
