"""The part of a scenario that says what was logged, and the history it opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.mapping import Mapping
from optimizer.history.opening import History, open_history
from optimizer.strategy.fields import Document, Line

_FILE = "file from this one, or in the data folder, such as hillstrom.csv.gz"


class HistoryFile(Document):
    """A file that says itself what its columns are: our own export, VW dsjson, or an OBP dict."""

    file: Line = Field(description=_FILE)


class MappedHistory(Mapping):
    """A file, and which of its columns says what."""

    file: Line = Field(description=_FILE)


def _history_tag(data: Any) -> str:
    return "<file>" if isinstance(data, dict) and set(data) <= {"file"} else "<columns>"


HistoryPart = Annotated[
    Annotated[HistoryFile, Tag("<file>")] | Annotated[MappedHistory, Tag("<columns>")], Discriminator(_history_tag)
]


def open_part(written: HistoryFile | MappedHistory, folder: Path, data: Path | None) -> History:
    """The history a scenario names.

    Args:
        written: the part of the scenario.
        folder: of the scenario's file.
        data: where a file is looked for that is not there; None for nowhere else.

    Raises:
        InvalidRequest: no such file, or the mapping does not fit its columns.
    """
    folders = [folder] if data is None else [folder, data]
    path = next((one / written.file for one in folders if (one / written.file).is_file()), None)
    if path is None:
        looked = " or ".join(str(one) for one in folders)
        hint = "" if data is not None else "; --data or OPTIMIZER_DATA names a folder to look in, too"
        raise InvalidRequest(RequestFinding("history.file", written.file, f"a file in {looked}{hint}"))
    return open_history(path, written if isinstance(written, MappedHistory) else None)
