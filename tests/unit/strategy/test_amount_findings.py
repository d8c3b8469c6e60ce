"""Rewards that are amounts, and the model that learns amounts: one is not written without the other."""

from collections.abc import Callable

import pytest

from optimizer.errors import Finding

FindingsOf = Callable[..., list[Finding]]


@pytest.mark.parametrize(
    ("strategy", "campaign", "key", "found", "says"),
    [
        (("value: first", "value: amount"), None, "policy.model", "beta_bernoulli", "hurdle, as repeat_purchase"),
        (("value: first", "value: amount"), "hierarchical", "policy.model", "hierarchical", "not how much"),
        (("value: first", "value: first"), "hurdle", "policy.model", "hurdle", "another model, as repeat_purchase"),
        (("{floor: 0.04,", "{model: hurdle, floor: 0.04,"), None, "policy_defaults.model", "hurdle", "has the value"),
    ],
)
def test_amounts_and_hurdle_go_together(
    findings_of: FindingsOf, strategy: tuple[str, str], campaign: str | None, key: str, found: str, says: str
) -> None:
    of_campaign = ("cap: 0.9", "cap: 0.9" if campaign is None else f"model: {campaign}, cap: 0.9")
    (only,) = findings_of([strategy], [of_campaign])
    assert (only.key, only.found) == (key, found)
    assert says in only.allowed


def test_amounts_learned_by_hurdle_have_no_finding(findings_of: FindingsOf) -> None:
    assert findings_of([("value: first", "value: amount")], [("cap: 0.9", "model: hurdle, cap: 0.9")]) == []
