"""The sentence a marketer would say: who leads, what it earns, what it spent, and when it will be known."""

from datetime import date
from math import nan

import pytest

from optimizer.guardrails.rollout import Wait
from optimizer.insights.campaign_words import (
    WAITS,
    Answer,
    Gain,
    Lead,
    Spent,
    answer_words,
    campaign_sentence,
    difference_words,
    gain_words,
    lead_words,
    plan_words,
    plural,
    spent_words,
    sure,
)
from optimizer.insights.ranking_words import SHARE

TODAY = date(2026, 11, 22)
UNKNOWN = Answer(None, is_in=False, ends=None)


def test_the_whole_sentence_reads_as_people_say_it() -> None:
    said = campaign_sentence(
        [Lead("lapsed-loyal", "ten-percent", 0.92, 4_000), Lead("lapsed", "new-arrivals", 0.4, 100)],
        Gain(0.008, 0.005, 0.011),
        SHARE,
        "purchase",
        Spent(1_240.0, 5_000.0, 1_250.0, "USD", exhausted=False),
        Answer(date(2026, 12, 9), is_in=False, ends=None),
        TODAY,
    )
    assert said == (
        "Ten-percent leads in lapsed-loyal (92 % sure); the learning group earns 0.8 ± 0.3 points more purchases than "
        "the holdout; 1,240 USD of 5,000 spent, on plan; useful answer expected by 9 December."
    )


def test_who_is_little_likelier_than_the_others_does_not_lead() -> None:
    leads = [Lead("a", "v", 0.52, 9), Lead("b", "w", 0.79, 8)]
    assert lead_words(leads) == "no clear leader yet: w is most likely the best in b (79 %)"
    assert lead_words([*leads, Lead("c", "v", 0.8, 1)]) == "v leads in c (80 % sure)"


def test_before_anything_happened_nothing_is_claimed() -> None:
    said = campaign_sentence([Lead("a", "ten", 0.99, 0)], None, SHARE, "purchase", None, UNKNOWN, TODAY)
    assert said == "Nothing is known yet: no outcomes of a choice have come in."


def test_at_most_two_leaders_are_named_the_largest_segment_first() -> None:
    leads = [Lead(f"s{n}", f"v{n}", 0.9, n) for n in (1, 5, 3, 4)]
    assert (
        lead_words(leads) == "v5 leads in s5 (90 % sure), v4 leads in s4 (90 % sure), and 2 more segments have a leader"
    )
    same = [Lead("a", "v", 0.9, 9), Lead("b", "v", 0.8, 8)]
    assert lead_words(same) == "v leads in a (90 % sure) and in b (80 % sure)"
    assert lead_words([Lead("a", "v", 0.49, 9)]) == "no variant is ahead yet"
    assert lead_words([Lead("a", None, 0.0, 9)]).startswith("nothing is known yet")


@pytest.mark.parametrize(
    ("gain", "unit", "said"),
    [
        (None, SHARE, ""),
        (Gain(0.01, nan, nan), SHARE, "it is too early to say what the campaign adds"),
        (Gain(-0.004, -0.010, 0.002), SHARE,
         "the learning group earns 0.4 ± 0.6 points fewer purchases than the holdout, which may be chance"),
        (Gain(1.03, 0.26, 1.80), "USD", "the learning group earns 1.03 ± 0.77 USD a trial more than the holdout"),
        (Gain(0.01, -0.008, 0.028), "rewards",
         "the learning group earns 0.010 ± 0.018 rewards a trial more than the holdout, which may be chance"),
    ],
)  # fmt: skip
def test_what_is_gained_says_when_it_may_be_chance(gain: Gain | None, unit: str, said: str) -> None:
    assert gain_words(gain, unit, "purchase") == said


@pytest.mark.parametrize(
    ("used", "plan", "words"),
    [(40.0, 43.0, "on plan"), (13.0, 43.0, "behind plan"), (60.0, 43.0, "ahead of plan"), (1.5, 0.0, "on plan"),
     (13.0, None, "")],
)  # fmt: skip
def test_spend_is_on_plan_within_a_tenth(used: float, plan: float | None, words: str) -> None:
    assert plan_words(Spent(used, 100.0, plan, "USD", exhausted=False)) == words


def test_money_has_its_currency_and_messages_are_counted() -> None:
    assert spent_words(Spent(13.129, 60.0, None, "USD", exhausted=False)) == "13.13 USD of 60.00 spent"
    assert spent_words(Spent(1_200.0, 9_000.0, None, "messages", exhausted=False)) == "1,200 of 9,000 messages sent"
    assert plan_words(Spent(60.0, 60.0, 10.0, "USD", exhausted=True)) == "nothing is left"


def test_an_answer_after_the_end_or_in_years_is_none() -> None:
    ends = date(2026, 12, 1)
    said = answer_words(Answer(date(2026, 12, 9), is_in=False, ends=ends), TODAY)
    assert said == "no useful answer before it ends on 1 December"
    assert answer_words(Answer(date(2027, 1, 9), is_in=False, ends=None), TODAY).endswith("9 January 2027")
    assert answer_words(Answer(date(2029, 1, 9), is_in=False, ends=None), TODAY) == "no useful answer within a year"
    assert answer_words(Answer(None, is_in=True, ends=None), TODAY) == "a useful answer is in"
    assert answer_words(UNKNOWN, TODAY) == ""


def test_short_words_say_how_open_a_choice_is() -> None:
    assert [difference_words(p, 2) for p in ([0.9, 0.1], [0.6, 0.4], [0.4, 0.3, 0.3])] == ["settled", "leaning", "open"]
    assert difference_words([1.0], 1) == "nothing to choose"
    assert difference_words([], 2) == "open"


def test_nothing_is_quite_certain_and_verbs_have_no_plural() -> None:
    assert (sure(1.0), sure(0.9951), sure(0.92)) == ("over 99 %", "over 99 %", "92 %")
    assert (plural("purchase"), plural("clicked"), plural("trial_start")) == ("purchases", "clicked", "trial starts")


def test_every_reason_to_wait_has_its_words() -> None:
    assert set(WAITS) == set(Wait)
