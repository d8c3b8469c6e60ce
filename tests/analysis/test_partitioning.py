"""The ledger as Parquet by day: whole, readable by others, and written again only where something changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.analysis.conftest import FILES, fill

from optimizer.analysis.rooms import ReadingRoom
from optimizer.domain.instants import DAY, instant
from optimizer.domain.reasons import HOLDOUTS
from optimizer.errors import InvalidRequest, NotFound
from optimizer.services.exports import partitioning
from optimizer.services.exports.partitioning import MANIFEST, Partitioned, export_days
from optimizer.services.reports.reporting import report


def exported(house: Any, folder: Path, now: int | None = None, **options: Any) -> Partitioned:
    at = instant(datetime.now(UTC)) if now is None else now
    with house.deployment.store.reading() as ledger:
        return export_days(ledger, house.deployment.live, folder, at, **options)


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Each file, and what tells whether it was replaced."""
    found = sorted(folder.rglob("*.parquet"))
    return {str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def days_between(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name.split("day=")[1][:10] for name in after if after[name] != before.get(name)}


def test_sums_in_duckdb_are_those_of_the_report(shop: Any, tmp_path: Path) -> None:
    done = exported(shop, tmp_path / "warehouse")
    assert done.decisions == 207
    now = instant(datetime.now(UTC))
    with shop.deployment.store.reading() as ledger:
        found = {name: report(ledger, shop.deployment.live, name, now) for name in ("winback", "letter")}
        assert done.outcomes == ledger.outcomes.count()
    held = ", ".join(f"'{group.value}'" for group in HOLDOUTS)
    query = f"""
        SELECT count(*), count(*) FILTER (rewarded), sum(reward::DECIMAL(18, 6))
        FROM read_parquet('{tmp_path}/warehouse/decisions/**/*.parquet', hive_partitioning = true)
        WHERE exposed_at IS NOT NULL AND campaign = $1 AND segment = $2
    """
    learning = "AND \"group\" = 'learning' AND variant IS NOT NULL"
    compared = 0
    with duckdb.connect() as connection:
        for campaign, one in found.items():
            for segment in one.segments:
                rates = [(segment.learning, learning), (segment.holdout, f'AND "group" IN ({held})')]
                rates += [(v.rate, f"{learning} AND variant = '{v.variant_id}'") for v in segment.variants]
                for rate, condition in rates:
                    row = connection.execute(query + condition, [campaign, segment.segment_id]).fetchone()
                    assert row is not None
                    n, positives, total = row
                    mean = None if n == 0 else int(total * 1_000_000) / 1_000_000 / n
                    assert (n, positives, mean) == (rate.trials, rate.positives, rate.mean_reward)
                    compared += n > 0
            counted = connection.execute(
                f"""SELECT kind, count(*) FROM read_parquet('{tmp_path}/warehouse/outcomes/**/*.parquet',
                hive_partitioning = true) WHERE counted AND campaign = $1 GROUP BY kind""",
                [campaign],
            ).fetchall()
            assert dict(counted) == one.outcomes
        days = connection.execute(
            f"""SELECT typeof(day), count(*) FILTER (day <> decided_at::DATE) FROM
            read_parquet('{tmp_path}/warehouse/decisions/**/*.parquet', hive_partitioning = true) GROUP BY ALL"""
        ).fetchall()
    assert days == [("DATE", 0)]
    assert compared > 8


def test_files_hold_the_frames_of_the_reading_room(shop: Any, in_the_ledger: ReadingRoom, tmp_path: Path) -> None:
    exported(shop, tmp_path / "warehouse")
    for table, order in (("decisions", ["campaign", "decided_at", "decision_id"]), ("outcomes", ["event_id"])):
        read = pl.scan_parquet(tmp_path / "warehouse" / table / "**/*.parquet", hive_partitioning=True).collect()
        assert (read["day"] == read["decided_at"].dt.date()).all()
        mine = getattr(in_the_ledger, table)()
        assert_frame_equal(read.drop("day").sort(order), mine.sort(order))


def test_one_campaign_stays_by_itself(shop: Any, tmp_path: Path) -> None:
    done = exported(shop, tmp_path / "letters", campaign_id="letter")
    read = pl.read_parquet(tmp_path / "letters" / "decisions" / "**/*.parquet")
    assert set(read["campaign"]) == {"letter"}
    assert len(read) == done.decisions == 50
    with pytest.raises(InvalidRequest, match=r"OUT: found days of letter alone in .*; allowed an empty folder"):
        exported(shop, tmp_path / "letters")
    with pytest.raises(NotFound, match="found 'spring'"):
        exported(shop, tmp_path / "spring", campaign_id="spring")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(InvalidRequest, match="OUT: found other files"):
        exported(shop, tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]


def test_large_days_are_written_in_portions(shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported(shop, tmp_path / "at-once")
    monkeypatch.setattr(partitioning, "PORTION", 7)
    exported(shop, tmp_path / "bit-by-bit")
    for path in sorted((tmp_path / "at-once").rglob("*.parquet")):
        other = tmp_path / "bit-by-bit" / path.relative_to(tmp_path / "at-once")
        assert_frame_equal(pl.read_parquet(path), pl.read_parquet(other))
    left = [path.name for path in (tmp_path / "bit-by-bit").rglob("*") if path.is_file()]
    assert set(left) == {"part-0.parquet", MANIFEST}


def test_only_days_that_changed_are_written_again(
    deployment: Any, make_house: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, folder = make_house(deployment), tmp_path / "warehouse"
    fill(house, 8)
    house.later(60 * DAY)  # all has matured
    first = exported(house, folder, house.now)
    assert len(first.written) == 7
    before = files_of(folder)
    again = exported(house, folder, house.now)
    assert (again.written, again.unchanged, again.decisions) == ((), 7, first.decisions)
    assert files_of(folder) == before

    decision = next(iter(pl.read_parquet(min(folder.glob("decisions/*/*.parquet")))["decision_id"]))
    house.recorded(decision, "clicked", occurred_at=house.now - 1)
    assert exported(house, folder, house.now).written == (first.written[0],)
    after = files_of(folder)
    assert days_between(before, after) == {first.written[0]}
    replaced = [name for name in after if first.written[0] in name]
    assert all(after[name][0] != before[name][0] for name in replaced)  # another file in its place, never half of one
    late = pl.read_parquet(folder / "outcomes" / f"day={first.written[0]}" / "part-0.parquet")
    assert (late["decision_id"] == decision).any()

    house.erase("person-2", forget_suppressions=True)
    assert exported(house, folder, house.now).written == first.written[:5]
    keys = set(pl.read_parquet(folder / "decisions" / "**/*.parquet")["recipient"])
    with house.deployment.store.reading() as ledger:
        assert keys == {one.recipient_key for one in ledger.decisions.stream()}

    files = {**FILES, "strategy.yaml": FILES["strategy.yaml"].replace("  vip: {type: boolean}\n", "")}
    house.apply(files)
    assert len(exported(house, folder, house.now).written) == 7
    assert "attribute:vip" not in pl.read_parquet(folder / "decisions" / "**/*.parquet").columns


def test_a_day_is_written_again_when_it_has_matured(
    sqlite_house: Any, make_house: Callable[..., Any], tmp_path: Path
) -> None:
    house, folder = sqlite_house, tmp_path / "warehouse"
    house.learning(3)
    young = exported(house, folder, house.now + 1)
    assert exported(house, folder, house.now + 7 * DAY).written == ()
    assert exported(house, folder, house.now + 7 * DAY + 1).written == young.written
    assert pl.read_parquet(folder / "decisions" / "**/*.parquet")["matured"].all()
    assert exported(house, folder, house.now + 90 * DAY).written == ()


def test_what_is_interrupted_leaves_whole_files_and_goes_on(
    sqlite_house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, folder = sqlite_house, tmp_path / "warehouse"
    house.learning(2)
    exported(house, folder, house.now + 1)
    before = files_of(folder)
    house.learning(2)
    house.later(2 * DAY)
    house.learning(2)
    calls = []

    def breaking(path: Path) -> Any:
        calls.append(path)
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(partitioning.os, "fsync", breaking)
        with pytest.raises(OSError, match="disk full"):
            exported(house, folder, house.now + 1)
    assert len(calls) == 1
    assert files_of(folder) == before
    assert [path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".parquet", ".json"}] == []
    assert len(exported(house, folder, house.now + 1).written) == 2
    assert len(pl.read_parquet(folder / "decisions" / "**/*.parquet")) == house.counts()["decisions"]


def test_days_of_another_ledger_are_refused(sqlite_house: Any, shop: Any, tmp_path: Path) -> None:
    sqlite_house.learning(1)
    exported(sqlite_house, tmp_path / "one")
    text = (tmp_path / "one" / MANIFEST).read_text()
    (tmp_path / "one" / MANIFEST).write_text(text.replace('"ledger": "', '"ledger": "0'))
    with pytest.raises(InvalidRequest, match="found days of another ledger"):
        exported(sqlite_house, tmp_path / "one")
    (tmp_path / "one" / MANIFEST).write_text("{")
    with pytest.raises(InvalidRequest, match=f"found a {MANIFEST} that cannot be read"):
        exported(sqlite_house, tmp_path / "one")
