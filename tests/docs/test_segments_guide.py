"""The guide to segments says what is true: its snippets pass, its options are there, its numbers are ours."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from optimizer.cli.main import app
from optimizer.insights.discovering.columns import FEWEST_RECIPIENTS
from optimizer.scenarios.segment_search import MOST_ROWS
from optimizer.services.proposing.discovering import MOST_DECISIONS, MOST_FOR_A_PAGE
from optimizer.strategy.workspace import read_workspace

GUIDE = (Path(__file__).parents[2] / "docs" / "segments.md").read_text("utf-8")
_SNIPPET = re.compile(r"^```yaml\n# ([a-z/]+\.yaml)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
BEGINNINGS = {
    "strategy.yaml": """\
strategy: shop
currency: USD
time_zone: UTC
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
""",
    "campaigns/winback.yaml": """\
campaign: winback
serves: buy
channel: email
messages: [{id: offer, subject: Offer}, {id: news, subject: News}]
""",
}


def test_its_snippets_pass_together() -> None:
    snippets = dict(_SNIPPET.findall(GUIDE))
    assert snippets.keys() == BEGINNINGS.keys()
    workspace = read_workspace({file: text + snippets[file] for file, text in BEGINNINGS.items()})
    assert workspace.strategy.attributes["postcode"].reveals == "income"  # type: ignore[union-attr]
    assert [segment.id for segment in workspace.campaigns["winback"].segments or ()] == [
        "days-since-purchase-below-60-newsletter",
        "country-ca",
    ]


def test_its_command_and_every_option_it_names_are_there() -> None:
    shown = CliRunner().invoke(app, ["segments", "discover", "--help"], env={"COLUMNS": "300"})
    assert shown.exit_code == 0
    named = set(re.findall(r"--[a-z-]+", GUIDE))
    assert len(named) > 8
    assert {option for option in named if option not in shown.output} == set()


def test_its_numbers_are_those_of_the_code() -> None:
    for number in (MOST_DECISIONS, MOST_ROWS, MOST_FOR_A_PAGE):
        assert f"{number:,}" in GUIDE
    assert f"fewer than {FEWEST_RECIPIENTS} recipients" in GUIDE
