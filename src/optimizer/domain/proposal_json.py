"""A proposal as JSON: in the ledger, and as what a person has looked at."""

from __future__ import annotations

from dataclasses import asdict
from hashlib import blake2b
from typing import Any

import orjson

from optimizer.domain.proposals import Confidence, Edit, Effect, Proposal, ProposalKind


def proposal_json(proposal: Proposal) -> str:
    """All of a proposal; what is to be written into documents keeps its order."""
    return orjson.dumps(asdict(proposal)).decode()


def read_proposal(text: str) -> Proposal:
    """The proposal that `proposal_json` wrote."""
    body: dict[str, Any] = orjson.loads(text)
    body["kind"] = ProposalKind(body["kind"])
    body["confidence"] = Confidence(body["confidence"])
    body["evidence"] = tuple(body["evidence"])
    body["expected"] = None if body["expected"] is None else Effect(**body["expected"])
    body["edits"] = tuple(Edit(**{**edit, "path": tuple(edit["path"])}) for edit in body["edits"])
    return Proposal(**body)


def digest(proposal: Proposal) -> str:
    """What the proposal says, figures and all: 16 hexadecimal characters, other ones whenever anything differs."""
    return blake2b(proposal_json(proposal).encode(), digest_size=8).hexdigest()
