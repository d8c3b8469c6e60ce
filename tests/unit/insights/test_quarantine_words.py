"""Why reports wait, as one cause for many reasons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.insights.quarantine_words import cause


@pytest.mark.parametrize(
    ("reason", "id_"),
    [
        ("decision_id: found abc; allowed a decision this service made", "unknown-decision"),
        (
            "decision_id: found none of this recipient in campaign w; allowed a decision this service made",
            "no-decision-of-recipient",
        ),
        ("occurred_at: found 2020; allowed 2026 (the decision) to 2027 (now)", "impossible-time"),
        ("currency: found EUR; allowed USD", "other-currency"),
        ("value: found -5.00 USD for purchase; allowed 0 or more: name the outcome", "below-zero"),
        ("value: found 9000.00 USD for purchase; allowed at most 5000.00 USD (hygiene.largest_value)", "too-large"),
        ("reverses: found e1, a withdrawal; allowed other outcomes: ask for a new decision", "undoes-withdrawal"),
        ("", "other"),
    ],
)
def test_each_reason_comes_down_to_its_cause(reason: str, id_: str) -> None:
    assert cause(reason).id == id_


@given(st.text(max_size=200))
def test_any_reason_has_a_cause_with_words_and_advice(reason: str) -> None:
    found = cause(reason)
    assert found.sentence
    assert found.advice


@given(st.text(alphabet="abcdef0123456789", min_size=1, max_size=32))
def test_what_was_found_does_not_make_another_cause(found: str) -> None:
    assert cause(f"decision_id: found {found}; allowed a decision this service made").id == "unknown-decision"
