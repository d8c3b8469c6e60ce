"""Who leads, in one sentence."""

import pytest

from optimizer.insights.leading_words import Leading, leading_words


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "nothing to choose from"),
        ([Leading("lapsed", "ten", 0.92, 3)], "ten leads in lapsed (92 % sure)"),
        ([Leading("everyone-else", "ten", 0.92, 3)], "ten leads (92 % sure)"),
        ([Leading("everyone-else", "ten", 0.9999, 3)], "ten leads (over 99 % sure)"),
        ([Leading("lapsed", "ten", 0.5, 3)], "no clear leader yet; ten is most likely the best in lapsed (50 %)"),
        ([Leading("lapsed", "ten", 1 / 3, 3)], "no clear leader yet; nothing tells them apart so far"),
        (
            [Leading("a", "x", 0.5, 2), Leading("b", "y", 0.25, 4)],
            "no clear leader yet in any of 2 segments; nothing tells them apart so far",
        ),
        (
            [Leading("a", "x", 0.4, 3), Leading("b", "y", 0.6, 3)],
            "no clear leader yet in any of 2 segments; y is most likely the best in b (60 %)",
        ),
        (
            [Leading("a", "x", 0.8, 3), Leading("b", "y", 0.6, 3), Leading("everyone-else", "z", 0.9, 2)],
            "z leads in everyone-else (90 % sure); x leads in a (80 % sure); no clear leader in 1 other",
        ),
        (
            [Leading(name, "x", 0.95, 3) for name in "abcd"] + [Leading("e", "x", 0.3, 3), Leading("f", "x", 0.3, 3)],
            "x leads in a (95 % sure); x leads in b (95 % sure); a clear leader in 2 more; no clear leader in 2 others",
        ),
    ],
)
def test_the_sentence_names_the_surest_and_counts_the_others(found: list[Leading], said: str) -> None:
    assert leading_words(found) == said
