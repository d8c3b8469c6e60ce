from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.event_ids import event_id_of

parts = st.lists(st.text(), max_size=4)


@given(parts, parts)
def test_two_events_of_a_source_have_one_id_only_if_they_are_one(one: list[str], other: list[str]) -> None:
    assert (event_id_of("esp", *one) == event_id_of("esp", *other)) == (one == other)


@given(parts)
def test_an_event_id_is_an_identifier_whatever_it_is_made_of(given: list[str]) -> None:
    found = event_id_of("sendgrid", *given)
    assert len(found) <= 64
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789:")


def test_sources_do_not_meet() -> None:
    assert event_id_of("ses", "1") != event_id_of("resend", "1")
