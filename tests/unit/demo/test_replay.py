from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from optimizer.demo.history import VARIANTS
from optimizer.demo.replay import Replay, batch_sizes, outcomes_of

DECISION = {"decision_id": "d1", "decided_at": "2026-12-01T09:00:00.000000Z", "variant": "mens-mail"}


def customer(logged: str, *, visit: bool = False, purchase: bool = False, spend: float = 0.0) -> dict[str, Any]:
    return {"logged": logged, "visit": visit, "purchase": purchase, "spend": spend}


@pytest.mark.parametrize("n", [1, 299, 300, 301, 64_000])
def test_batches_grow_slowly_and_hold_everyone(n: int) -> None:
    sizes = list(batch_sizes(n, 300))
    assert sum(sizes) == n
    assert sizes[0] == min(n, 300)
    assert all(later <= 1.11 * earlier for earlier, later in pairwise(sizes))
    assert max(sizes) <= 3_000


def test_a_decision_that_agrees_with_the_log_gets_the_customers_real_outcomes() -> None:
    outcomes = outcomes_of(DECISION, customer("mens-mail", visit=True, purchase=True, spend=29.99))
    assert [outcome["kind"] for outcome in outcomes] == ["exposed", "visit", "purchase"]
    assert outcomes[2]["value"] == "29.99"
    assert len({outcome["event_id"] for outcome in outcomes}) == 3
    assert all(outcome["decision_id"] == "d1" for outcome in outcomes)


def test_a_decision_that_disagrees_is_withdrawn_whatever_the_customer_did() -> None:
    outcomes = outcomes_of(DECISION, customer("womens-mail", visit=True, purchase=True, spend=29.99))
    assert [outcome["kind"] for outcome in outcomes] == ["withdrawn"]


def test_a_customer_who_did_nothing_is_exposed_all_the_same() -> None:
    assert [outcome["kind"] for outcome in outcomes_of(DECISION, customer("mens-mail"))] == ["exposed"]


def replayed(decided: list[int], logged: list[int], rewarded: list[int], report: dict[str, Any]) -> Replay:
    n = len(decided)
    return Replay(
        segments=np.array(["all"] * n),
        decided=np.array(decided),
        logged=np.array(logged),
        rewarded=np.array(rewarded, bool),
        propensities=np.full(n, 1 / len(VARIANTS)),
        n_batches=1,
        deciding_seconds=0.5,
        seconds=1.0,
        report=report,
    )


def test_only_accepted_decisions_count() -> None:
    done = replayed([0, 0, 1, 2], [0, 1, 1, 2], [1, 1, 0, 1], {"segments": []})
    assert done.accepted.tolist() == [True, False, True, True]
    assert done.mean_reward == pytest.approx(2 / 3)
    assert done.decisions_per_second == 8
