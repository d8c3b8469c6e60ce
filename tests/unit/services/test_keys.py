import string

from hypothesis import given
from hypothesis import strategies as st

from optimizer.services.keys import RANDOM_BYTES, KeyRing, Scope, key_hash, new_key, well_formed
from optimizer.storage.access import StoredKey


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


def test_a_key_made_after_the_start_is_found_and_scopes_are_kept() -> None:
    key = new_key("live", bytes(range(RANDOM_BYTES)))
    stored: list[StoredKey] = []
    ring = KeyRing(lambda: stored)
    assert ring.caller(key) is None
    stored.append(StoredKey(key_hash(key), "shop", "decide report_outcomes", 0))
    caller = ring.caller(key)
    assert caller is not None
    assert (caller.name, caller.scopes) == ("shop", {Scope.DECIDE, Scope.REPORT_OUTCOMES})
    assert ring.known(key) is caller


def test_a_malformed_key_does_not_reach_the_ledger() -> None:
    def load() -> list[StoredKey]:
        raise AssertionError("the ledger was asked")

    assert KeyRing(load).caller("opt_live_guess000000") is None
