"""Recipients whom a person keeps out: nothing is sent to them, and nobody is named in the trail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from optimizer.domain.instants import DAY, SECOND
from optimizer.errors import Conflict, InvalidRequest
from optimizer.policy.draw import recipient_key
from optimizer.services.documents.capacity import capacity_warnings
from optimizer.services.recipients import suppressing
from optimizer.services.recipients.suppressing import RECIPIENT_PATTERN, Suppressed
from optimizer.storage.access import Approval
from optimizer.storage.audit import AuditEntry
from optimizer.strategy.workspace import read_workspace
from optimizer.web.shapes.findings import _PATTERNS

EVERYWHERE = "*"


def wish(house: Any, name: str, *recipients: str, channel: str | None = None, note: str = "asked us") -> Suppressed:
    deployment = house.deployment
    with deployment.store.writing() as ledger:
        done: Suppressed = getattr(suppressing, name)(
            ledger, deployment.live, recipients, channel, actor="ann", note=note, now=house.now
        )
    return done


def channels(house: Any, recipient: str) -> set[str]:
    with house.deployment.store.reading() as ledger:
        return {entry.channel for entry in suppressing.suppression(ledger, house.deployment.live, recipient)}


def entries(house: Any) -> list[AuditEntry]:
    with house.deployment.store.reading() as ledger:
        return [link.entry for link in ledger.audit.stream() if link.entry.actor == "ann"]


def test_whoever_is_put_on_the_list_gets_nothing_from_the_next_decision_on(house: Any, second_worker: Any) -> None:
    assert house.decided("ann@example.com").decision.variant_id is not None
    assert wish(second_worker, "suppress", "ann@example.com") == Suppressed(1, 0, EVERYWHERE)
    decision = house.decided("ann@example.com", "r2").decision
    assert (decision.variant_id, decision.reason) == (None, "recipient_suppressed")
    wish(second_worker, "unsuppress", "ann@example.com")
    assert house.decided("ann@example.com", "r3").decision.variant_id is not None


def test_the_list_says_since_when_and_who(house: Any) -> None:
    wish(house, "suppress", "bob", channel="email")
    with house.deployment.store.reading() as ledger:
        (entry,) = suppressing.suppression(ledger, house.deployment.live, "bob")
    assert (entry.channel, entry.at, entry.source) == ("email", house.now, "by ann")


def test_the_trail_names_nobody_who_may_be_erased_one_day(house: Any) -> None:
    wish(house, "suppress", "bob@example.com", channel="email")
    wish(house, "unsuppress", "bob@example.com", channel="email")
    key = recipient_key(house.deployment.live.secret, "bob@example.com")
    put, taken = entries(house)
    assert (put.action, put.subject, put.note, put.after) == (
        "suppress",
        "1 recipient",
        "asked us",
        "email",
    )
    assert (taken.action, taken.subject, taken.before) == ("unsuppress", "1 recipient", "email")
    assert not any(text in repr(entries(house)) for text in ("bob", key))


@pytest.mark.parametrize("name", ["suppress", "unsuppress"])
def test_a_note_that_names_one_of_them_is_refused_and_changes_nothing(house: Any, name: str) -> None:
    before = channels(house, "cleo")
    with pytest.raises(InvalidRequest, match="/note: found the recipient's id; allowed a sentence that does not name"):
        wish(house, name, "bob@example.com", "cleo", note="asked by Bob@example.com, on the phone")
    assert (channels(house, "cleo"), entries(house)) == (before, [])


def test_a_long_list_is_one_entry_that_names_nobody(house: Any) -> None:
    people = [f"p{n}" for n in range(1_200)]
    assert wish(house, "suppress", *people, "p1").changed == 1_200
    (entry,) = entries(house)
    assert entry.subject == "1,200 recipients"
    assert len(entry.after) < 200
    assert house.counts()["suppressions"] == 1_200


def test_asking_again_changes_nothing_and_leaves_no_entry(house: Any) -> None:
    wish(house, "suppress", "bob")
    assert wish(house, "suppress", "bob") == Suppressed(0, 1, EVERYWHERE)
    assert len(entries(house)) == 1
    wish(house, "unsuppress", "bob")
    assert wish(house, "unsuppress", "bob") == Suppressed(0, 1, EVERYWHERE)
    assert len(entries(house)) == 2


def test_only_those_who_are_new_to_the_list_are_counted(house: Any) -> None:
    wish(house, "suppress", "bob")
    assert wish(house, "suppress", "bob", "cyd") == Suppressed(1, 1, EVERYWHERE)
    assert entries(house)[-1].subject == "1 recipient"


def test_one_channel_and_every_channel_are_kept_apart(house: Any) -> None:
    wish(house, "suppress", "bob")
    wish(house, "suppress", "bob", channel="email")
    assert channels(house, "bob") == {EVERYWHERE, "email"}
    assert wish(house, "unsuppress", "bob", channel="email").changed == 1
    assert channels(house, "bob") == {EVERYWHERE}
    wish(house, "suppress", "bob", channel="email")
    assert wish(house, "unsuppress", "bob").changed == 1
    assert channels(house, "bob") == set()
    assert channels(house, "stranger") == set()


def test_a_channel_the_documents_do_not_have_is_refused(house: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^/channel: found 'emial'; allowed email$"):
        wish(house, "suppress", "bob", channel="emial")
    assert house.counts()["suppressions"] == 0


def test_before_any_documents_are_in_force_everything_can_be_suppressed_but_no_channel(
    deployment: Any, make_house: Callable[..., Any]
) -> None:
    empty = make_house(deployment)
    assert wish(empty, "suppress", "bob").changed == 1
    with pytest.raises(Conflict, match="no documents are in force"):
        wish(empty, "suppress", "bob", channel="email")


@pytest.mark.parametrize("name", ["suppress", "unsuppress"])
def test_a_wish_without_a_reason_or_with_no_recipient_in_it_writes_nothing(house: Any, name: str) -> None:
    before = house.counts()
    with pytest.raises(InvalidRequest, match=r"^/note: found nothing"):
        wish(house, name, "bob", note=" ")
    for wrong in ("", "bob smith", "x" * 129, "bob\n"):
        with pytest.raises(InvalidRequest, match=r"^/recipients/2: found .* allowed 1 to 128 letters"):
            wish(house, name, "cyd", wrong)
    assert house.counts() == before


def test_a_recipient_is_what_callers_may_send_as_one() -> None:
    assert RECIPIENT_PATTERN in _PATTERNS


@pytest.mark.parametrize(
    ("most", "read", "waiting", "expected"),
    [
        (5, 0, 12, "12 messages wait for approval; the team approves 5 a week (capacity.approvals_per_week)"),
        (5, 4, 2, "2 messages wait for approval and 4 were approved in the last 7 days; the team approves 5 a week"),
        (1, 1, 1, "1 message waits for approval and 1 was approved in the last 7 days; the team approves 1 a week"),
        (5, 3, 2, None),
        (5, 9, 0, None),
        (None, 9, 99, None),
    ],
)
def test_more_words_to_read_than_the_team_can_is_a_warning(
    house: Any, files: Any, edited: Any, most: int | None, read: int, waiting: int, expected: str | None
) -> None:
    if most is not None:
        line = f"capacity: {{approvals_per_week: {most}}}\napproval:"
        files = edited(files, "strategy.yaml", ("approval:", line))
    awaiting = [("winback", f"new-{n}:{when}") for n in range(waiting) for when in ("morning", "evening")]
    with house.deployment.store.writing() as ledger:
        for n in range(read):
            for when in ("morning", "evening"):
                ledger.approvals.grant(
                    Approval("winback", f"m{n}:{when}", "c", house.now - 7 * DAY + SECOND, "ann", "")
                )
        ledger.approvals.grant(Approval("winback", "long-ago", "c", house.now - 7 * DAY, "ann", ""))
        found = capacity_warnings(ledger, read_workspace(files), awaiting, house.now)
    assert len(found) == (expected is not None)
    assert expected is None or found[0].startswith(expected)
