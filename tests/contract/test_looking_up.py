"""Looking somebody up is written down, naming nobody; and so is erasing them."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.errors import InvalidRequest
from optimizer.policy.draw import recipient_key
from optimizer.services.auditing import about_nobody, audit_page, verify_audit
from optimizer.services.recipients.disclosing import disclose
from optimizer.services.recipients.looking_up import EXPORT, note_look_up


def noted(house: Any, recipient: str, note: str = "", **rest: Any) -> None:
    with house.deployment.store.writing() as ledger:
        note_look_up(ledger, recipient, actor="ann", note=note, now=house.now, **rest)


def test_the_trail_says_who_looked_and_why_and_never_at_whom(house: Any) -> None:
    house.decided("customer-4711")
    noted(house, "customer-4711", " she asked what we keep ")
    noted(house, "customer-4711", action=EXPORT)
    live = house.deployment.live
    with house.deployment.store.reading() as ledger:
        export, look, *_ = ledger.audit.latest(2)
        key = disclose(ledger, live, "customer-4711", house.now).recipient_key
        assert verify_audit(ledger).intact
    assert (look.entry.actor, look.entry.action, look.entry.subject) == ("ann", "look up", "1 recipient")
    assert look.entry.note == "she asked what we keep"
    assert (export.entry.action, export.entry.note) == ("export recipient", "")
    for link in (look, export):
        for telling in ("customer-4711", key, recipient_key(live.secret, "customer-4711")):
            assert telling not in repr(link)


@pytest.mark.parametrize("note", ["customer-4711 called", "about Customer-4711.", "(customer-4711)", "customer-4711"])
def test_a_note_that_names_them_is_refused(note: str) -> None:
    with pytest.raises(InvalidRequest, match="/note: found the recipient's id; allowed a sentence that does not name"):
        about_nobody(note, ["customer-4711"])


@pytest.mark.parametrize(("note", "recipient"), [("she asked", "a"), ("order 47110", "4711"), ("anna called", "ann")])
def test_a_note_may_hold_letters_that_an_id_has_too(note: str, recipient: str) -> None:
    assert about_nobody(note, [recipient]) == note


def test_what_is_no_recipient_is_refused_before_anything_is_written(sqlite_house: Any) -> None:
    before = sqlite_house.counts()["audit"]
    with pytest.raises(InvalidRequest, match="/recipients/1"):
        noted(sqlite_house, "two words")
    assert sqlite_house.counts()["audit"] == before


def test_an_erasure_keeps_its_reason_and_not_its_person(sqlite_house: Any) -> None:
    sqlite_house.decided("customer-4711")

    def erased(note: str) -> None:
        sqlite_house.erase("customer-4711", actor="ann", note=note)

    with pytest.raises(InvalidRequest, match="/note: found the recipient's id"):
        erased("erase customer-4711")
    with sqlite_house.deployment.store.reading() as ledger:
        assert not disclose(ledger, sqlite_house.deployment.live, "customer-4711", sqlite_house.now).is_empty
    erased("a letter of 3 May")
    with sqlite_house.deployment.store.reading() as ledger:
        (last,) = ledger.audit.latest(1)
        assert disclose(ledger, sqlite_house.deployment.live, "customer-4711", sqlite_house.now).is_empty
    assert (last.entry.action, last.entry.note) == ("erase", "a letter of 3 May")
    assert "4711" not in repr(last.entry)  # its hash may hold any digits


def test_the_trail_is_paged_and_filtered(sqlite_house: Any) -> None:
    for n in range(60):
        noted(sqlite_house, "ann", f"reason {n}", **({"action": EXPORT} if n % 2 else {}))
    live = sqlite_house.deployment.live

    def page(
        campaign: str | None = None, actor: str | None = None, action: str | None = None, before: Any = None
    ) -> Any:
        with sqlite_house.deployment.store.reading() as ledger:
            return audit_page(ledger, live, campaign, actor, action, before, sqlite_house.now)

    first = page()
    second = page(before=first.next_before)
    numbers = [link.number for link in (*first.links, *second.links)]
    assert numbers == list(range(first.entries, 0, -1))
    assert second.next_before is None
    assert {link.entry.action for link in page(action=EXPORT).links} == {EXPORT}
    assert len(page(action=EXPORT).links) == 30
    assert page(actor="nobody").links == []
    assert {"ann", "tester"} <= set(page().actors)
    assert page(campaign="winback").links == []
