"""What docs/workers.md promises is what the code says."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optimizer.cli import listening, serve, workers
from optimizer.cli.main import app
from optimizer.domain.instants import MINUTE, SECOND
from optimizer.domain.reasons import Reason
from optimizer.services import clock, group_commit
from optimizer.services.learning import lease
from optimizer.storage import connections, patience
from optimizer.web import app as web_app
from optimizer.web.background import keeper

GUIDE = (Path(__file__).parents[2] / "docs" / "workers.md").read_text()
PROSE = " ".join(GUIDE.split())


@pytest.mark.parametrize(
    "sentence",
    [
        f"its leases run out, {lease.GRACE // SECOND} seconds after the next refresh was due",
        f"taken over, {lease.GRACE // SECOND} s after the next refresh",
        f"has insisted for {clock.BELIEVED_AFTER // MINUTE} minutes",
        "Differences up to a minute are followed" if clock.TOLERATED == MINUTE else "?",
        f"in a queue of at most {group_commit.MOST_WAITING:,}",
        f"always answered within {keeper.LOOK_SECONDS:g} s",
        f"wait up to {connections.BUSY_SECONDS} s",
        f"is free after {patience.IDLE_SECONDS} s",
        f"for up to {listening.DRAIN_SECONDS} seconds",
        f"after that within {patience.CONNECT_SECONDS} s each",
        f"`{Reason.LEDGER_UNAVAILABLE}`: no variant",
        "five times in a row" if workers.MOST_FAILURES == 5 else "?",
        "if it had served for five seconds" if workers.AT_ONCE_SECONDS == 5 else "?",
        f"`terminationGracePeriodSeconds: {5 + listening.DRAIN_SECONDS + 5}`",
        "compared four times a second" if keeper.TICK_SECONDS == 0.25 else "?",
    ],
)
def test_the_times_in_the_guide_are_those_of_the_code(sentence: str) -> None:
    assert sentence in PROSE


def test_a_database_that_hangs_is_given_up_within_the_time_the_guide_promises() -> None:
    promised = int(re.search(r"the same, within (\d+) s;", GUIDE)[1])  # type: ignore[index]
    # A statement that gets no answer, a ping that gets none, and a connection that is not made.
    assert promised >= 2 * web_app.PATIENCE_SECONDS + patience.CONNECT_SECONDS
    full = int(re.search(r"disk full .*\| 503 within (\d+) s", GUIDE)[1])  # type: ignore[index]
    assert full >= keeper.PROVE_SECONDS + keeper.RETRY_SECONDS


def test_the_commands_of_the_guide_exist() -> None:
    helped = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200"})
    for option in re.findall(r"--[a-z-]+", "\n".join(re.findall(r"^\$ (.*)$", GUIDE, re.MULTILINE))):
        assert option in helped.stdout
    assert "optimizer serve --workers 4 --drain-delay 5" in helped.stdout
    assert serve.AFTER_DRAIN_SECONDS <= 5
