"""The chain of the audit trail, and what may be written into it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import InvalidRequest
from optimizer.services.auditing import LONGEST_NOTE, noted, verification
from optimizer.storage.audit import AuditEntry, Link, link_hash


def chain(n: int, *, old: int = 0) -> list[Link]:
    """``n`` entries, the first ``old`` of them from before the chain."""
    links: list[Link] = []
    for number in range(1, n + 1):
        entry = AuditEntry(number, "ann", "pause", "winback", f"note {number}", "running", "paused")
        previous = links[-1].hash if links else ""
        links.append(Link(number, entry, previous, "" if number <= old else link_hash(number, entry, previous)))
    return links


def with_entry(link: Link, **changes: Any) -> Link:
    return replace(link, entry=replace(link.entry, **changes))


@pytest.mark.parametrize(("n", "old"), [(0, 0), (1, 0), (5, 0), (1, 1), (5, 2), (5, 5)])
def test_a_trail_as_it_was_written_is_intact(n: int, old: int) -> None:
    links = chain(n, old=old)
    found = verification(links)
    assert found.intact
    assert (found.entries, found.chained, found.first_broken) == (n, n - old, None)
    assert found.head == (links[-1].hash if links else "")


@given(st.data())
def test_no_entry_of_the_chain_can_be_changed_left_out_or_moved_unseen(data: st.DataObject) -> None:
    links = chain(data.draw(st.integers(3, 8), "entries"))
    place = data.draw(st.integers(0, len(links) - 2), "place")
    change = data.draw(st.sampled_from(["at", "actor", "action", "subject", "note", "before", "after"]), "column")
    value: Any = 77 if change == "at" else "forged"
    forged = [
        [*links[:place], with_entry(links[place], **{change: value}), *links[place + 1 :]],
        [*links[:place], *links[place + 1 :]],
        [*links[:place], replace(links[place], hash="0" * 64), *links[place + 1 :]],
        [*links[:place], replace(links[place], previous_hash="0" * 64), *links[place + 1 :]],
        [
            *links[:place],
            replace(links[place], entry=links[place + 1].entry),
            replace(links[place + 1], entry=links[place].entry),
            *links[place + 2 :],
        ],
    ]
    for trail in forged:
        found = verification(trail)
        assert not found.intact
        assert found.first_broken is not None
        assert links[place].number <= found.first_broken <= links[place].number + 1
        assert str(found.first_broken) in found.sentence


def test_an_entry_that_was_forged_with_a_hash_of_its_own_is_found_at_the_next_one() -> None:
    links = chain(4)
    entry = replace(links[1].entry, note="forged")
    links[1] = Link(2, entry, links[0].hash, link_hash(2, entry, links[0].hash))
    assert verification(links).first_broken == 3


def test_an_entry_without_a_hash_belongs_before_the_chain_only() -> None:
    links = chain(4)
    found = verification([*links[:2], replace(links[2], hash=""), links[3]])
    assert found.first_broken == 3
    assert found.sentence == (
        "audit entry 3: found it without a hash; allowed only before the first entry that has one"
    )
    assert verification([replace(link, hash="") for link in links[:3]] + links[3:]).first_broken == 4


def test_leaving_out_what_is_older_than_the_chain_is_found_where_the_chain_begins() -> None:
    links = chain(4, old=2)
    assert verification(links[2:]).first_broken == 3
    assert verification([links[0], *links[2:]]).first_broken == 3


def test_values_of_a_kind_that_was_never_written_are_a_broken_entry_and_no_defect() -> None:
    links = chain(3)
    entry: Any = replace(links[1].entry, note=b"\xff")  # type: ignore[arg-type]
    assert verification([links[0], replace(links[1], entry=entry), links[2]]).first_broken == 2


def test_a_head_kept_earlier_proves_that_nothing_was_taken_off_the_end() -> None:
    links = chain(5)
    assert verification(links, kept=links[3].hash).intact
    cut = verification(links[:3], kept=links[3].hash)
    assert verification(links[:3]).intact  # which the chain alone cannot show
    assert (cut.intact, cut.first_broken) == (False, 4)
    assert links[3].hash in cut.sentence


@pytest.mark.parametrize("note", ["because", "  because ", "two\nlines", "Zażółć 田中 🦊", "x" * LONGEST_NOTE])
def test_a_note_is_kept_without_blanks_around_it(note: str) -> None:
    assert noted(note) == note.strip()


@pytest.mark.parametrize("note", ["", " ", "\n\t", "x" * (LONGEST_NOTE + 1), "a\x00b", "a\x1b[31m", "half \ud83d"])
def test_a_note_that_says_nothing_or_is_no_text_is_refused_with_one_sentence(note: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^/note: found .*; allowed a sentence that says why") as refused:
        noted(note)
    assert len(refused.value.findings) == 1
