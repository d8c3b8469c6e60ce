"""Claims on many meters in one transaction: all of them or none, from two workers at once, and never too much."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from optimizer.domain.meters import Allowance, MeterKey, Reading
from optimizer.errors import Contended
from optimizer.storage.meters import _LOCK
from optimizer.storage.rows import driver_of
from optimizer.storage.store import Store

KEYS = [MeterKey(f"campaign:c{n}", period) for n in range(6) for period in ("ever", "2026-12")]
ONE = Reading(10, 5, 1)


@pytest.fixture
def metered(store: Store) -> Store:
    with store.writing(alone=True) as ledger:
        for key in KEYS:
            ledger.meters.set(key, Reading(0, 0, 0))
    return store


def claim(store: Store, keys: list[MeterKey], allowance: Allowance) -> None:
    with store.writing() as ledger:
        for key in keys:
            ledger.meters.claim(key, ONE, allowance)


def in_use(store: Store) -> dict[MeterKey, Reading]:
    with store.reading() as ledger:
        return ledger.meters.of(KEYS)


def test_one_meter_without_room_keeps_all_others_as_they_were(metered: Store) -> None:
    claim(metered, KEYS[3:4], Allowance(15, 1))
    with pytest.raises(Contended, match="counted on"):
        claim(metered, KEYS, Allowance(15, None))
    with pytest.raises(Contended):
        claim(metered, KEYS, Allowance(None, 1))
    assert in_use(metered) == dict.fromkeys(KEYS, Reading()) | {KEYS[3]: ONE}
    claim(metered, KEYS, Allowance(30, 2))
    assert in_use(metered)[KEYS[3]] == Reading(20, 10, 2)


def test_what_is_given_back_counts_with_what_is_claimed_and_alone(metered: Store) -> None:
    claim(metered, KEYS, Allowance())
    with metered.writing() as ledger:
        ledger.meters.claim(KEYS[0], ONE, Allowance(15, 1))
        ledger.meters.give_back(KEYS[0], Reading(-10, -5, -1))
        ledger.meters.give_back(KEYS[1], Reading(-10, 0, 0))
        ledger.meters.give_back(MeterKey("campaign:none", "ever"), Reading(-10, 0, 0))
        assert ledger.meters.of(KEYS[:2]) == {KEYS[0]: ONE, KEYS[1]: Reading(0, 5, 1)}
    assert in_use(metered) == dict.fromkeys(KEYS, ONE) | {KEYS[1]: Reading(0, 5, 1)}


def test_postgresql_locks_meters_in_the_order_of_their_keys_whatever_the_order_of_the_claims(metered: Store) -> None:
    if metered.is_sqlite:
        pytest.skip("SQLite has one writer at a time")
    with metered.engine.connect() as connection:
        plan = [row[0].strip() for row in driver_of(connection).execute(f"EXPLAIN {_LOCK.postgresql}", ["[]"])]
    assert plan[0].startswith("LockRows")
    assert plan[1].startswith("->  Sort")
    assert plan[2] == "Sort Key: m.scope, m.period"


def test_workers_that_claim_in_any_order_neither_wait_for_each_other_in_a_circle_nor_claim_too_much(
    metered: Store,
) -> None:
    rounds, most = 25, 30
    together = Barrier(2)

    def work(keys: list[MeterKey]) -> int:
        claimed = 0
        for _ in range(rounds):
            together.wait(30)
            try:
                claim(metered, keys, Allowance(None, most))
                claimed += 1
            except Contended:
                pass
        return claimed

    with ThreadPoolExecutor(2) as pool:
        claimed = sum(pool.map(work, [KEYS, KEYS[::-1]]))
    assert claimed == most
    assert set(in_use(metered).values()) == {Reading(10 * most, 5 * most, most)}
