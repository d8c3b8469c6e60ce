from __future__ import annotations

import hmac
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import Unavailable
from optimizer.services.keys import api_keys
from optimizer.services.keys.api_keys import (
    LOOK_UPS,
    RANDOM_BYTES,
    KeyRing,
    Scope,
    hint_of,
    key_hash,
    new_key,
    well_formed,
)
from optimizer.services.keys.rates import Rate
from optimizer.storage.access import StoredKey

KEY = new_key("live", bytes(range(RANDOM_BYTES)))
OTHER = new_key("live", bytes(RANDOM_BYTES))


@given(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES))
def test_a_new_key_is_well_formed_and_says_its_environment(random: bytes) -> None:
    key = new_key("live", random)
    assert key.startswith("opt_live_")
    assert well_formed(key)
    assert len(key) == len(new_key("live", bytes(RANDOM_BYTES)))


@given(
    st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES),
    st.integers(0, 100),
    st.sampled_from(string.ascii_letters + "0_"),
)
def test_a_mistyped_key_is_known_by_its_checksum(random: bytes, place: int, letter: str) -> None:
    key = new_key("live", random)
    place %= len(key)
    mistyped = key[:place] + letter + key[place + 1 :]
    assert well_formed(mistyped) == (mistyped == key)


@given(st.text())
def test_any_text_can_be_asked_about(text: str) -> None:
    assert not well_formed(text)


def test_different_randomness_gives_different_keys() -> None:
    assert len({new_key("live", number.to_bytes(RANDOM_BYTES)) for number in range(1_000)}) == 1_000


def test_a_hint_shows_the_ends_of_a_key_and_no_more() -> None:
    assert hint_of(KEY) == f"{KEY[: len('opt_live_') + 4]}…{KEY[-4:]}"


class Stored:
    """A ledger's keys and a clock, as a ring sees them."""

    def __init__(self, *keys: StoredKey) -> None:
        self.keys = list(keys)
        self.now = 1_000
        self.seconds = 0.0
        self.loads = 0
        self.fails = False

    def load(self) -> list[StoredKey]:
        self.loads += 1
        if self.fails:
            raise Unavailable("the ledger cannot be read now")
        return self.keys

    def ring(self, rate: Rate = api_keys.GENEROUS) -> KeyRing:
        return KeyRing(self.load, lambda: self.now, rate, lambda: self.seconds)


def stored(key: str = KEY, **rest: Any) -> StoredKey:
    return StoredKey(key_hash(key), "shop", "decide report_outcomes", 0, **rest)


def test_a_key_made_after_the_start_is_found_and_scopes_are_kept() -> None:
    ledger = Stored()
    ring = ledger.ring()
    assert ring.caller(KEY) is None
    ledger.keys.append(stored())
    caller = ring.caller(KEY)
    assert caller is not None
    assert (caller.name, caller.scopes) == ("shop", {Scope.DECIDE, Scope.REPORT_OUTCOMES})
    assert ring.known(KEY) is caller
    assert ring.caller(OTHER) is None


def test_a_malformed_key_does_not_reach_the_ledger() -> None:
    ledger = Stored()
    assert ledger.ring().caller("opt_live_guess000000") is None
    assert ledger.loads == 0


def test_a_known_key_does_not_reach_the_ledger() -> None:
    ledger = Stored(stored())
    ring = ledger.ring()
    for _ in range(5):
        assert ring.caller(KEY) is not None
    assert ledger.loads == 1


def test_a_flood_of_unknown_keys_reaches_the_ledger_only_so_often() -> None:
    ledger = Stored()
    ring = ledger.ring()
    for number in range(LOOK_UPS.burst + 500):
        assert ring.caller(new_key("live", number.to_bytes(RANDOM_BYTES))) is None
    assert ledger.loads == LOOK_UPS.burst
    ledger.keys.append(stored())
    assert ring.caller(KEY) is None, "the flood makes a new key wait"
    ring.refresh()
    assert ring.caller(KEY) is not None, "for the next refresh"


def test_an_expired_key_opens_nothing_from_that_instant_on() -> None:
    ledger = Stored(stored(expires_at=2_000))
    ring = ledger.ring()
    ledger.now = 1_999
    assert ring.caller(KEY) is not None
    ledger.now = 2_000
    assert ring.known(KEY) is None
    assert ring.caller(KEY) is None


def test_a_revoked_key_opens_nothing_after_the_next_refresh() -> None:
    ledger = Stored(stored())
    ring = ledger.ring()
    assert ring.caller(KEY) is not None
    ledger.keys = [stored(revoked_at=1_500)]
    ring.refresh()
    assert ring.known(KEY) is None
    assert ring.caller(KEY) is None


def test_while_the_ledger_is_away_the_keys_stay_as_they_were() -> None:
    ledger = Stored(stored())
    ring = ledger.ring()
    ring.refresh()
    ledger.fails = True
    with pytest.raises(Unavailable):
        ring.refresh()
    assert ring.known(KEY) is not None
    with pytest.raises(Unavailable):
        ring.caller(OTHER)  # nobody can say whether it is one


def test_a_refresh_keeps_what_is_left_of_every_rate() -> None:
    ledger = Stored(stored(per_second=1, burst=1), stored(OTHER))
    ring = ledger.ring(Rate(7, 9))
    ring.refresh()
    caller, other = ring.known(KEY), ring.known(OTHER)
    assert caller is not None
    assert other is not None
    assert other.bucket.rate == Rate(7, 9), "that of the settings"
    assert (caller.take(1), caller.take(1) > 0) == (0.0, True)
    ledger.keys = [stored(per_second=1, burst=1), stored(OTHER, revoked_at=1)]
    ring.refresh()
    again = ring.known(KEY)
    assert again is caller
    assert again.take(1) > 0


def test_two_hashes_that_begin_alike_are_told_apart() -> None:
    alike = key_hash(KEY)[:16] + "0" * 48
    ring = Stored(StoredKey(alike, "other", "decide", 0)).ring()
    ring.refresh()
    assert ring.known(KEY) is None


def test_keys_and_checksums_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Any] = []
    compare = hmac.compare_digest

    def note(one: Any, other: Any) -> bool:
        compared.append(one)
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", note)
    ring = Stored(stored()).ring()
    assert ring.caller(KEY) is not None
    assert KEY[-6:].encode() in compared, "the checksum"
    assert key_hash(KEY) in compared, "the hash"


@contextmanager
def watching(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(api_keys, "REFRESH_SECONDS", 0.005)
    ring.watch()
    try:
        yield
    finally:
        ring.close()


def test_a_watching_ring_reads_the_keys_again_and_survives_a_ledger_that_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = Stored()
    failed, found = Event(), Event()
    load: Callable[[], list[StoredKey]] = ledger.load

    def noticed() -> list[StoredKey]:
        if ledger.loads < 3:
            ledger.loads += 1
            raise Unavailable("the ledger cannot be read now")
        failed.set()
        loaded = load()
        if loaded:
            found.set()
        return loaded

    ledger.load = noticed  # type: ignore[method-assign]
    ring = ledger.ring()
    with watching(ring, monkeypatch):
        assert failed.wait(10)
        ledger.keys = [stored()]
        assert found.wait(10)
    assert ring.known(KEY) is not None
    assert capsys.readouterr().out.count("keys could not be read") == 1
