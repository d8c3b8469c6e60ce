"""Writing a history in another format, so that reading it gives the same logged feedback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.dsjson import write_dsjson
from optimizer.history.obp import write_obp
from optimizer.history.opening import CHUNK, History
from optimizer.history.parquet import write_parquet

WRITTEN = (".parquet", ".dsjson", ".dsjson.gz", ".npz")


def write_history(history: History, path: Path, progress: Callable[[int], None] = lambda _: None) -> None:
    """Write the rows that can be used, all or nothing: a file that is there stays until the new one is whole.

    Parquet and dsjson are written in flat memory; the arrays of ``.npz`` must fit into it.

    Args:
        history: what to write.
        path: where to; the suffix says the format: `WRITTEN`.
        progress: told the number of rows written so far.

    Raises:
        InvalidRequest: the suffix is none of these, or no row can be used.
    """
    suffix = next((suffix for suffix in WRITTEN if path.name.endswith(suffix)), None)
    if suffix is None:
        raise InvalidRequest(RequestFinding("file", path.name, f"a file that ends in {', '.join(WRITTEN)}"))
    mapping = history.standard_mapping
    draft = path.with_name(f".{path.name}.draft{suffix}")
    try:
        if suffix == ".parquet":
            write_parquet(history.frame, mapping, draft)
        elif suffix == ".npz":
            write_obp(history.frame.collect(), history.feedback(), mapping, draft)
        else:
            write_dsjson(history.batches(CHUNK), mapping, draft, progress)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    progress(history.contents.rows - sum(history.unusable.values()))
