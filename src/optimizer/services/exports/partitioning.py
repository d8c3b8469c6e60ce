"""The ledger as Parquet by day, for databases that read files: what is there already is written anew where it changed.

A folder holds ``decisions/day=2026-12-01/part-0.parquet`` and ``outcomes/day=…``, both by the day (UTC) of the
decision: an outcome belongs to the day of its decision, however late it comes. Beside them, a manifest says what each
day's files were made from. A day is written again when it has other decisions or outcomes than then, when somebody was
erased, and when some of its decisions have matured since; all days are when recipients were renamed or columns changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson
import polars as pl

from optimizer.domain.instants import DAY, Instant, instant
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.services.exports.ledger_rows import usable_attributes
from optimizer.services.exports.portions import (
    OUTCOMES,
    Portion,
    Wanted,
    decisions_portion,
    decisions_schema,
    outcomes_portion,
    wanted_of,
)
from optimizer.services.keys.pseudonyms import RECIPIENT_KEY
from optimizer.services.live import Live
from optimizer.storage.store import Ledger
from optimizer.storage.timeline import DayTally

MANIFEST: Final = "_days.json"
PORTION: Final = 50_000  # decisions in memory at a time
_PART: Final = "part-0.parquet"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Partitioned:
    """What an export by day wrote.

    Attributes:
        written: the days whose files were written, such as ``2026-12-01``.
        unchanged: how many days were left as they are.
        decisions: how many decisions all days hold together.
        outcomes: how many outcomes.
    """

    written: tuple[str, ...]
    unchanged: int
    decisions: int
    outcomes: int


@dataclass(slots=True)
class _Manifest:
    """What the files of a folder were made from.

    Attributes:
        ledger: fingerprint of its secret: days of two ledgers do not belong together.
        campaign: the only one; None for all.
        made: what all files depend on: the format, the names of recipients, the columns.
        days: by day, its tally, and the instant after which it is another one by itself; None for never.
    """

    ledger: str
    campaign: str | None
    made: list[Any]
    days: dict[str, list[int | None]] = field(default_factory=dict)

    def is_due(self, day: str, tally: DayTally, now: Instant) -> bool:
        """Whether the files of a day must be written."""
        if day not in self.days:
            return True
        *counts, changes_at = self.days[day]
        return counts != list(tally) or (changes_at is not None and now > changes_at)


def export_days(
    ledger: Ledger,
    live: Live,
    folder: Path,
    now: Instant,
    *,
    campaign_id: str | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Partitioned:
    """Bring a folder up to date with the ledger.

    Each file is replaced at once when it is whole. What was interrupted goes on where it stopped when it is called
    again. Recipients are the ledger's keyed hashes, and sensitive attributes and free text stay in the ledger.

    Args:
        ledger: a reading transaction.
        live: gives the documents each decision was made under.
        folder: where to; made if it is not there.
        now: what is known at this instant.
        campaign_id: only the decisions of one campaign.
        progress: told the number of decisions written so far, and of those to write.

    Raises:
        NotFound: no such campaign.
        InvalidRequest: the folder holds something else.
    """
    wanted_of(ledger, live, Wanted(campaign_id))
    manifest = _begun(ledger, live, folder, campaign_id)
    tallies = {_name(day): (day, tally) for day, tally in ledger.timeline.days(campaign_id).items()}
    due = [name for name, (_, tally) in tallies.items() if manifest.is_due(name, tally, now)]
    total, done = sum(tallies[name][1].decisions for name in due), 0
    for name in due:
        day, tally = tallies[name]
        wanted = Wanted(campaign_id, day * DAY, (day + 1) * DAY)
        decisions = folder / "decisions" / f"day={name}" / _PART
        n_decisions = _write(decisions, _walk(decisions_portion, ledger, live, wanted, now))
        outcomes = folder / "outcomes" / f"day={name}" / _PART
        n_outcomes = _write(outcomes, _walk(outcomes_portion, ledger, live, wanted, now))
        whole = (n_decisions, n_outcomes) == (tally.decisions, tally.outcomes)  # else some are from after `now`
        manifest.days[name] = [*tally, _changes_at(decisions) if whole else now]
        _save(folder, manifest)
        done += tally.decisions
        progress(done, total)
    if not due:
        _save(folder, manifest)
    decided, heard = (sum(tally[place] for _, tally in tallies.values()) for place in (0, 2))
    return Partitioned(tuple(due), len(tallies) - len(due), decided, heard)


def _begun(ledger: Ledger, live: Live, folder: Path, campaign_id: str | None) -> _Manifest:
    """The manifest to go on with: the folder's own, without its days where all files are made otherwise now."""
    columns = [*decisions_schema(usable_attributes(live.at(ledger).declared)).items(), *OUTCOMES.items()]
    rotations = ledger.revisions.all().get(RECIPIENT_KEY, 0)
    made = [_FORMAT, rotations, [f"{name} {kind}" for name, kind in columns]]
    new = _Manifest(ledger.revisions.read("secret"), campaign_id, made)
    old = _saved(folder)
    if old is None:
        return new
    if old.ledger != new.ledger:
        raise _other(folder, "days of another ledger")
    if old.campaign != campaign_id:
        raise _other(folder, "days of all campaigns" if old.campaign is None else f"days of {old.campaign} alone")
    if old.made == made:
        new.days = old.days
    return new


def _saved(folder: Path) -> _Manifest | None:
    try:
        return _Manifest(**orjson.loads((folder / MANIFEST).read_bytes()))
    except FileNotFoundError:
        if folder.is_dir() and any(folder.iterdir()):
            raise _other(folder, "other files") from None
        return None
    except (OSError, ValueError, TypeError):
        raise _other(folder, f"a {MANIFEST} that cannot be read") from None


def _other(folder: Path, found: str) -> InvalidRequest:
    allowed = "an empty folder, a new one, or one that the same export wrote"
    return InvalidRequest(RequestFinding("OUT", f"{found} in {folder}", allowed))


def _save(folder: Path, manifest: _Manifest) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: getattr(manifest, name) for name in ("ledger", "campaign", "made", "days")}
    draft = folder / f".{MANIFEST}.draft"
    draft.write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2))
    draft.replace(folder / MANIFEST)


def _walk(
    portion_of: Callable[..., Portion], ledger: Ledger, live: Live, wanted: Wanted, now: Instant
) -> Iterator[pl.DataFrame]:
    portion = portion_of(ledger, live, wanted, now, most=PORTION)
    yield portion.rows
    while portion.place is not None:
        portion = portion_of(ledger, live, wanted, now, after=portion.place, most=PORTION)
        yield portion.rows


def _write(file: Path, portions: Iterator[pl.DataFrame]) -> int:
    """Write one file, all or nothing, with a portion in memory at a time; how many rows it has."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    try:
        with TemporaryDirectory(prefix=".parts-", dir=file.parent) as parts:
            rows = _write_through(Path(parts), draft, portions)
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return rows


def _write_through(parts: Path, draft: Path, portions: Iterator[pl.DataFrame]) -> int:
    first = next(portions)
    second = next(portions, None)
    if second is None:
        first.write_parquet(draft)
        return len(first)
    rows = 0
    for number, frame in enumerate(chain((first, second), portions)):
        frame.write_parquet(parts / f"{number:06}.parquet")
        rows += len(frame)
    pl.scan_parquet(parts / "*.parquet").sink_parquet(draft)
    return rows


def _changes_at(decisions: Path) -> Instant | None:
    """When the next decision of a file matures; None where all have."""
    waiting = pl.scan_parquet(decisions, hive_partitioning=False).filter(~pl.col("matured"))
    at: datetime | None = waiting.select(pl.col("closes_at").min()).collect().item()
    return None if at is None else instant(at)


def _name(day: int) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day):%Y-%m-%d}"
