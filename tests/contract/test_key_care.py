"""The life of a key, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.domain.instants import DAY, HOUR
from optimizer.errors import Conflict, InvalidRequest, NotFound
from optimizer.services.keys.api_keys import RANDOM_BYTES, Scope, hint_of, key_hash, new_key
from optimizer.services.keys.key_care import create_key, is_live, revoke_keys, rotate_key
from optimizer.services.keys.rates import Rate
from optimizer.storage.access import StoredKey
from optimizer.storage.store import Store

NOON = 1_790_000_000 * 1_000_000


def key_of(number: int) -> str:
    return new_key("live", number.to_bytes(RANDOM_BYTES))


class Cupboard:
    """Keys of a store; every method is one transaction."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOON

    def create(self, number: int, name: str = "shop", **rest: Any) -> StoredKey:
        scopes = rest.pop("scopes", [Scope.DECIDE])
        with self.store.writing() as ledger:
            return create_key(ledger, key_of(number), name=name, scopes=scopes, actor="ann", now=self.now, **rest)

    def rotate(self, number: int, name: str = "shop", overlap: int = HOUR, **rest: Any) -> StoredKey:
        with self.store.writing(alone=True) as ledger:
            return rotate_key(ledger, key_of(number), name=name, overlap=overlap, actor="ben", now=self.now, **rest)

    def revoke(self, name: str = "shop", ending: str | None = None) -> list[StoredKey]:
        with self.store.writing(alone=True) as ledger:
            return revoke_keys(ledger, name, ending=ending, actor="cho", now=self.now)

    def live(self) -> set[int]:
        """Numbers of the keys that open something."""
        with self.store.reading() as ledger:
            hashes = {key.key_hash for key in ledger.keys.all() if is_live(key, self.now)}
        return {number for number in range(10) if key_hash(key_of(number)) in hashes}

    def trail(self) -> list[tuple[str, str, str]]:
        with self.store.reading() as ledger:
            entries = [link.entry for link in ledger.audit.latest(100)]
        return [(entry.actor, entry.action, entry.subject) for entry in reversed(entries)]


@pytest.fixture
def cupboard(store: Store) -> Cupboard:
    return Cupboard(store)


def test_all_that_is_said_of_a_key_is_kept_and_nothing_of_the_key_but_its_ends(cupboard: Cupboard) -> None:
    made = cupboard.create(1, scopes=[Scope.MANAGE, Scope.DECIDE], expires_at=NOON + DAY, rate=Rate(500, 2_000))
    with cupboard.store.reading() as ledger:
        (kept,) = ledger.keys.all()
    assert kept == made
    assert kept == StoredKey(
        key_hash(key_of(1)), "shop", "decide manage", NOON, hint_of(key_of(1)), NOON + DAY, None, 500, 2_000
    )


def test_a_rotated_key_works_beside_the_old_one_until_the_overlap_ends(cupboard: Cupboard) -> None:
    cupboard.create(1, scopes=[Scope.MANAGE], rate=Rate(5, 6))
    cupboard.create(2, name="other")
    new = cupboard.rotate(3, overlap=HOUR)
    assert (new.scopes, new.per_second, new.burst, new.expires_at) == ("manage", 5, 6, None)
    assert cupboard.live() == {1, 2, 3}
    cupboard.now += HOUR
    assert cupboard.live() == {2, 3}


def test_a_rotation_without_overlap_ends_the_old_key_at_once_and_one_within_an_overlap_ends_both(
    cupboard: Cupboard,
) -> None:
    cupboard.create(1)
    cupboard.rotate(2, overlap=DAY)
    cupboard.rotate(3, overlap=HOUR)
    cupboard.now += HOUR
    assert cupboard.live() == {3}
    cupboard.rotate(4, overlap=0)
    assert cupboard.live() == {4}


def test_an_overlap_never_lengthens_a_life(cupboard: Cupboard) -> None:
    cupboard.create(1, expires_at=NOON + HOUR)
    cupboard.rotate(2, overlap=DAY, expires_at=NOON + 2 * DAY)
    cupboard.now += HOUR
    assert cupboard.live() == {2}


def test_the_new_key_lasts_as_long_as_the_old_one_was_meant_to_unless_told(cupboard: Cupboard) -> None:
    cupboard.create(1, expires_at=NOON + 30 * DAY)
    cupboard.now += 20 * DAY
    assert cupboard.rotate(2).expires_at == cupboard.now + 30 * DAY
    assert cupboard.rotate(3, expires_at=cupboard.now + DAY).expires_at == cupboard.now + DAY


def test_keys_of_one_name_with_different_scopes_are_not_rotated(cupboard: Cupboard) -> None:
    cupboard.create(1, scopes=[Scope.DECIDE])
    cupboard.create(2, scopes=[Scope.MANAGE])
    with pytest.raises(Conflict, match="found keys with different scopes"):
        cupboard.rotate(3)
    assert cupboard.live() == {1, 2}


def test_revoking_ends_every_key_of_a_name_or_the_one_that_ends_so(cupboard: Cupboard) -> None:
    for number in (1, 2, 3):
        cupboard.create(number)
    cupboard.create(4, name="other")
    assert [key.hint for key in cupboard.revoke(ending=key_of(2)[-4:])] == [hint_of(key_of(2))]
    assert cupboard.live() == {1, 3, 4}
    assert len(cupboard.revoke()) == 2
    assert cupboard.live() == {4}


def test_a_key_that_has_ended_is_neither_rotated_nor_revoked(cupboard: Cupboard) -> None:
    cupboard.create(1, expires_at=NOON + HOUR)
    cupboard.create(2, name="other")
    cupboard.now += HOUR
    for attempt in (cupboard.rotate, cupboard.revoke):
        with pytest.raises(NotFound, match="found no live key 'shop'; allowed other"):
            attempt(*([3] if attempt == cupboard.rotate else []))
    with pytest.raises(NotFound, match="ending in 'nope'"):
        cupboard.revoke("other", "nope")


@pytest.mark.parametrize(
    "told",
    [{"name": ""}, {"name": "  "}, {"name": "x" * 65}, {"name": "a\nb"}, {"name": "a\0b"}, {"expires_at": NOON}],
    ids=str,
)
def test_what_makes_no_sense_is_refused_and_makes_no_key(cupboard: Cupboard, told: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        cupboard.create(1, **told)
    assert cupboard.live() == set()
    assert cupboard.trail() == []


def test_every_change_is_in_the_audit_trail_and_no_key_is(cupboard: Cupboard) -> None:
    cupboard.create(1)
    cupboard.rotate(2)
    cupboard.revoke()
    assert cupboard.trail() == [
        ("ann", "create key", "shop"),
        ("ben", "rotate key", "shop"),
        ("cho", "revoke key", "shop"),
        ("cho", "revoke key", "shop"),
    ]
    with cupboard.store.reading() as ledger:
        said = str([link.entry for link in ledger.audit.latest(100)])
    assert hint_of(key_of(2)) in said
    for number in (1, 2):
        assert key_of(number) not in said
        assert key_hash(key_of(number)) not in said
