"""Events of e-mail providers come late, twice and in any order; what is learned from them is the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.web.posts import MAILERS, Mailer

from optimizer.domain.instants import HOUR, MINUTE, SECOND, Instant
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.services.providers import mailgun, postmark, resend, sendgrid, ses, standard
from optimizer.services.providers.arrivals import Arrival
from optimizer.strategy.workspace import read_workspace

# What may happen to one message, and when; a person opens after a machine has, and clicks twice.
STORIES: dict[str, list[tuple[str, int, bool]]] = {
    "clicked": [
        ("sent", 1 * SECOND, False),
        ("deferred", 30 * SECOND, False),
        ("delivered", 2 * MINUTE, False),
        ("opened", 2 * MINUTE + SECOND, True),
        ("opened", 1 * HOUR, False),
        ("clicked", 1 * HOUR + MINUTE, False),
        ("clicked", 3 * HOUR, False),
    ],
    "bounced": [
        ("sent", 1 * SECOND, False),
        ("deferred", 30 * SECOND, False),
        ("bounced", 4 * MINUTE, False),
    ],
    "bounced after all": [
        ("delivered", 2 * MINUTE, False),
        ("opened", 1 * HOUR, False),
        ("bounced", 4 * HOUR, False),
        ("clicked", 5 * HOUR, False),
    ],
    "left": [
        ("delivered", 2 * MINUTE, False),
        ("opened", 1 * HOUR, False),
        ("complained", 2 * HOUR, False),
        ("unsubscribed", 3 * HOUR, False),
    ],
}
PROVIDERS: dict[str, Any] = {"sendgrid": sendgrid, "mailgun": mailgun, "postmark": postmark, "resend": resend}


def told(mailer: Mailer, story: str, decision: Any) -> list[dict[str, Any]]:
    """The events of a story as a provider tells it: what it has no word for, it leaves out."""
    events = [
        mailer.event(kind, decision.decision_id, decision.decided_at + after, machine=machine)
        for kind, after, machine in STORIES[story]
    ]
    return [event for event in events if event is not None]


def heard(mailer: Mailer, events: Sequence[Any], at: Instant, strategy: Any) -> list[OutcomeReport]:
    """What the requests that carry these events amount to, each of them verified by nobody."""
    reports: list[OutcomeReport] = []
    for post in mailer.posts(events, at):
        arrival = Arrival({name.lower(): value for name, value in post.headers.items()}, post.body, at)
        if mailer.name == "ses":
            reports += ses.hear(ses.message_of([mailer.secret], arrival), at).reports
        elif mailer.name == "standard":
            reports += standard.hear(arrival, strategy).reports
        else:
            reports += PROVIDERS[mailer.name].hear(arrival).reports
    return reports


def gained(house: Any, reports: Sequence[Sequence[OutcomeReport]]) -> Counter[Any]:
    """What recording these reports, one transaction for each list, adds to the statistics."""
    before = house.statistics("newsletter")
    for batch in reports:
        house.record(*batch)
    after, gains = house.statistics("newsletter"), Counter[Any]()
    for cell in {*before, *after}:
        for place, (old, new) in enumerate(zip(before.get(cell, (0,) * 3), after.get(cell, (0,) * 3), strict=True)):
            gains[cell.metric, place] += new - old
    return Counter({name: gain for name, gain in gains.items() if gain})


@pytest.fixture
def twins(sqlite_house: Any, noon: Instant) -> Callable[[], tuple[Any, Any]]:
    """Gives two decisions of the learning group that only differ in the recipient."""
    waiting: dict[Any, Any] = {}

    def pair() -> tuple[Any, Any]:
        sqlite_house.now = noon
        while True:
            (answer,) = sqlite_house.learning(1, "newsletter")
            decision = answer.decision
            if (other := waiting.pop(decision.variant_id, None)) is not None:
                return other, decision
            waiting[decision.variant_id] = decision

    return pair


@settings(max_examples=25)
@given(data=st.data())
def test_the_order_the_batches_and_the_repeats_of_events_change_nothing(
    data: Any, sqlite_house: Any, twins: Any, files: Any
) -> None:
    mailer = MAILERS[data.draw(st.sampled_from(sorted(MAILERS)))]
    story = data.draw(st.sampled_from(sorted(STORIES)))
    strategy = read_workspace(files).strategy
    in_order, shuffled = twins()
    sqlite_house.now = later = in_order.decided_at + 6 * HOUR
    expected = gained(sqlite_house, [heard(mailer, told(mailer, story, in_order), later, strategy)])

    events = told(mailer, story, shuffled)
    repeated = data.draw(st.permutations([*events, *data.draw(st.lists(st.sampled_from(events), max_size=4))]))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(repeated)), max_size=3)))
    batches = [repeated[start:end] for start, end in zip([0, *cuts], [*cuts, len(repeated)], strict=True)]
    assert gained(sqlite_house, [heard(mailer, batch, later, strategy) for batch in batches]) == expected
    assert expected, "something was learned"


def test_the_ledger_adds_up_after_all_stories_of_all_providers(sqlite_house: Any, files: Any) -> None:
    strategy = read_workspace(files).strategy
    for mailer in MAILERS.values():
        for story in STORIES:
            (answer,) = sqlite_house.learning(1, "newsletter")
            events = told(mailer, story, answer.decision)
            sqlite_house.now = answer.decision.decided_at + 6 * HOUR
            sqlite_house.record(*heard(mailer, list(reversed(events)), sqlite_house.now, strategy))
    assert sqlite_house.verify().clean
    trials, clicked, _ = sqlite_house.trials("newsletter", "reward:clicks")
    # Of four stories two are trials: the clicked one and that of whoever left; a bounce takes the trial back.
    assert (trials, clicked) == (2 * len(MAILERS), len(MAILERS))
