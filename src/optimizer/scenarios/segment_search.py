"""Segments that a history suggests: its attributes as typed columns, and a bounded sample of its rows, searched."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.columns import ATTRIBUTE, DECIDED_AT, is_category, named
from optimizer.history.contents import Contents
from optimizer.history.feedback import feedback_of
from optimizer.history.opening import CHUNK, History
from optimizer.insights.discovering.columns import UNKNOWN, Column, Kind, declared_column, kind_of
from optimizer.insights.discovering.discovered import USUAL, Bounds, Discovered, segments_and_clusters
from optimizer.insights.discovering.tree import FOLDS
from optimizer.insights.ranking_words import SHARE
from optimizer.scenarios.histories import open_part
from optimizer.scenarios.reading import ScenarioRead
from optimizer.strategy.audience import Attribute

MOST_ROWS = 200_000
MOST_ATTRIBUTES = 60  # time grows with their square

_DAY = 86_400_000_000
_DATES = 0.95  # share of a text's values that are dates when it is a column of dates


def searched(
    history: History,
    source: str,
    unit: str,
    *,
    declared: Mapping[str, Attribute] | None = None,
    never: Collection[str] = (),
    bounds: Bounds = USUAL,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Discovered:
    """Segments whose best variant differs, and recipients who are alike, in a history.

    A text whose values are dates counts days: from the date to the decision, or to the latest date there is.

    Args:
        history: with the attributes that were known before each decision; of many rows a random sample is looked at.
        source: what to call it.
        unit: what its reward is counted in; rewards of 0 and 1 are shares of trials.
        declared: what a strategy says of attributes; those it does not know are taken for what they look like.
        never: attributes not to be looked at.
        bounds: of the search.
        progress: told the steps done and how many there are.

    Raises:
        InvalidRequest: no row can be used, there is no attribute, an attribute of `never` is not there, or a bound
            cannot be kept.
    """
    names = named(history.frame.collect_schema().names(), ATTRIBUTE)
    if not names:
        allowed = "columns that were known before each decision"
        raise InvalidRequest(RequestFinding("--attribute", "none", allowed))
    if len(names) > MOST_ATTRIBUTES:
        raise InvalidRequest(RequestFinding("--attribute", f"{len(names)}", f"at most {MOST_ATTRIBUTES}"))
    unknown = [name for name in never if name not in names]
    if unknown:
        raise InvalidRequest(RequestFinding("--never", unknown[0], ", ".join(names)))
    rows = history.contents.rows - sum(history.contents.unusable.values())
    steps = -(-rows // CHUNK) + FOLDS + 2
    frame = _sampled(history, rows, bounds.seed, lambda done: progress(done, steps))
    columns = [_column(name, frame, (declared or {}).get(name), is_never=name in never) for name in names]
    feedback = feedback_of(frame, _without_attributes(history.contents), history.mapping.propensity.known_from)
    found, clusters = segments_and_clusters(
        feedback, columns, bounds, lambda done: progress(steps - FOLDS - 2 + done, steps)
    )
    progress(steps, steps)
    return Discovered(
        source=source,
        unit=SHARE if bool(np.isin(feedback.rewards, (0.0, 1.0)).all()) else unit,
        found=replace(found, left_out={**found.left_out, **dict.fromkeys(never, "as was asked")}),
        clusters=clusters,
        most=MOST_ROWS,
        is_sample=rows > MOST_ROWS,
        variant_ids=feedback.variant_ids,
        undeclared=tuple((one.name, _type_of(one)) for one in columns if one.name not in (declared or {})),
    )


def of_scenario(
    read: ScenarioRead,
    data: Path | None,
    *,
    never: Collection[str] = (),
    bounds: Bounds = USUAL,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Discovered:
    """The same of a scenario's history, with what its documents declare.

    Raises:
        InvalidRequest: it has no history, or as of `searched`.
    """
    written = read.document.history
    if written is None:
        raise InvalidRequest(RequestFinding("history", "none", "a scenario that names one"))
    history = open_part(written, read.folder, data)
    declared = read.written.strategy.attributes if read.written else None
    source = read.document.scenario
    return searched(history, source, "reward", declared=declared, never=never, bounds=bounds, progress=progress)


def _sampled(history: History, rows: int, seed: int, progress: Callable[[int], None]) -> pl.DataFrame:
    """Usable rows in order, each as likely as any other to be among them when there are too many."""
    if not rows:
        history.feedback()  # says why none can be used
    rng = np.random.Generator(np.random.PCG64([seed, 4]))
    parts = []
    for number, batch in enumerate(history.batches(), start=1):
        parts.append(batch if rows <= MOST_ROWS else batch.filter(pl.Series(rng.random(len(batch)) < MOST_ROWS / rows)))
        progress(number)
    return pl.concat(parts)


def _without_attributes(found: Contents) -> Contents:
    return replace(found, categories={}, incomplete=frozenset())


def _column(name: str, frame: pl.DataFrame, declared: Attribute | None, *, is_never: bool) -> Column:
    values = frame[ATTRIBUTE + name]
    sensitive = is_never or (declared is not None and declared.sensitive)
    if sensitive:
        return Column(name, Kind.NUMBER, np.zeros(len(frame)), is_sensitive=True)
    if declared is not None:
        as_declared = declared_column(name, declared, values.to_list())
        if as_declared is not None:
            return as_declared
    if is_category(values.dtype):
        return _days_since(name, values, frame) or _category(name, values)
    numbers = values.cast(pl.Float64).to_numpy()
    is_boolean = bool(np.isin(numbers[~np.isnan(numbers)], (0.0, 1.0)).all())
    return Column(name, Kind.BOOLEAN if is_boolean else kind_of(name), np.where(np.isfinite(numbers), numbers, np.nan))


def _category(name: str, values: pl.Series) -> Column:
    texts = values.cast(pl.String)
    categories = tuple(texts.drop_nulls().unique().sort().to_list())
    places = {category: place for place, category in enumerate(categories)}
    codes = [places.get(text, UNKNOWN) for text in texts.to_list()]
    return Column(name, Kind.CATEGORY, np.array(codes, dtype=np.float64), categories)


def _days_since(name: str, values: pl.Series, frame: pl.DataFrame) -> Column | None:
    """A column of dates as days before the decision; None when it is something else."""
    texts = values.cast(pl.String)
    dates = texts.str.head(10).str.to_date("%Y-%m-%d", strict=False)
    known = len(texts) - texts.null_count()
    if not known or len(dates) - dates.null_count() < _DATES * known:
        return None
    at = dates.cast(pl.Datetime("us")).cast(pl.Int64)
    until = frame[DECIDED_AT] if DECIDED_AT in frame.columns else pl.Series([at.max()] * len(at), dtype=pl.Int64)
    days = ((until - at).cast(pl.Float64) / _DAY).floor().to_numpy()
    called = name if name.startswith("days_since") else f"days_since_{name}"
    return Column(called, Kind.RECENCY, np.asarray(days, dtype=np.float64))


def _type_of(column: Column) -> str:
    return {Kind.CATEGORY: "category", Kind.BOOLEAN: "boolean"}.get(column.kind, "number")
