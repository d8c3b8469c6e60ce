"""The guides to forecasts and the weekly review say what is true: their commands work, their snippet passes."""

from __future__ import annotations

import os
import re
import shlex
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optimizer.cli.main import app
from optimizer.deployment import now
from optimizer.insights.weekly.saying import document_of
from optimizer.insights.weekly.weeks import week_before, week_of
from optimizer.strategy.workspace import read_workspace

DOCS = Path(__file__).parents[2] / "docs"
FORECASTS, REVIEW = ((DOCS / name).read_text("utf-8") for name in ("forecasts.md", "weekly-review.md"))
_COMMAND = re.compile(r"^(optimizer [^#\n]*)", re.MULTILINE)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in force, with what the guide says a campaign may expect."""
    for name in [name for name in os.environ if name.startswith("OPTIMIZER_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "shop"
    assert CliRunner().invoke(app, ["init", str(folder)]).exit_code == 0
    monkeypatch.chdir(folder)
    snippet = re.search(r"```yaml\n# (\S+)\n(expects:.*\n)```", FORECASTS)
    assert snippet
    document = folder / snippet[1]
    document.write_text(re.sub(r"(?m)^expects:.*\n(?: .*\n)*", "", document.read_text()) + snippet[2])
    assert CliRunner().invoke(app, ["apply", "--note", "first"]).exit_code == 0
    return folder


@pytest.mark.parametrize("guide", [FORECASTS, REVIEW], ids=["forecasts", "weekly-review"])
def test_every_command_of_a_guide_works(guide: str, shop: Path) -> None:
    files = {name: (shop / name).read_text() for name in ("strategy.yaml", "campaigns/winback.yaml")}
    zone = read_workspace(files).strategy.time_zone
    over = week_before(week_of(now(), zone), zone).label
    commands = [
        line.strip() for block in re.findall(r"```bash\n(.*?)```", guide, re.DOTALL) for line in _COMMAND.findall(block)
    ]
    assert len(commands) >= 3
    for command in commands:
        ran = CliRunner().invoke(app, shlex.split(command.replace("2026-W46", over))[1:])
        assert ran.exit_code == 0, (command, ran.output)
    if guide is REVIEW:
        assert (shop / f"weekly-review-{over}.eml").is_file()
        assert len(sha256((shop / "review.md").read_bytes()).hexdigest()) == 64


def test_the_guide_names_every_section_of_a_review(shop: Path) -> None:
    from optimizer.deployment import Deployment
    from optimizer.services.reports.weekly import weekly_review
    from optimizer.settings import read_settings

    deployment = Deployment(shop, read_settings())
    try:
        with deployment.store.reading() as ledger:
            found = document_of(weekly_review(ledger, deployment.live, None, now()))
    finally:
        deployment.close()
    for section in found.sections[:-1]:
        assert f"**{section.title}**".lower() in REVIEW.lower(), section.title
