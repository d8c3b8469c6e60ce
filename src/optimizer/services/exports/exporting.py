"""The ledger as a history: each decision with what came of it, judged as of an instant, ready to be evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from optimizer.domain.feedback import LoggedFeedback
from optimizer.domain.instants import Instant
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.columns import ELIGIBLE, SEGMENT, VARIANT
from optimizer.history.contents import Contents
from optimizer.history.feedback import feedback_of as feedback_of_frame
from optimizer.history.mapping import Mapping as HistoryMapping
from optimizer.history.opening import History
from optimizer.history.parquet import read_parquet
from optimizer.history.writing import write_history
from optimizer.services.exports.ledger_rows import PAGE, LeftOut, View, mapping_of, rows_of, schema_of, view_of
from optimizer.services.live import Live
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote.

    Attributes:
        decisions: how many of the campaign there are.
        written: how many of them are in the file.
        left_out: how many are not, by reason.
    """

    decisions: int
    written: int
    left_out: Mapping[str, int]


def feedback_of(
    ledger: Ledger,
    live: Live,
    campaign_id: str,
    now: Instant,
    *,
    most: int | None = None,
    size: int = 50_000,
    left_out: LeftOut | None = None,
) -> Iterator[LoggedFeedback]:
    """A campaign's trials as logged feedback, chunk by chunk, in order of the decision's id.

    Only decisions of the learning group count that were exposed, whose attribution window is over, and whose variant,
    segment and objective are still those in force. The reward has its penalties taken off; the cost is what became
    due; variants that a guardrail had removed are not eligible.

    Args:
        ledger: a reading transaction.
        live: gives the documents in force and those each decision was made under.
        campaign_id: the campaign.
        now: what is known at this instant.
        most: at most so many decisions are looked at, as good as chosen by chance; None for all.
        size: rows of a chunk.
        left_out: counts what is left out.

    Raises:
        NotFound: no such campaign.
    """
    view = view_of(ledger, live, campaign_id, everything=False)
    declared = declared_contents(mapping_of(view))
    rows = rows_of(ledger, live, view, now, most, LeftOut() if left_out is None else left_out)
    schema = schema_of(view)
    while some := list(islice(rows, size)):
        yield feedback_of_frame(pl.DataFrame(some, schema=schema, orient="row"), declared, "logged")


def declared_contents(mapping: HistoryMapping) -> Contents:
    """What a log of the ledger holds by its mapping alone: the same arms, segments and features in every part of it."""
    return Contents(
        rows=0,
        unusable={},
        variant_ids=mapping.variant_ids or (),
        segment_ids=mapping.segments or (),
        chosen={},
        categories={a.called: a.values for a in mapping.attributes if a.values is not None},
        incomplete=frozenset(a.called for a in mapping.attributes if a.optional),
    )


def export_campaign(
    ledger: Ledger,
    live: Live,
    campaign_id: str,
    path: Path,
    now: Instant,
    *,
    everything: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Exported:
    """Write a campaign's decisions as a history: ``.parquet``, ``.dsjson``, ``.dsjson.gz`` or ``.npz``.

    Reading the file gives the logged feedback that `feedback_of` gives. Recipients are the ledger's keyed hashes, and
    sensitive attributes and free text stay in the ledger.

    Args:
        ledger: a reading transaction.
        live: gives the documents in force and those each decision was made under.
        campaign_id: the campaign.
        path: where to; a file that is there stays until the new one is whole.
        now: what is known at this instant.
        everything: also write holdouts, decisions that were not exposed or are too young, and those of variants and
            segments that are no more, with attributes that tell which they are.
        progress: told the number of decisions read so far.

    Raises:
        NotFound: no such campaign.
        InvalidRequest: there is nothing to write, or the suffix is none of these.
    """
    view = view_of(ledger, live, campaign_id, everything=everything)
    counts, schema = LeftOut(), schema_of(view)
    rows = rows_of(ledger, live, view, now, None, counts)
    with TemporaryDirectory(prefix=".export-", dir=path.resolve().parent) as folder:
        # Parts, because neither a schema nor the names are known before the last page, and not all fits into memory.
        parts, names = Path(folder), _Names(view)
        for number, some in enumerate(iter(lambda: list(islice(rows, PAGE)), [])):
            frame = pl.DataFrame(some, schema=schema, orient="row")
            names.add(frame)
            frame.write_parquet(parts / f"{number:09}.parquet")
            progress(counts.decisions)
        if not any(parts.iterdir()):
            said = ", ".join(f"{n:,} {reason}" for reason, n in sorted(counts.reasons.items())) or "no decisions"
            raise InvalidRequest(RequestFinding(campaign_id, f"nothing to write: {said}", "some decisions to write"))
        history = History(read_parquet(parts / "*.parquet"), names.mapping(), campaign_id)
        written = history.contents.rows
        write_history(history, path)
    progress(counts.decisions)
    return Exported(counts.decisions, written, dict(sorted(counts.reasons.items())))


class _Names:
    """Variants and segments of an export: those in force first, then what else is found."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._found: dict[str, set[str]] = {VARIANT: set(), SEGMENT: set()}

    def add(self, frame: pl.DataFrame) -> None:
        self._found[VARIANT].update(frame[ELIGIBLE].explode().drop_nulls().unique())
        for column, names in self._found.items():
            names.update(frame[column].unique())

    def mapping(self) -> HistoryMapping:
        declared = mapping_of(self._view)
        variants, segments = declared.variant_ids or (), declared.segments or ()
        more_variants = sorted(self._found[VARIANT] - set(variants))
        more_segments = sorted(self._found[SEGMENT] - set(segments))
        names = {name: name for name in [*variants, *more_variants]}
        return declared.model_copy(update={"variants": names, "segments": (*segments, *more_segments)})
