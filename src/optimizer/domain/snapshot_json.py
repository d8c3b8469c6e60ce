"""A snapshot as JSON, bit for bit: in the ledger, and for whoever decides by it elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from optimizer.domain.belief import Belief
from optimizer.domain.instants import Instant
from optimizer.domain.snapshot import Snapshot

_ARRAYS = ("trials", "costs", "before", "elsewhere")
_APART = {"campaign_id", "number", "created_at", "belief"}


def snapshot_json(snapshot: Snapshot) -> bytes:
    """All of a snapshot but whose it is, its number and when it was made."""
    body = {name: getattr(snapshot, name) for name in Snapshot.__dataclass_fields__ if name not in _APART}
    belief = snapshot.belief
    arrays = {name: {"shape": array.shape, "values": array.ravel()} for name, array in belief.arrays.items()}
    # orjson writes the shortest text that reads back to the same double, so a snapshot survives it bit for bit.
    return orjson.dumps(body | {"belief": {"model": belief.model, "arrays": arrays}}, option=orjson.OPT_SERIALIZE_NUMPY)


def read_snapshot(text: bytes, campaign_id: str, number: int, created_at: Instant) -> Snapshot:
    """The snapshot that `snapshot_json` wrote."""
    body = orjson.loads(text)
    for name in ("segment_ids", "variant_ids", "content_hashes"):
        body[name] = tuple(body[name])
    body["belief"] = _belief(body["belief"])
    shape = (len(body["segment_ids"]), len(body["variant_ids"]))
    for name in _ARRAYS:
        written = np.array(body.get(name, ()), dtype=np.float64)
        body[name] = written.reshape(shape) if written.size else np.zeros(shape)
    return Snapshot(campaign_id=campaign_id, number=number, created_at=created_at, **body)


def _belief(kept: Any) -> Belief:
    arrays = {
        name: np.array(array["values"], np.float64).reshape(array["shape"]) for name, array in kept["arrays"].items()
    }
    return Belief(kept["model"], arrays)
