"""Documents on disk as text: what cannot be read is a finding, like any other mistake."""

from __future__ import annotations

from pathlib import Path

from optimizer.errors import DocumentError, Finding
from optimizer.strategy.workspace import STRATEGY_FILE
from optimizer.strategy.yaml.source import MAX_CHARACTERS, THE_FILE

MOST_DOCUMENTS = 1_000


def text_of(path: Path, name: str) -> str:
    """The text of a document.

    Args:
        path: where it is.
        name: what its author calls it.

    Raises:
        DocumentError: it cannot be read, or it is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        said = (error.strerror or "an error").lower()
        raise DocumentError([Finding(name, 1, 1, THE_FILE, said, "a file that can be read")]) from None
    if len(content) > 4 * MAX_CHARACTERS:
        found, allowed = f"{len(content):,} bytes", f"at most {MAX_CHARACTERS:,} characters in a file"
        raise DocumentError([Finding(name, 1, 1, THE_FILE, found, allowed)])
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        byte = f"byte 0x{content[error.start]:02x}"
        raise DocumentError([Finding(name, line, column, THE_FILE, byte, "text in UTF-8")]) from None


def workspace_texts(folder: Path) -> dict[str, str]:
    """The documents of a workspace as text, by path within it; without a strategy.yaml, what else there is.

    Raises:
        DocumentError: one of them cannot be read.
    """
    paths = [folder / STRATEGY_FILE, *sorted((folder / "campaigns").glob("*.yaml"))][:MOST_DOCUMENTS]
    return {
        path.relative_to(folder).as_posix(): text_of(path, str(path))
        for path in paths
        if path.is_file() or path.name != STRATEGY_FILE
    }
