"""The guide about notices says what the code does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from optimizer.cli.main import app
from optimizer.domain.instants import HOUR, MINUTE, SECOND
from optimizer.domain.notices import WAITS, NoticeKind
from optimizer.services.notices.announcing import KEPT
from optimizer.services.notices.delivering import LEASE
from optimizer.services.recipients.memberships import SHORTEST_STAY, SWEPT_EVERY
from optimizer.strategy.workspace import read_workspace
from optimizer.web.background.posting import MOST_ANSWER, TIMEOUT_SECONDS
from optimizer.web.background.sweeping import PORTION

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "notices.md").read_text("utf-8")
UNITS = {"s": SECOND, "min": MINUTE, "h": HOUR}


def snippets() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


def test_the_schedule_is_the_one_in_force() -> None:
    (row,) = re.findall(r"^\| wait \|(.*)\|$", GUIDE, re.MULTILINE)
    waits = [cell.split() for cell in row.split("|")]
    assert tuple(int(n) * UNITS[unit] for n, unit in waits) == WAITS


def test_every_kind_is_described_in_the_order_of_the_code() -> None:
    assert re.findall(r"^\| `(\w+)` \|", GUIDE, re.MULTILINE) == [kind.value for kind in NoticeKind]


def test_its_numbers_are_those_of_the_code() -> None:
    assert f"within {TIMEOUT_SECONDS:.0f} seconds is a success" in GUIDE
    assert f"no more than {MOST_ANSWER // 1024} KiB" in GUIDE
    assert f"a lease in the ledger for {LEASE // SECOND} seconds" in GUIDE
    assert f"kept for {KEPT // (24 * HOUR)} days" in GUIDE
    assert f"within {SWEPT_EVERY // MINUTE} minutes of what time alone changes" in GUIDE
    assert f"a sweep finds, {PORTION}\n  recipients at a turn" in GUIDE
    assert f"stays for at least {SHORTEST_STAY // MINUTE} minutes" in GUIDE


def test_its_documents_are_taken(files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> None:
    notify, campaign = snippets()
    assert campaign.startswith("campaign: winback\nannounce_segments: true\n")
    told = {**files, "strategy.yaml": files["strategy.yaml"] + notify}
    announced = edited(told, "campaigns/winback.yaml", ("serves: buy\n", "serves: buy\nannounce_segments: true\n"))
    found = read_workspace(announced)
    assert [one.id for one in found.strategy.notify] == ["ops", "chat"]
    assert found.campaigns["winback"].announce_segments


def test_every_command_and_option_it_names_is_there() -> None:
    named = set(re.findall(r"optimizer notices (\w+)([^\n`]*)", GUIDE))
    assert {command for command, _ in named} == {"list", "retry"}
    for command, options in named:
        shown = CliRunner().invoke(app, ["notices", command, "--help"], env={"COLUMNS": "200"}).stdout
        for option in re.findall(r"--[a-z]+", options):
            assert option in shown


def test_every_route_it_names_is_there(site: Any) -> None:
    paths = site.client.get("/openapi.json").json()["paths"]
    for method, path in re.findall(r"`(GET|POST) (/v1/notices[a-z/]*)`", GUIDE):
        assert method.lower() in paths[path]
