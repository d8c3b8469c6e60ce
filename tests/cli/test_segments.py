"""``optimizer segments discover``."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.unit.insights.discovering.logs import HOSTILE, planted

from optimizer.strategy.yaml.source import read_source

COLUMNS = ("--variant", "mail", "--reward", "bought", "--propensity", "0.5")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return written(tmp_path / "log.csv")


def written(path: Path, values: tuple[str, ...] = ("US", "CA", "GB")) -> Path:
    feedback, (country, days, vip) = planted(values=values)
    dates = pl.date(2026, 1, 1) - pl.duration(days=pl.col("days_since_purchase").cast(pl.Int64))
    pl.DataFrame(
        {
            "mail": [feedback.variant_ids[arm] for arm in feedback.arms],
            "bought": feedback.rewards,
            "country": [values[int(code)] for code in country.values],
            "days_since_purchase": days.values,
            "vip": vip.values,
            "income": np.where(country.values == 0, "high", "low"),
        }
    ).with_columns(joined=dates.cast(pl.String)).write_csv(path)
    return path


def test_a_log_alone_gives_rules_to_paste_and_a_page(log: Path, run: Any, tmp_path: Path) -> None:
    yaml, html = tmp_path / "s.yaml", tmp_path / "s.html"
    done = run(
        *("segments", "discover", log, *COLUMNS, "--attribute", "country", "--attribute", "vip"),
        *("--yaml", yaml, "--html", html),
    )
    assert done.code == 0, done
    assert "1 segment for which another variant is best than one" in done.out
    assert "country is US" in done.out
    document = read_source("s.yaml", yaml.read_text()).data
    assert document["segments"][0]["when"] == {"country": "US"}
    assert "country is US" in html.read_text()


def test_attributes_must_be_named_for_a_log_may_hold_what_came_later(log: Path, run: Any) -> None:
    done = run("segments", "discover", log, *COLUMNS)
    assert done.code == 2
    assert "--attribute: found none; allowed columns that were known before each decision" in done.err


def test_what_is_never_to_be_looked_at_is_not(log: Path, run: Any) -> None:
    done = run(
        *("segments", "discover", log, *COLUMNS, "--attribute", "income", "--attribute", "vip"),
        *("--never", "income", "--json"),
    )
    said = json.loads(done.out)
    assert said["segments"] == []
    assert said["left_out"] == {"income": "as was asked"}
    assert said["looked_at"] == ["vip"]


def test_dates_count_as_days(log: Path, run: Any) -> None:
    done = run("segments", "discover", log, *COLUMNS, "--attribute", "joined", "--attribute", "country", "--json")
    assert json.loads(done.out)["looked_at"] == ["days_since_joined", "country"]


def test_hostile_names_are_text_in_terminal_yaml_and_html(run: Any, tmp_path: Path) -> None:
    log = written(tmp_path / "log.csv", (f"[red]{HOSTILE}", "CA", "GB"))
    done = run(
        *("segments", "discover", log, *COLUMNS, "--attribute", "country"),
        *("--yaml", tmp_path / "s.yaml", "--html", tmp_path / "s.html"),
    )
    assert done.code == 0, done
    assert "[red]<script>" in done.out
    (segment,) = read_source("s.yaml", (tmp_path / "s.yaml").read_text()).data["segments"]
    assert segment["when"] == {"country": f"[red]{HOSTILE}"}
    assert "<script" not in (tmp_path / "s.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "what: found none; allowed a file, or --campaign ID"),
        (("log.csv", "--campaign", "winback"), "what: found two"),
        (("--campaign", "winback", "--reward", "bought"), "--reward: found one; allowed with --campaign"),
        (("log.csv", "--segment", "lapsed"), "--segment: found one; allowed without --campaign"),
        (("nowhere.csv", *COLUMNS, "--attribute", "x"), "found nowhere.csv"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(
    arguments: tuple[str, ...], said: str, run: Any, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(log.parent)
    done = run("segments", "discover", *arguments)
    assert done.code == 2, done
    if "nowhere" not in said:
        assert said in done.err


def test_a_campaign_without_decisions_says_what_it_takes(in_force: Path, run: Any) -> None:
    done = run("segments", "discover", "--campaign", "winback", "-w", in_force)
    assert done.code == 2
    assert "winback: found nothing to look at: no decisions" in done.err


def test_bounds_are_refused_by_the_name_of_their_option(log: Path, run: Any) -> None:
    done = run("segments", "discover", log, *COLUMNS, "--attribute", "country", "--min-size", "5")
    assert done.code == 2
    assert "--min-size: found 5; allowed 50 or more" in done.err


def test_help_shows_examples(run: Any) -> None:
    done = run("segments", "discover", "--help")
    assert "optimizer segments discover --campaign winback" in done.out
