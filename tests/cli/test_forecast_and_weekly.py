"""``optimizer forecast`` and ``optimizer report --weekly``."""

from __future__ import annotations

import json
import re
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest


def test_a_forecast_says_why_there_is_none_or_what_is_expected(in_force: Path, run: Any) -> None:
    ran = run("forecast", "winback", "-w", in_force)
    assert ran.code == 0, ran
    document = in_force / "campaigns" / "winback.yaml"
    if "expects:" not in document.read_text():
        assert "no forecast: no whole day of traffic is known yet" in ran.out
        expects = "expects: {decisions_per_day: 500, success_rate: 0.05}\n"
        document.write_text(document.read_text() + expects)
        assert run("apply", "--note", "what we expect", "-w", in_force).code == 0
        ran = run("forecast", "winback", "-w", in_force)
    assert "decisions to come" in ran.out
    assert "95 % interval" in ran.out
    assert "as the campaign expects" in ran.out
    said = json.loads(run("forecast", "winback", "--days", "5", "--json", "-w", in_force).out)
    assert len(said["days"]) == 5
    assert run("forecast", "nobody", "-w", in_force).code == 2
    assert run("forecast", "winback", "--days", "0", "-w", in_force).code == 2


def test_the_weekly_review_is_markdown_on_stdout(in_force: Path, run: Any) -> None:
    ran = run("report", "--weekly", "-w", in_force)
    assert ran.code == 0, ran
    assert ran.out.startswith("# Weekly review 20")
    assert "## What it asks" in ran.out
    said = json.loads(run("report", "--weekly", "--json", "-w", in_force).out)
    assert len(said["sha256"]) == len(said["settled"]) == 64


def test_the_weekly_review_is_written_as_files_and_as_a_message(
    in_force: Path, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    html, text = tmp_path / "r.html", tmp_path / "r.md"
    mail = ("--mail", "Ann <ann@shop.example>", "team@shop.example")
    ran = run("report", "--weekly", "--html", html, "--markdown", text, *mail, "-w", in_force)
    assert ran.code == 0, ran
    assert ran.out == ""
    assert html.read_text().startswith("<!doctype html>")
    assert text.read_text().startswith("# Weekly review 20")
    (file,) = tmp_path.glob("weekly-review-*.eml")
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert (message["From"], message["To"]) == ("Ann <ann@shop.example>", "team@shop.example")
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    plain = message.get_body(("plain",))
    assert plain is not None
    said = re.sub(r"As of .*", "", text.read_text())
    assert re.sub(r"As of .*", "", plain.get_content().replace("\r\n", "\n")) == said


NO_SENSE = (
    ("--week", "2026-W60", "--weekly"),
    ("--week", "2026-W46"),
    ("winback", "--weekly"),
    ("--html", "r.html"),
    ("--weekly", "--mail", "ann", "team@shop.example"),
    ("--weekly", "--mail", "ann@shop.example", "team@shop.example\nBcc: all@shop.example"),
    ("--weekly", "--week", "2099-W01"),
)


def test_what_makes_no_sense_is_refused_before_anything_is_written(
    in_force: Path, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    for arguments in NO_SENSE:
        ran = run("report", *arguments, "-w", in_force)
        assert ran.code == 2, (arguments, ran)
        assert ran.err
    assert set(tmp_path.iterdir()) == before
