"""What may be said of people's choices beside the policy's, and what may not."""

from __future__ import annotations

import pytest

from optimizer.insights.choice_words import FEW, choices_in_words


def test_nothing_is_said_of_nothing() -> None:
    assert choices_in_words([]) == "Nobody has recorded a choice that counts yet."


@pytest.mark.parametrize(
    ("trials", "beginning"), [([1], "People have chosen once"), ([9, 20], "People have chosen 29")]
)
def test_few_choices_are_called_too_few(trials: list[int], beginning: str) -> None:
    said = choices_in_words(trials)
    assert said.startswith(beginning)
    assert "too few to compare" in said


def test_many_choices_are_still_no_proof() -> None:
    said = choices_in_words([FEW, 100_000])
    assert "100,030 times" in said
    assert "too few" not in said
    assert "no proof either way" in said
    assert "learned from" in said
