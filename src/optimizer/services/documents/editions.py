"""Editions: the versions of the documents that people put in force, and what each of them changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff

from optimizer.errors import NotFound
from optimizer.storage.store import Ledger
from optimizer.storage.versions import Applied, StrategyVersion
from optimizer.strategy.versions.changes import changes
from optimizer.strategy.workspace import read_stored

MOST_VERSIONS = 200


@dataclass(frozen=True, slots=True)
class FileDifference:
    """One document in two versions.

    Attributes:
        path: of the document.
        lines: of a unified diff, without its two header lines.
    """

    path: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one version changed against another.

    Attributes:
        before: None when it is compared with nothing.
        sentences: what becomes different, in words.
    """

    before: StrategyVersion | None
    after: StrategyVersion
    sentences: Sequence[str]
    files: Sequence[FileDifference]


def editions(ledger: Ledger) -> list[Applied]:
    """The versions that were put in force, newest first."""
    return ledger.versions.applied(MOST_VERSIONS)


def edition(ledger: Ledger, version: int) -> StrategyVersion:
    """One version with its documents, as their authors wrote them.

    Raises:
        NotFound: there is no such version.
    """
    found = ledger.versions.get(version)
    if found is None:
        raise NotFound(f"strategy version: found {version}; allowed a version that was applied")
    return found


def comparison(ledger: Ledger, version: int, against: int) -> Comparison:
    """What one version changed against an earlier one; 0 for nothing.

    Raises:
        NotFound: there is no such version.
    """
    after = edition(ledger, version)
    before = None if against == 0 else edition(ledger, against)
    workspace = None if before is None else read_stored(before.files)
    sentences = [change.sentence for change in changes(workspace, read_stored(after.files))]
    return Comparison(before, after, sentences, _files({} if before is None else before.files, after.files))


def _files(before: Mapping[str, str], after: Mapping[str, str]) -> list[FileDifference]:
    """The documents that differ, in the order of their paths; the strategy, which all depend on, first."""
    found = []
    for path in sorted({*before, *after}, key=lambda path: ("/" in path, path)):
        old, new = (files.get(path, "").splitlines() for files in (before, after))
        lines = list(unified_diff(old, new, lineterm="", n=3))[2:]
        if lines:
            found.append(FileDifference(path, lines))
    return found
