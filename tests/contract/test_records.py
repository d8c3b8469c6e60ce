"""The storage suite: every kind of record, the same tests on SQLite and on PostgreSQL."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.domain.belief import Belief
from optimizer.domain.decision import Decision
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Block, Group, Reason
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.statistics import Cell, Sums
from optimizer.errors import Unavailable
from optimizer.storage.access import Approval, StoredKey
from optimizer.storage.audit import AuditEntry
from optimizer.storage.recipients import Profile
from optimizer.storage.store import Ledger, Store
from optimizer.storage.tables import LARGEST_SUM
from optimizer.storage.versions import StrategyVersion

LARGEST = 2**63 - 1
SMALLEST = -(2**63)
HOSTILE = [
    "'; DROP TABLE decisions; --",
    '"; DELETE FROM outcomes WHERE "1"="1',
    "<script>alert(1)</script>",
    "%s %(name)s {0} :name ? $1 \\",
    "🦊 Zażółć 田中 \u202e",
    "\t\n\r\x01\x7f",
    "",
]

CELL = Cell("winback", "lapsed", "ten-percent", "c0ffee", "learning", "decided", 0)


def a_decision(decision_id: str = "d1", **changes: Any) -> Decision:
    decision = Decision(
        decision_id=decision_id,
        campaign_id="winback",
        recipient_key="k1",
        request_id="r1",
        strategy_version=1,
        segment_id="lapsed",
        group=Group.LEARNING,
        variant_id="ten-percent",
        content_hash="c0ffee",
        propensity=0.1,
        reason=Reason.EXPLORE,
        snapshot_id="winback:1",
        decided_at=1,
        blocked={"hello": Block.NOT_APPROVED},
        deferred=False,
        attributes={"days": 1.5, "vip": True, "country": "US"},
        excluded=("hello",),
        retry_at=None,
    )
    return decision._replace(**changes)


def an_outcome(event_id: str = "e1", decision_id: str = "d1", **changes: Any) -> Outcome:
    return Outcome(event_id, decision_id, "purchase", 19_900_000, "USD", 5, 6, None)._replace(**changes)


def a_snapshot(number: int = 1, alpha: list[list[float]] | None = None, **changes: Any) -> Snapshot:
    values = np.array([[1.0, 2.0]] if alpha is None else alpha)
    snapshot = Snapshot(
        campaign_id="winback",
        number=number,
        created_at=7,
        strategy_version=1,
        config_hash="abc",
        segment_ids=tuple(f"s{n}" for n in range(values.shape[0])),
        variant_ids=tuple(f"v{n}" for n in range(values.shape[1])),
        content_hashes=tuple(f"h{n}" for n in range(values.shape[1])),
        belief=Belief("beta_bernoulli", {"alpha": values, "beta": values + 1.0, "penalty": np.array(0.5)}),
        trials=values * 0.5,
        floor=0.02,
        cap=0.9,
    )
    return replace(snapshot, **changes)


def sums_of(store: Store) -> dict[Cell, Sums]:
    with store.reading() as ledger:
        return dict(ledger.statistics.all())


# ---------------------------------------------------------------- decisions


def test_a_decision_comes_back_exactly_as_it_was_written(store: Store) -> None:
    decisions = [
        a_decision("a"),
        a_decision("b", variant_id=None, content_hash=None, propensity=None, snapshot_id=None, segment_id=None),
        a_decision("c", decided_at=LARGEST, retry_at=SMALLEST, deferred=True, blocked={}, attributes={}, excluded=()),
        a_decision("d", propensity=5e-324),
        a_decision("e", propensity=0.1 + 0.2, reason=Reason.HOLDOUT, group=Group.STRATEGY_HOLDOUT),
    ]
    with store.writing() as ledger:
        assert ledger.decisions.insert(decisions) == set("abcde")
    with store.reading() as ledger:
        assert ledger.decisions.by_id(list("abcde")) == {d.decision_id: d for d in decisions}


def test_a_decision_is_written_once_and_the_first_one_stays(store: Store) -> None:
    with store.writing(alone=True) as ledger:
        assert ledger.decisions.insert([a_decision("a"), a_decision("b")]) == {"a", "b"}
        assert ledger.decisions.insert([a_decision("b", decided_at=9), a_decision("c")]) == {"c"}
    with store.writing(alone=True) as ledger:
        assert ledger.decisions.insert([a_decision("a", decided_at=9)]) == set()
    with store.reading() as ledger:
        assert ledger.decisions.by_id(["a"])["a"].decided_at == 1
        assert ledger.decisions.by_id(["b"])["b"].decided_at == 1
        assert ledger.decisions.count() == 3


def test_one_insert_that_names_a_decision_twice_writes_it_once(store: Store) -> None:
    with store.writing() as ledger:
        assert ledger.decisions.insert([a_decision("a"), a_decision("a", decided_at=9)]) == {"a"}
        assert ledger.decisions.count() == 1


def test_looking_for_no_decisions_or_unknown_ones_finds_none(store: Store) -> None:
    with store.reading() as ledger:
        assert ledger.decisions.by_id([]) == {}
        assert ledger.decisions.by_id(["nobody", "'; --"]) == {}
        assert ledger.decisions.latest_of("k1", "winback") is None
        assert ledger.decisions.sample(10) == []
        assert list(ledger.decisions.stream()) == []
        assert list(ledger.outcomes.stream()) == []
        assert ledger.outcomes.known([]) == set()
    with store.writing() as ledger:
        assert ledger.decisions.insert([]) == set()
        assert ledger.outcomes.insert([]) == set()


def test_more_decisions_than_a_stream_holds_at_once_are_inserted_found_and_streamed_in_order_of_their_id(
    store: Store,
) -> None:
    ids = [f"{n * 7919 % 5_200:05}" for n in range(5_200)]
    with store.writing() as ledger:
        assert ledger.decisions.insert([a_decision(id_) for id_ in ids]) == set(ids)
        assert len(ledger.decisions.by_id(ids)) == len(ledger.decisions.briefs(ids)) == 5_200
    with store.reading() as ledger:
        assert [d.decision_id for d in ledger.decisions.stream()] == sorted(ids)
        assert [d.decision_id for d in ledger.decisions.sample(3)] == ["00000", "00001", "00002"]


def test_the_latest_decision_of_a_recipient_is_the_newest_of_that_campaign(store: Store) -> None:
    with store.writing() as ledger:
        ledger.decisions.insert(
            [
                a_decision("a", decided_at=1),
                a_decision("b", decided_at=3),
                a_decision("c", decided_at=2),
                a_decision("d", decided_at=4, campaign_id="other"),
                a_decision("e", decided_at=5, recipient_key="somebody else"),
            ]
        )
        latest = ledger.decisions.latest_of("k1", "winback")
    assert latest is not None
    assert latest.decision_id == "b"


# ---------------------------------------------------------------- outcomes and quarantine


def test_an_outcome_is_written_once_and_comes_back_exactly(store: Store) -> None:
    outcomes = [
        an_outcome("a", value=LARGEST),
        an_outcome("b", value=SMALLEST, currency=None),
        an_outcome("c", value=None, reverses="a", occurred_at=-5),
        an_outcome("d", decision_id="d2"),
    ]
    with store.writing(alone=True) as ledger:
        assert ledger.outcomes.insert(outcomes) == set("abcd")
        assert ledger.outcomes.insert([an_outcome("a", value=1)]) == set()
    with store.reading() as ledger:
        found = ledger.outcomes.of(["d1", "d2", "d3"])
        assert sorted(found["d1"], key=lambda o: o.event_id) == outcomes[:3]
        assert found["d2"] == [outcomes[3]]
        assert found.get("d3", []) == []
        assert ledger.outcomes.known(["a", "b", "x"]) == {"a", "b"}
        assert ledger.outcomes.count() == 4


def test_outcomes_stream_grouped_by_decision_in_order_of_its_id(store: Store) -> None:
    with store.writing() as ledger:
        ledger.outcomes.insert([an_outcome(f"e{n:05}", f"d{n % 7}") for n in range(5_100)])
    with store.reading() as ledger:
        streamed = [(decision_id, len(outcomes)) for decision_id, outcomes in ledger.outcomes.stream()]
    assert [decision_id for decision_id, _ in streamed] == [f"d{n}" for n in range(7)]
    assert sum(n for _, n in streamed) == 5_100


def test_quarantine_keeps_replaces_and_releases(store: Store) -> None:
    with store.writing() as ledger:
        ledger.quarantine.keep("a", "no such decision", {"text": "\x00 🦊 '"}, 1)
        ledger.quarantine.keep("b", "no such decision", {}, 1)
        ledger.quarantine.keep("a", "too early", {"again": True}, 2)
        assert ledger.quarantine.count() == 2
        ledger.quarantine.release(["a", "never heard of"])
        ledger.quarantine.release([])
        assert ledger.quarantine.count() == 1


# ---------------------------------------------------------------- statistics


def test_pending_sums_are_seen_by_nobody_until_the_transaction_flushes_them(store: Store) -> None:
    with store.writing() as ledger:
        ledger.statistics.pending.add([(CELL, Sums(1, 0, 5, 50))])
        assert dict(ledger.statistics.all()) == {}
        ledger.statistics.flush()
        assert dict(ledger.statistics.all()) == {CELL: Sums(1, 0, 5, 50)}
        assert not ledger.statistics.pending
        ledger.statistics.pending.add([(CELL, Sums(1, 1, 5, 50))])
    assert sums_of(store) == {CELL: Sums(2, 1, 10, 100)}


def test_sums_of_many_transactions_add_up_and_negative_differences_take_away(store: Store) -> None:
    other = CELL._replace(bucket=-3_600_000_000)
    for n in range(1, 6):
        with store.writing() as ledger:
            ledger.statistics.pending.add([(CELL, Sums(n, 1, -n, 25)), (other, Sums(1, 0, 0, 0))])
    with store.writing() as ledger:
        ledger.statistics.pending.subtract([(CELL, Sums(20, 9, 15, 500)), (other, Sums(5, 0, 0, 0))])
    assert sums_of(store) == {CELL: Sums(-5, -4, -30, -375), other: Sums(0, 0, 0, 0)}


def test_changes_that_cancel_out_within_a_transaction_write_nothing(store: Store) -> None:
    with store.writing() as ledger:
        ledger.statistics.pending.add([(CELL, Sums(1, 1, 7, 49))])
        ledger.statistics.pending.subtract([(CELL, Sums(1, 1, 7, 49))])
    assert sums_of(store) == {}


@pytest.mark.parametrize("extreme", [LARGEST, SMALLEST])
def test_sums_reach_the_ends_of_64_bits_exactly(store: Store, extreme: int) -> None:
    step = 1 if extreme > 0 else -1
    total = step * LARGEST_SUM
    with store.writing() as ledger:
        ledger.statistics.pending.add([(CELL._replace(bucket=extreme), Sums(extreme - step, extreme, total, extreme))])
    with store.writing() as ledger:
        ledger.statistics.pending.add([(CELL._replace(bucket=extreme), Sums(step, 0, 0, 0))])
    assert sums_of(store) == {CELL._replace(bucket=extreme): Sums(extreme, extreme, total, extreme)}


def test_sums_of_one_campaign_leave_out_the_others(store: Store) -> None:
    other = CELL._replace(campaign_id="other")
    with store.writing() as ledger:
        ledger.statistics.pending.add([(CELL, Sums(1, 0, 0, 0)), (other, Sums(2, 0, 0, 0))])
    with store.reading() as ledger:
        assert dict(ledger.statistics.of_campaign("other")) == {other: Sums(2, 0, 0, 0)}


def test_two_workers_that_change_the_same_cells_at_once_lose_nothing(store: Store) -> None:
    cells = [CELL._replace(bucket=n) for n in range(20)]

    def work() -> None:
        for _ in range(10):
            with store.writing() as ledger:
                ledger.statistics.pending.add([(cell, Sums(1, 1, 1, 1)) for cell in cells])

    _together(work, 4)
    assert sums_of(store) == {cell: Sums(40, 40, 40, 40) for cell in cells}


# ---------------------------------------------------------------- snapshots, versions, revisions


def test_a_snapshot_comes_back_bit_for_bit(store: Store) -> None:
    finite = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=True)
    shapes = st.tuples(st.integers(1, 3), st.integers(1, 4))
    numbers = iter(range(1, 1_000_000))

    @settings(max_examples=40)
    @given(
        shapes.flatmap(
            lambda shape: st.lists(
                st.lists(finite, min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
            )
        ),
        finite,
    )
    def check(alpha: list[list[float]], bound: float) -> None:
        values = np.array(alpha)
        of_arms = {"before": values, "elsewhere": -values}
        bounds = {"top_two": bound, "minimum_trials": 7, "largest_change": bound}
        snapshot = a_snapshot(next(numbers), alpha, floor=bound, cap=bound, **bounds, **of_arms)
        with store.writing() as ledger:
            assert ledger.snapshots.insert(snapshot)
        with store.reading() as ledger:
            found = ledger.snapshots.get(snapshot.snapshot_id)
        assert found is not None
        assert struct.pack("dd", found.floor, found.cap) == struct.pack("dd", bound, bound)
        assert {name: getattr(found, name) for name in bounds} == bounds
        kept, written = (
            {**one.belief.arrays, **{name: getattr(one, name) for name in ("trials", *of_arms)}}
            for one in (found, snapshot)
        )
        for name, array in written.items():
            assert kept[name].tobytes() == array.tobytes()
            assert kept[name].shape == array.shape

    check()


def test_a_snapshot_keeps_its_names_and_its_place(store: Store) -> None:
    with store.writing() as ledger:
        assert ledger.snapshots.latest("winback") is None
        assert ledger.snapshots.latest_number("winback") == 0
        assert ledger.snapshots.insert(a_snapshot(1))
        assert ledger.snapshots.insert(a_snapshot(10, segment_ids=("🦊",)))
        assert ledger.snapshots.insert(a_snapshot(9))
        assert ledger.snapshots.insert(a_snapshot(11, campaign_id="a:b"))
    with store.reading() as ledger:
        latest = ledger.snapshots.latest("winback")
        assert latest is not None
        assert (latest.number, latest.segment_ids, latest.created_at) == (10, ("🦊",), 7)
        assert ledger.snapshots.latest_number("winback") == 10
        assert ledger.snapshots.get("a:b:11") is not None
        assert ledger.snapshots.get("winback:12") is None
        assert ledger.snapshots.get("winback") is None
        assert ledger.snapshots.get("winback:'; --") is None


def test_of_two_workers_that_take_the_same_snapshot_number_one_is_told_it_lost(store: Store) -> None:
    told: list[bool] = []

    def work() -> None:
        with store.writing() as ledger:
            told.append(ledger.snapshots.insert(a_snapshot(1)))

    _together(work, 4)
    assert sorted(told) == [False, False, False, True]


def test_versions_are_inserted_once_and_the_latest_is_found(store: Store) -> None:
    first = StrategyVersion(1, "d1", {"strategy.yaml": "a: 'b'\n\x00🦊"}, 5, "ann", "first")
    second = replace(first, version=2, note="<b>second</b>")
    with store.writing() as ledger:
        assert ledger.versions.latest() is None
        ledger.versions.insert(first)
        ledger.versions.insert(second)
    with store.reading() as ledger:
        assert ledger.versions.latest() == second
        assert ledger.versions.get(1) == first
        assert ledger.versions.get(3) is None
    with pytest.raises(Exception, match=r"(?i)unique"), store.writing() as ledger:
        ledger.versions.insert(first)


def test_a_counter_counts_every_bump_of_concurrent_transactions(store: Store) -> None:
    def work() -> None:
        for _ in range(10):
            with store.writing() as ledger:
                ledger.revisions.bump("documents")

    _together(work, 2)
    with store.reading() as ledger:
        assert ledger.revisions.all()["documents"] == 20


def test_two_transactions_that_bump_the_same_counter_follow_one_another(store: Store) -> None:
    entered = Barrier(2, timeout=20)
    events: list[str] = []

    def second() -> None:
        entered.wait()
        with store.writing() as ledger:
            ledger.revisions.bump("documents")
            events.append("second")

    thread = Thread(target=second, daemon=True)
    thread.start()
    with store.writing() as ledger:
        ledger.revisions.bump("documents")
        entered.wait()
        thread.join(0.2)
        events.append("first")
    thread.join(20)
    assert events == ["first", "second"]


def test_the_first_value_kept_under_a_name_stays(store: Store) -> None:
    with store.writing() as ledger:
        assert ledger.revisions.value("secret", "one") == "one"
    with store.writing() as ledger:
        assert ledger.revisions.value("secret", "two") == "one"


# ---------------------------------------------------------------- people


def test_an_approval_granted_twice_is_kept_as_it_was_first(store: Store) -> None:
    first = Approval("winback", "ten-percent", "c0ffee", 1, "ann", "fine")
    with store.writing() as ledger:
        ledger.approvals.grant(first)
        ledger.approvals.grant(first._replace(actor="bob", approved_at=2))
        ledger.approvals.grant(first._replace(content_hash="other"))
    with store.reading() as ledger:
        assert sorted(ledger.approvals.all()) == sorted([first, first._replace(content_hash="other")])


def test_the_audit_trail_lists_the_newest_first(store: Store) -> None:
    for n in range(5):
        with store.writing() as ledger:
            ledger.audit.append(AuditEntry(n, "ann", "apply", f"version {n}", "note"))
    with store.reading() as ledger:
        assert [link.entry.at for link in ledger.audit.latest(3)] == [4, 3, 2]


def test_keys_and_profiles_come_back_as_they_were_put(store: Store) -> None:
    key = StoredKey("hash", "mailer", "decide report_outcomes", 3)
    with store.writing() as ledger:
        ledger.keys.insert(key)
        ledger.recipients.put("k1", Profile({"days": 1, "vip": True}, {"email": True}, "Europe/Paris"), 1)
        ledger.recipients.put("k1", Profile({"days": 2.5, "country": "US"}, {"sms": False}), 2)
    with store.reading() as ledger:
        assert ledger.keys.all() == [key]
        assert ledger.recipients.of(["k1", "k2"]) == {"k1": Profile({"days": 2.5, "country": "US"}, {"sms": False})}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_sql_html_and_emoji_in_any_field_are_data(store: Store, text: str) -> None:
    decision = a_decision(
        "d1",
        campaign_id=text,
        recipient_key=text,
        request_id=text,
        segment_id=text,
        variant_id=text,
        blocked={text: Block.ENDED},
        attributes={text: text},
        excluded=(text,),
    )
    outcome = an_outcome("e1", kind=text, currency=text, reverses=text)
    entry = AuditEntry(1, text, text, text, text)
    approval = Approval(text, text, text, 1, text, text)
    cell = Cell(text, text, text, text, text, text, 0)
    with store.writing() as ledger:
        ledger.decisions.insert([decision])
        ledger.outcomes.insert([outcome])
        ledger.audit.append(entry)
        ledger.approvals.grant(approval)
        ledger.statistics.pending.add([(cell, Sums(1, 1, 1, 1))])
        ledger.quarantine.keep("q1", text, {text: text}, 1)
        ledger.snapshots.insert(a_snapshot(1, campaign_id=text))
        ledger.versions.insert(StrategyVersion(1, text, {text: text}, 1, text, text))
    with store.reading() as ledger:
        assert ledger.decisions.by_id(["d1"]) == {"d1": decision}
        assert ledger.decisions.latest_of(text, text) == decision
        assert ledger.outcomes.of(["d1"]) == {"d1": [outcome]}
        assert [link.entry for link in ledger.audit.latest()] == [entry]
        assert ledger.approvals.all() == [approval]
        assert dict(ledger.statistics.of_campaign(text)) == {cell: Sums(1, 1, 1, 1)}
        assert ledger.snapshots.get(f"{text}:1") is not None
        assert ledger.versions.get(1) == StrategyVersion(1, text, {text: text}, 1, text, text)


def test_a_long_text_is_kept_whole(store: Store) -> None:
    text = "🦊" * 200_000
    with store.writing() as ledger:
        ledger.audit.append(AuditEntry(1, "ann", "apply", text, text))
    with store.reading() as ledger:
        assert ledger.audit.latest()[0].entry.subject == text


# ---------------------------------------------------------------- transactions


def test_a_block_that_raises_leaves_nothing(store: Store, rows: Callable[[Store], dict[str, int]]) -> None:
    before = rows(store)

    def write(ledger: Ledger) -> None:
        ledger.decisions.insert([a_decision()])
        ledger.outcomes.insert([an_outcome()])
        ledger.statistics.pending.add([(CELL, Sums(1, 1, 1, 1))])
        ledger.statistics.flush()
        ledger.statistics.pending.add([(CELL, Sums(1, 1, 1, 1))])
        ledger.quarantine.keep("q", "r", {}, 1)
        ledger.snapshots.insert(a_snapshot())
        ledger.versions.insert(StrategyVersion(1, "d", {}, 1, "a", "n"))
        ledger.revisions.bump("documents")
        ledger.approvals.grant(Approval("c", "v", "h", 1, "a", "n"))
        ledger.audit.append(AuditEntry(1, "a", "b", "c", "d"))
        ledger.keys.insert(StoredKey("h", "n", "s", 1))
        ledger.recipients.put("k", Profile(), 1)
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"), store.writing() as ledger:
        write(ledger)
    assert rows(store) == before


def test_a_reader_sees_one_view_from_its_first_question_to_its_last(store: Store) -> None:
    with store.writing() as ledger:
        ledger.decisions.insert([a_decision("a")])
    with store.reading() as reader:
        assert reader.decisions.count() == 1
        with store.writing() as writer:
            writer.decisions.insert([a_decision("b")])
            writer.statistics.pending.add([(CELL, Sums(1, 0, 0, 0))])
            assert reader.decisions.count() == 1
        assert reader.decisions.count() == 1
        assert dict(reader.statistics.all()) == {}
    with store.reading() as reader:
        assert reader.decisions.count() == 2


def test_a_reader_is_not_kept_waiting_by_a_writer(store: Store) -> None:
    with store.writing() as writer:
        writer.decisions.insert([a_decision("a")])
        with store.reading() as reader:
            assert reader.decisions.count() == 0


def test_a_ledger_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    broken = Store(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}")
    try:
        with pytest.raises(Unavailable), broken.reading():
            pass
        with pytest.raises(Unavailable), broken.writing():
            pass
    finally:
        broken.close()


@pytest.mark.postgres
def test_a_connection_that_was_cut_is_unavailable_and_the_next_one_works(new_database: Callable[[str], str]) -> None:
    store = Store(new_database("postgresql"))
    try:
        store.migrate()

        def write_and_be_cut_off(ledger: Ledger) -> None:
            ledger.decisions.insert([a_decision()])
            with store.engine.connect() as other:
                other.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            ledger.decisions.count()

        with pytest.raises(Unavailable), store.writing() as ledger:
            write_and_be_cut_off(ledger)
        with store.writing() as ledger:
            assert ledger.decisions.count() == 0
    finally:
        store.close()


def test_postgresql_refuses_nul_in_a_text_and_sqlite_keeps_it(store: Store) -> None:
    entry = AuditEntry(1, "ann", "apply", "with \x00 inside", "note")
    if store.is_sqlite:
        with store.writing() as ledger:
            ledger.audit.append(entry)
        with store.reading() as ledger:
            assert [link.entry for link in ledger.audit.latest()] == [entry]
    else:
        with pytest.raises(Exception, match="NUL"), store.writing() as ledger:
            ledger.audit.append(entry)


def _together(work: Callable[[], None], n: int) -> None:
    """Run `work` in `n` threads that begin at the same moment."""
    barrier = Barrier(n, timeout=20)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            barrier.wait()
            work()
        except BaseException as error:  # shown below, in the thread of the test
            failures.append(error)

    threads = [Thread(target=run, daemon=True) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not failures
