"""Pull: the documents in force for somebody's folder, without losing what they have written there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optimizer.errors import Conflict
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class Pull:
    """What a folder lacks.

    Attributes:
        version: in force.
        files: texts by path that differ from the folder's, or are not there.
        mine: of these, the ones whose text in the folder was never in force: somebody is at work on them.
        more: paths in the folder that are not in force; they stay.
    """

    version: int
    files: Mapping[str, str]
    mine: tuple[str, ...]
    more: tuple[str, ...]


def pull(ledger: Ledger, folder: Mapping[str, str]) -> Pull:
    """What to write into a folder.

    Args:
        ledger: where the documents in force are.
        folder: the texts there, by path.

    Raises:
        Conflict: nothing is in force yet.
    """
    latest = ledger.versions.latest()
    if latest is None:
        raise Conflict("strategy: found none in force; allowed one that `optimizer apply` has put there")
    new = {path: text for path, text in latest.files.items() if folder.get(path) != text}
    mine = {path for path in new if path in folder}
    for version in range(latest.version - 1, 0, -1):
        if not mine:
            break
        stored = ledger.versions.get(version)
        mine = {path for path in mine if stored is None or stored.files.get(path) != folder[path]}
    more = tuple(sorted(path for path in folder if path not in latest.files))
    return Pull(latest.version, new, tuple(sorted(mine)), more)
