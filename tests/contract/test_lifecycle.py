"""The life of a variant: added, paused, retired, brought back, and never at the expense of the others' evidence."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from optimizer.domain.instants import MINUTE
from optimizer.errors import Conflict, DocumentError, Finding
from optimizer.services.decisions.explaining import explain
from optimizer.services.documents.planning import plan
from optimizer.services.oversight import steering
from optimizer.services.reports.reporting import report
from optimizer.strategy import workspace as workspace_module
from optimizer.strategy.workspace import read_workspace

Files = Mapping[str, str]
Edit = Callable[..., dict[str, str]]
WINBACK = "campaigns/winback.yaml"
ARRIVALS = "  - {id: new-arrivals, subject: See what is new}\n"
RETIRED = "  - {id: new-arrivals, subject: See what is new, retired: true}\n"
TOLD = {"actor": "ann", "note": "because"}


@pytest.fixture
def quick(files: Files, edited: Edit) -> dict[str, str]:
    """The sample, whose trials count at once."""
    return edited(files, WINBACK, ("{floor: 0.05}", "{floor: 0.05, delay: ignored}"))


@pytest.fixture
def experienced(house: Any, quick: Files) -> Any:
    """A house where each message has been tried, and some have earned something."""
    house.apply(quick)
    for n, answer in enumerate(house.learning(60)):
        if n % 4 == 0:
            house.recorded(answer.decision.decision_id)
    house.later(MINUTE)
    house.learn()
    return house


def beliefs(house: Any) -> dict[str, list[list[float]]]:
    """Trials and the parameters of the belief in each segment, by variant."""
    with house.deployment.store.reading() as ledger:
        latest = ledger.snapshots.latest("winback")
    arrays = [latest.trials, latest.belief.arrays["alpha"], latest.belief.arrays["beta"]]
    return {name: [a[:, arm].tolist() for a in arrays] for arm, name in enumerate(latest.variant_ids)}


def drawn(house: Any, n: int = 25) -> set[str | None]:
    return {answer.decision.variant_id for answer in house.learning(n)}


def test_adding_a_message_leaves_what_is_known_of_the_others(experienced: Any, quick: Files, edited: Edit) -> None:
    before = beliefs(experienced)
    assert all(sum(trials) > 0 for trials, *_ in before.values())
    experienced.apply(edited(quick, WINBACK, (ARRIVALS, f"{ARRIVALS}  - {{id: fresh, subject: Fresh}}\n")))
    after = beliefs(experienced)
    assert {name: after[name] for name in before} == before
    assert after["fresh"] == [[0.0] * 3, [1.0] * 3, [1.0] * 3]
    assert "fresh" in drawn(experienced)


def test_pausing_and_resuming_leaves_what_is_known_of_all(experienced: Any) -> None:
    before, live = beliefs(experienced), experienced.deployment.live
    for steer in (steering.pause_variant, steering.resume_variant):
        with experienced.deployment.store.writing() as ledger:
            steer(ledger, live, "winback", "hello", now=experienced.now, **TOLD)
        experienced.later(MINUTE)
        experienced.learn()
        assert beliefs(experienced) == before


def test_a_retired_message_is_not_sent_and_comes_back_where_it_was(
    experienced: Any, quick: Files, edited: Edit
) -> None:
    before = beliefs(experienced)
    retired = edited(quick, WINBACK, (ARRIVALS, RETIRED))
    experienced.apply(retired)
    assert beliefs(experienced) == before
    answers = experienced.learning(25)
    assert {answer.decision.variant_id for answer in answers} == {"ten-percent", "hello"}
    assert {answer.decision.blocked["new-arrivals"] for answer in answers} == {"retired"}
    with experienced.deployment.store.reading() as ledger:
        found = explain(ledger, experienced.deployment.live, answers[0].decision.decision_id)
        told = report(ledger, experienced.deployment.live, "winback", experienced.now)
    (removed,) = [step for step in found.steps if step.name == "retired"]
    assert removed.removed == ("new-arrivals",)
    assert found.steps[-1].shares["new-arrivals"] == 0.0
    assert found.same
    by_variant = {v.variant_id: v for segment in told.segments for v in segment.variants}
    assert by_variant["new-arrivals"].removed_by == "retired"

    with_more = beliefs(experienced)
    experienced.apply(quick)
    assert beliefs(experienced)["new-arrivals"] == with_more["new-arrivals"] == before["new-arrivals"]
    assert "new-arrivals" in drawn(experienced, 60)
    assert experienced.verify().clean


def test_plan_says_what_retires_and_what_comes_back(experienced: Any, quick: Files, edited: Edit) -> None:
    retired = edited(quick, WINBACK, (ARRIVALS, RETIRED))
    assert "campaign winback: 1 arm retires: new-arrivals; not sent any more, and what was learned stays" in sentences(
        experienced, retired
    )
    experienced.apply(retired)
    assert "campaign winback: 1 arm comes back: new-arrivals; with what was learned before" in sentences(
        experienced, quick
    )


def sentences(house: Any, files: Files) -> list[str]:
    with house.deployment.store.reading() as ledger:
        found = plan(ledger, house.deployment.live, read_workspace(files), house.now)
    return [change.sentence for change in found.changes]


def test_what_is_retired_keeps_its_words(experienced: Any, quick: Files, edited: Edit) -> None:
    other = RETIRED.replace("See what is new", "Something else")
    with pytest.raises(DocumentError, match="what new-arrivals had before it was retired"):
        experienced.apply(edited(quick, WINBACK, (ARRIVALS, other)))
    experienced.apply(edited(quick, WINBACK, (ARRIVALS, RETIRED)))
    back = ARRIVALS.replace("See what is new", "Something else")
    with pytest.raises(DocumentError, match="an id of its own"):
        experienced.apply(edited(quick, WINBACK, (ARRIVALS, back)))
    with pytest.raises(DocumentError):
        sentences(experienced, edited(quick, WINBACK, (ARRIVALS, back)))


def test_an_id_that_comes_back_with_other_words_is_said(experienced: Any, quick: Files, edited: Edit) -> None:
    gone = edited(quick, WINBACK, (ARRIVALS, ""))
    assert experienced.apply(gone).warnings == ()
    assert experienced.apply(quick).warnings == ()
    experienced.apply(gone)
    (warning,) = experienced.apply(
        edited(quick, WINBACK, (ARRIVALS, "  - {id: new-arrivals, subject: Other}\n"))
    ).warnings
    assert warning.startswith("campaign winback: message new-arrivals had other words before it was removed (")
    assert beliefs(experienced)["new-arrivals"] == [[0.0] * 3, [1.0] * 3, [1.0] * 3]


def test_what_is_retired_waits_for_no_approval_and_cannot_be_pinned(house: Any, files: Files, edited: Edit) -> None:
    strict = edited(files, "strategy.yaml", ("required: false", "required: true"))
    awaiting = house.apply(edited(strict, WINBACK, (ARRIVALS, RETIRED))).awaiting
    assert ("winback", "new-arrivals") not in awaiting
    assert ("winback", "hello") in awaiting
    house.apply(edited(files, WINBACK, (ARRIVALS, RETIRED)))
    with house.deployment.store.writing() as ledger, pytest.raises(Conflict, match="retired"):
        steering.pin(ledger, house.deployment.live, "winback", "new-arrivals", now=house.now, **TOLD)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([("{id: hello,", "{id: hello, retired: true,")], "control.message: found hello"),
        (
            [
                ("{id: ten-percent,", "{id: ten-percent, retired: true,"),
                (ARRIVALS, RETIRED),
                ("{id: hello,", "{id: hello, retired: true,"),
                ("control: {message: hello}", "control: nothing"),
            ],
            "at least one of the messages that is not retired",
        ),
    ],
)
def test_a_campaign_keeps_something_to_send(files: Files, edited: Edit, changes: Any, said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        read_workspace(edited(files, WINBACK, *changes))


def test_retired_messages_do_not_count_for_capacity_and_floors(files: Files, edited: Edit) -> None:
    tight = edited(files, "strategy.yaml", ("holdout: {share", "capacity: {variants_per_campaign: 2}\nholdout: {share"))
    without = {path: text for path, text in tight.items() if "newsletter" not in path and "members" not in path}
    with pytest.raises(DocumentError, match="3 variants"):
        read_workspace(without)
    half = edited(without, WINBACK, (ARRIVALS, RETIRED), ("{floor: 0.05}", "{floor: 0.5}"))
    read_workspace(half)


def test_retiring_a_targeting_retires_each_message_with_it(house: Any, files: Files, edited: Edit) -> None:
    evening = '  - {id: evening, fields: {slot: "17:00-20:00"}}\n'
    retired = evening.replace("}}", "}, retired: true}")
    house.apply(edited(files, "campaigns/newsletter.yaml", (evening, retired)))
    found = {answer.decision.variant_id for answer in house.learning(15, campaign="newsletter")}
    assert found == {"short:morning", "long:morning"}


def test_what_a_later_release_objects_to_goes_on_as_it_was_put_in_force(
    house: Any, second_worker: Any, quick: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.apply(quick)
    before = house.decide(house.request("ann"))[0].decision
    stricter = Finding(WINBACK, 1, 1, "campaign", "winback", "what nobody knew of then")
    monkeypatch.setattr(workspace_module, "reference_findings", lambda *_: [stricter])
    with pytest.raises(DocumentError, match="what nobody knew of then"):
        read_workspace(quick)  # whoever applies them again is told
    later = second_worker.decide(second_worker.request("bob"))[0].decision
    assert later.variant_id is not None
    assert second_worker.recorded(before.decision_id) == "accepted"
    second_worker.later(MINUTE)
    second_worker.learn()
    assert second_worker.verify().clean
