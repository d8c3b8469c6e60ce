"""A decision in words: there are some for everything that can be."""

from __future__ import annotations

import pytest

from optimizer.domain.reasons import Block, Group, Reason
from optimizer.engine.steps import POSTERIOR, PRICE, Step
from optimizer.insights.decision_words import GROUPS, reason_words, step_words


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason: Reason) -> None:
    said = reason_words(reason)
    assert said
    assert not said.endswith(".")
    assert "_" not in said


def test_every_group_has_words() -> None:
    assert set(GROUPS) == set(Group)


@pytest.mark.parametrize("name", [POSTERIOR, PRICE, "top_two", "minimum_trials", "floor", "cap", "largest_change"])
def test_every_step_has_words_of_its_own(name: str) -> None:
    assert not step_words(Step(name, (), {})).startswith("Without")


@pytest.mark.parametrize("rule", Block)
def test_every_rule_is_a_step_that_removes(rule: Block) -> None:
    assert step_words(Step(rule.value, ("hello",), {})).startswith("Without those removed: ")
