"""`optimizer plan` says what changed documents would have done with past requests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from optimizer.cli.hindsight import show_hindsight
from optimizer.deployment import Deployment, now
from optimizer.domain.reasons import Block
from optimizer.evaluation.estimates import Estimate
from optimizer.evaluation.verdicts import Verdict
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.services.documents.hindsight import Hindsight
from optimizer.settings import Settings

PEOPLE = 150


def decided(folder: Path) -> None:
    """Two requests each of many people."""
    deployment = Deployment(folder, Settings())
    attributes = {"country": "US", "days_since_purchase": 120.0, "lifetime_value": 10.0}
    with deployment.store.writing(alone=True) as ledger:
        requests = [
            DecisionRequest("winback", f"person-{n}", f"r{k}", attributes) for n in range(PEOPLE) for k in range(2)
        ]
        decide(ledger, deployment.live, requests, now())
    deployment.close()


def test_plan_counts_whom_a_rule_would_have_kept_from_getting_something(
    in_force: Path, run: Callable[..., Any]
) -> None:
    decided(in_force)
    strategy = in_force / "strategy.yaml"
    rule = "contact_policy: [{at_most: 1, per: P7D, channels: [email]}]\n"
    strategy.write_text(strategy.read_text() + rule)
    made = json.loads(run("plan", "-w", in_force, "--json").out)
    (found,) = made["hindsight"]
    assert (found["campaign_id"], found["n_decisions"]) == ("winback", 2 * PEOPLE)
    assert found["newly_blocked"]["contact_policy"] > 0
    shown = run("plan", "-w", in_force).out
    assert f"winback with its {2 * PEOPLE} requests since" in shown
    assert "no longer: contact_policy" in shown
    assert "reward  cannot be judged yet" in shown


def test_a_judged_reward_is_shown_with_its_interval_and_verdict() -> None:
    found = Hindsight(
        campaign_id="winback",
        since=1_790_000_000_000_000,
        n_decisions=1_000,
        sent_before=900,
        sent_after=880,
        newly_blocked={Block.QUIET_HOURS: 25},
        newly_sent=5,
        spend_before=9.0,
        spend_after=8.8,
        n_judged=700,
        reward_before=0.05,
        reward_after=Estimate(0.06, 0.01, {"bootstrap": (0.04, 0.08)}),
        lift=Estimate(0.01, 0.008, {"bootstrap": (-0.006, 0.026)}),
        verdict=Verdict("weak", "Weak: the lift may be nothing.", ()),
    )
    console = Console(width=160, record=True)
    show_hindsight(console, [found], "USD")
    shown = console.export_text()
    assert "900 → 880  (no longer: quiet_hours 25; new: 5)" in shown
    assert "9.00 → 8.80 USD" in shown
    assert "0.05 → 0.06 a decision (+0.01, 95 % -0.006 to +0.026; judged off-policy on 700)" in shown
    assert "Weak: the lift may be nothing." in shown
