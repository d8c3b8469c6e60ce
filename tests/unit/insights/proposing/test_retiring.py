"""Retiring: only what does worse for certain wherever it is sent, and never what is needed."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.insights.proposing.made_up import CAMPAIGN, FILES, START, carried_out, changed, look

from optimizer.domain.controls import Controls
from optimizer.domain.proposals import Confidence, Edit
from optimizer.insights.proposing.retiring import retirements

WORSE = [[0.10, 0.10, 0.05], [0.10, 0.10, 0.05]]


def test_a_variant_that_is_worse_everywhere_may_go_and_nothing_else() -> None:
    (one,) = retirements(look(WORSE))
    assert (one.subject, one.confidence) == ("third", Confidence.HIGH)
    assert one.edits == (Edit("mail", ("messages", "third", "retired"), "set", value=True),)
    assert one.expected is not None
    assert 0.0 < one.expected.low < one.expected.value < one.expected.high
    # 600 trials a day, of which it gets its floor of 2 %, and each would earn 5 points more.
    assert abs(one.expected.value - 600 * 0.02 * 0.05) < 0.01
    assert "4,000 trials" in one.evidence[0]
    assert one.evidence[-1] == "As of 2024-10-24 02:00 (Europe/Berlin)."


def test_accepting_changes_one_line() -> None:
    (one,) = retirements(look([[0.10, 0.05, 0.10], [0.10, 0.05, 0.10]]))
    after = carried_out(FILES, one)["campaigns/mail.yaml"].splitlines()
    before = CAMPAIGN.splitlines()
    differing = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert differing == [
        (
            "  - {id: second, subject: Two}  # the second of them",
            "  - {id: second, subject: Two, retired: true}  # the second of them",
        )
    ]


def test_what_is_best_in_one_segment_stays() -> None:
    rates = [[0.10, 0.10, 0.02], [0.10, 0.10, 0.14]]
    assert not list(retirements(look(rates)))
    few = [[1_000] * 3, [5] * 3]  # so few that all together would gain without it
    assert not list(retirements(look(rates, n=few)))


def test_a_segment_to_which_nobody_ever_came_keeps_nothing() -> None:
    (one,) = retirements(look(WORSE, n=[[200] * 3, [0] * 3]))
    assert one.subject == "third"
    assert one.evidence[1].startswith("In no segment that anybody came to is it the best")


def test_where_all_are_alike_nothing_goes() -> None:
    assert not list(retirements(look(0.10)))


def test_control_stays() -> None:
    files = changed(FILES, "campaigns/mail.yaml", ("control: nothing", "control: {message: third}"))
    assert not list(retirements(look(WORSE, files=files)))


def test_the_last_one_that_may_be_sent_stays_and_so_does_everything_while_one_is_pinned() -> None:
    paused = Controls(reviewed_at=START, paused={"first": "a reason", "second": "a reason"})
    assert not list(retirements(look(WORSE, controls=paused)))
    assert not list(retirements(look(WORSE, controls=Controls(reviewed_at=START, pinned="first"))))


def test_outcomes_that_are_still_awaited_make_nothing_certain() -> None:
    awaited = changed(FILES, "strategy.yaml", ("attribution_window: P2D", "attribution_window: P30D"))
    (one,) = retirements(look(WORSE, files=awaited))
    assert one.confidence is Confidence.MEDIUM


def test_more_comparisons_ask_for_more_evidence() -> None:
    # One threshold for the one look and comparison, another for all looks at all three variants.
    found = {n: [one.confidence for one in retirements(look([[0.10, 0.10, 0.08]] * 2, n=n))] for n in (20, 55, 400)}
    assert found[400] == [Confidence.HIGH]
    assert Confidence.HIGH not in found[20] + found[55]


def test_of_two_factors_a_targeting_goes_by_itself() -> None:
    files = changed(
        FILES,
        "campaigns/mail.yaml",
        ("control: nothing", "targetings:\n  - {id: morning}\n  - {id: evening}\ncontrol: nothing"),
    )
    rates = [[0.10, 0.05, 0.10, 0.05, 0.10, 0.05]] * 2
    (one,) = retirements(look(rates, files=files))
    assert one.edits[0].path == ("targetings", "evening", "retired")
    carried_out(files, one)


def test_a_difference_that_only_the_season_makes_is_none() -> None:
    """The third had its trials on bad days alone: its raw mean is half of the others', within days it is the same."""
    looked = look(0.10, n=100)
    trials, wins = looked.learning.trials.copy(), looked.learning.positives.copy()
    trials[:, 2, :10] = 1.0
    wins[..., :10], wins[..., 10:] = trials[..., :10] * 0.14, trials[..., 10:] * 0.06
    learning = replace(looked.learning, trials=trials, positives=wins, rewards=wins, squares=wins)
    assert not list(retirements(replace(looked, learning=learning)))
