"""The bandit feedback of the Open Bandit Pipeline: a dict of arrays, in memory or as an ``.npz`` file.

Its keys are ``n_rounds``, ``n_actions``, ``action``, ``position``, ``reward``, the propensity, ``context`` and
``action_context`` (Saito et al. 2021, "Open Bandit Dataset and Pipeline"). What it has no key for is written beside,
under the names of the standard columns, which the pipeline does not look at. Nothing is ever unpickled.
"""

from __future__ import annotations

import zlib
from collections import abc
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from optimizer.domain.feedback import LoggedFeedback
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.columns import (
    ATTRIBUTE,
    COST,
    DECIDED_AT,
    DECISION_ID,
    ELIGIBLE,
    OUTCOME,
    PROPENSITY,
    RECIPIENT,
    REWARD,
    SEGMENT,
    VARIANT,
)
from optimizer.history.mapping import Mapping
from optimizer.history.table import CARRIED, Table, in_memory, standard_mapping

# The pipeline's name of the propensity, which the glossary rules out of our own sentences.
THEIR_PROPENSITY: Final = "p" + "score"
# What `zipfile`, numpy's reader and arrays that do not fit together may raise.
_UNREADABLE = (
    *(ValueError, OSError, EOFError, BadZipFile, RuntimeError, zlib.error),
    *(KeyError, IndexError, TypeError, OverflowError, MemoryError, PolarsError),
)
_NEEDED = ("n_actions", "action", "reward", THEIR_PROPENSITY)
_MISSING = "missing:"  # array beside one of texts: where there is none
_BESIDE = (DECISION_ID, DECIDED_AT, RECIPIENT, COST)

Arrays = abc.Mapping[str, Any]


def read_obp(path: Path) -> Table:
    """An ``.npz`` file of the dict's arrays.

    Raises:
        InvalidRequest: it holds pickled objects, or lacks an array that is needed.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return obp_table({name: stored[name] for name in stored.files})
    except _UNREADABLE as error:
        raise InvalidRequest(RequestFinding("history.file", f"{path}: {error}", "an .npz file of arrays")) from error


def obp_table(feedback: Arrays) -> Table:
    """The dict as standard columns; in memory, as it is there.

    Variants are called by their number, the position is the segment, and the columns of the context are attributes
    ``x0``, ``x1`` …, except in a dict that was made here, which has the names beside.

    Raises:
        InvalidRequest: an array that is needed is not there.
    """
    missing = [name for name in _NEEDED if feedback.get(name) is None]
    if missing:
        raise InvalidRequest(RequestFinding("history", f"no {', '.join(missing)}", f"arrays {', '.join(_NEEDED)}"))
    variants = _names(feedback, "variant_ids", int(feedback["n_actions"]))
    columns: dict[str, pl.Series | NDArray[Any]] = {
        VARIANT: np.array(variants)[np.asarray(feedback["action"], dtype=np.int64)],
        PROPENSITY: np.asarray(feedback[THEIR_PROPENSITY], dtype=np.float64),
        REWARD: np.asarray(feedback["reward"], dtype=np.float64),
    }
    if feedback.get("position") is not None:
        positions = np.asarray(feedback["position"], dtype=np.int64)
        segments = _names(feedback, "segment_ids", int(positions.max(initial=-1)) + 1)
        columns[SEGMENT] = np.array(segments or [""])[positions]
    if ELIGIBLE in feedback:
        names = np.array(variants)
        lists = [names[row].tolist() for row in np.asarray(feedback[ELIGIBLE], dtype=bool)]
        columns[ELIGIBLE] = pl.Series(lists, dtype=pl.List(pl.String))
    for name in feedback:
        if name in _BESIDE or name.startswith((OUTCOME, ATTRIBUTE)):
            columns[name] = _series(feedback, name)
    if CARRIED in feedback:
        mapping = Mapping.model_validate_json(str(feedback[CARRIED]))
    else:
        if feedback.get("context") is not None:
            context = np.asarray(feedback["context"], dtype=np.float64)
            columns |= {f"{ATTRIBUTE}x{n}": column for n, column in enumerate(context.T)}
        mapping = standard_mapping(list(columns), variants=variants)
    return in_memory(pl.DataFrame(columns), mapping)


def obp_dict(frame: pl.DataFrame, feedback: LoggedFeedback, mapping: Mapping) -> dict[str, Any]:
    """The pipeline's dict of usable rows; arrays of the standard columns that it has no key for are beside.

    Args:
        frame: the rows in the standard columns.
        feedback: the same rows as logged feedback.
        mapping: of the standard columns.
    """
    found: dict[str, Any] = {
        "n_rounds": len(feedback),
        "n_actions": feedback.n_arms,
        "action": feedback.arms,
        "position": feedback.segments,
        "reward": feedback.rewards,
        THEIR_PROPENSITY: feedback.propensities,
        "context": feedback.features,
        "action_context": np.eye(feedback.n_arms),  # all that is known of a variant here is which one it is
        "variant_ids": np.array(feedback.variant_ids),
        "segment_ids": np.array(feedback.segment_ids),
        CARRIED: np.array(mapping.model_dump_json(exclude_defaults=True)),
    }
    if feedback.eligible is not None:
        found[ELIGIBLE] = feedback.eligible
    for name in frame.columns:
        if name in _BESIDE or name.startswith((OUTCOME, ATTRIBUTE)):
            column = frame[name]
            if column.dtype == pl.String:
                found[name] = np.array(column.fill_null("").to_list(), dtype=str)
                if column.null_count():
                    found[_MISSING + name] = column.is_null().to_numpy()
            else:
                found[name] = column.to_numpy()  # a number that is missing is NaN, which no other number is here
    return found


def write_obp(frame: pl.DataFrame, feedback: LoggedFeedback, mapping: Mapping, path: Path) -> None:
    """Write the dict's arrays as an ``.npz`` file; see `obp_dict`."""
    with path.open("wb") as file:
        np.savez_compressed(file, **obp_dict(frame, feedback, mapping))


def _names(feedback: Arrays, key: str, n: int) -> list[str]:
    return [str(name) for name in feedback[key]] if key in feedback else [str(place) for place in range(n)]


def _series(feedback: Arrays, name: str) -> pl.Series:
    array = np.asarray(feedback[name])
    if array.dtype.kind == "U":
        texts: list[str | None] = array.tolist()
        if _MISSING + name in feedback:
            absent = np.asarray(feedback[_MISSING + name], dtype=bool)
            texts = [None if gone else text for text, gone in zip(texts, absent, strict=True)]
        return pl.Series(name, texts, dtype=pl.String)
    return pl.Series(name, array).fill_nan(None) if array.dtype.kind == "f" else pl.Series(name, array)
