"""From the standard columns to logged feedback: indices for names, hashes for recipients, features for attributes."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback, PropensitySource
from optimizer.history.columns import (
    ATTRIBUTE,
    COST,
    DECIDED_AT,
    ELIGIBLE,
    OUTCOME,
    PROPENSITY,
    RECIPIENT,
    REWARD,
    SEGMENT,
    VARIANT,
    is_category,
    named,
)
from optimizer.history.contents import Contents


def feedback_of(frame: pl.DataFrame, found: Contents, source: PropensitySource) -> LoggedFeedback:
    """Usable rows of the standard columns as logged feedback.

    A number that is missing is 0, with a feature ``NAME missing`` that is 1. A category is one feature ``NAME=VALUE``
    for each value that is told apart, all 0 for any other value and where it is missing.

    Args:
        frame: some usable rows, in order.
        found: what the whole history holds, so that each chunk has the same arms, segments and features.
        source: where the propensities come from.
    """
    features = _features(frame.schema, found)
    columns = frame.select(_index(VARIANT, found.variant_ids), _index(SEGMENT, found.segment_ids), PROPENSITY, REWARD)
    optional: dict[str, Any] = {}
    if ELIGIBLE in frame.columns:
        optional["eligible"] = eligible_mask(frame[ELIGIBLE], found.variant_ids)
    if DECIDED_AT in frame.columns:
        optional["decided_at"] = frame[DECIDED_AT].to_numpy()
    if RECIPIENT in frame.columns:
        optional["recipients"] = hashes(frame[RECIPIENT])
    if COST in frame.columns:
        optional["costs"] = frame[COST].to_numpy()
    return LoggedFeedback(
        variant_ids=found.variant_ids,
        segment_ids=found.segment_ids,
        arms=columns[VARIANT].to_numpy(),
        segments=columns[SEGMENT].to_numpy(),
        propensities=columns[PROPENSITY].to_numpy(),
        rewards=columns[REWARD].to_numpy(),
        propensity_source=source,
        features=_matrix(frame.select(**features)),
        feature_names=tuple(features),
        outcomes={name: frame[OUTCOME + name].to_numpy() for name in named(frame.columns, OUTCOME)},
        **optional,
    )


def eligible_mask(lists: pl.Series, variant_ids: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which variants each list names, ``[N, A]``."""
    columns = {str(arm): pl.col(lists.name).list.contains(name) for arm, name in enumerate(variant_ids)}
    return np.asarray(lists.to_frame().select(**columns).to_numpy(), dtype=bool).reshape(len(lists), len(variant_ids))


def hashes(recipients: pl.Series) -> NDArray[np.uint64]:
    """Unsigned hashes, the same in every file and on every machine; unsigned numbers are hashes already."""
    if recipients.dtype == pl.UInt64:
        return recipients.to_numpy()
    digests = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in _texts(recipients))
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _texts(column: pl.Series) -> Iterator[str]:
    return iter(column.to_list())


def _index(column: str, names: tuple[str, ...]) -> pl.Expr:
    places = range(len(names))
    return pl.col(column).replace_strict(list(names), list(places), return_dtype=pl.Int64)


def _features(schema: pl.Schema, found: Contents) -> dict[str, pl.Expr]:
    features: dict[str, pl.Expr] = {}
    for column, kind in schema.items():
        if not column.startswith(ATTRIBUTE):
            continue
        name = column.removeprefix(ATTRIBUTE)
        if is_category(kind):
            for value in found.categories.get(name, ()):
                features[f"{name}={value}"] = (pl.col(column) == value).fill_null(value=False).cast(pl.Float64)
        else:
            features[name] = pl.col(column).fill_null(0.0)
            if name in found.incomplete:
                features[f"{name} missing"] = pl.col(column).is_null().cast(pl.Float64)
    return features


def _matrix(features: pl.DataFrame) -> NDArray[np.float64]:
    if not features.width:
        return np.zeros((0, 0))
    return np.ascontiguousarray(features.to_numpy(), dtype=np.float64)
