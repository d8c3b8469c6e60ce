"""Several workers on one database: they agree, count once, and see each other's changes before the next decision."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Barrier, Thread
from time import sleep
from typing import Any

import pytest

from optimizer.errors import Contended
from optimizer.services.decisions import deciding
from optimizer.services.decisions.deciding import Answer, decide
from optimizer.services.group_commit import GroupCommit
from optimizer.services.learning.refreshing import learn_campaign
from optimizer.services.outcomes.recording import record_outcomes
from optimizer.storage.outcomes import Outcomes
from optimizer.storage.snapshots import Snapshots
from optimizer.storage.store import Ledger

POSTGRESQL_ONLY = [pytest.param("postgresql", marks=pytest.mark.postgres)]
APPLY = """
import sys
from pathlib import Path
from optimizer.deployment import Deployment, load_workspace, now
from optimizer.settings import read_settings
from optimizer.services.documents.applying import apply_workspace
deployment = Deployment(Path(sys.argv[1]), read_settings())
with deployment.store.writing(alone=True) as ledger:
    apply_workspace(ledger, load_workspace(deployment.folder), actor="other", note="", now=now())
deployment.close()
"""


def together(*works: Callable[[], None]) -> None:
    """Run every work in a thread of its own, all beginning at the same moment."""
    barrier = Barrier(len(works), timeout=20)
    failures: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            barrier.wait()
            work()
        except BaseException as error:  # shown below, in the thread of the test
            failures.append(error)

    threads = [Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not failures


def test_one_request_asked_many_times_at_once_through_group_commit_is_one_decision(house: Any) -> None:
    def handler(ledger: Any, requests: Any) -> Any:
        return decide(ledger, house.deployment.live, requests, house.now)

    async def ask() -> list[Any]:
        writer = GroupCommit(house.deployment.store, [handler])
        answers = await asyncio.gather(*[writer.submit(handler, [house.request("ann")]) for _ in range(32)])
        await writer.close()
        return [answer for (answer,) in answers]

    answers = asyncio.run(ask())
    assert len(answers) == 32
    assert all(answer == answers[0] for answer in answers)
    assert house.counts()["decisions"] == 1
    assert house.verify().clean


def test_two_workers_asked_the_same_things_at_once_agree_and_count_once(house: Any, second_worker: Any) -> None:
    second_worker.now = house.now + 7
    recipients = [f"p{n}" for n in range(60)]
    found: dict[str, list[Answer]] = {"one": [], "two": []}

    def ask(name: str, worker: Any, order: list[str]) -> None:
        for start in range(0, len(order), 5):
            found[name] += worker.decide(*[worker.request(recipient) for recipient in order[start : start + 5]])

    together(
        lambda: ask("one", house, recipients),
        lambda: ask("two", second_worker, recipients[::-1]),
    )
    assert found["one"] == found["two"][::-1]
    assert house.counts()["decisions"] == 60
    assert house.verify().clean
    assert second_worker.verify().clean


@pytest.mark.postgres
def test_of_two_blasts_at_once_to_the_same_people_neither_is_in_vain(
    new_database: Any, deploy: Any, make_house: Any, files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*given: Any) -> None:
        sleep(0.3)  # long enough for the other to look, too, before anything is written
        commit(*given)

    commit = deciding.commit_to
    monkeypatch.setattr(deciding, "commit_to", slowly)
    url = new_database("postgresql")
    one, two = make_house(deploy(url)), make_house(deploy(url))
    strategy = files["strategy.yaml"] + "contact_policy: [{at_most: 1, per: P7D}]\n"
    one.apply({**files, "strategy.yaml": strategy})
    one.learn()
    found: list[list[Any]] = []

    def blast(worker: Any, name: str) -> None:
        requests = [worker.request(f"p{n}", name) for n in range(300)]
        with worker.deployment.store.writing() as ledger:  # not alone, and so `Contended` where both contact somebody
            found.append(decide(ledger, worker.deployment.live, requests, worker.now))

    together(lambda: blast(one, "r1"), lambda: blast(two, "r2"))
    sent = Counter(a.decision.recipient_key for answers in found for a in answers if a.variant is not None)
    assert len(sent) > 200
    assert set(sent.values()) == {1}
    assert one.verify().clean


def test_two_workers_told_the_same_things_at_once_count_them_once(house: Any, second_worker: Any) -> None:
    ids = [answer.decision.decision_id for answer in house.learning(10)]
    reports = [
        house.report(decision_id, kind, event_id=f"{kind}-{n}-{decision_id[:8]}")
        for decision_id in ids
        for n, kind in enumerate(["purchase", "opened", "purchase", "clicked"])
    ]
    statuses: list[str] = []

    def tell(worker: Any, some: list[Any]) -> None:
        for start in range(0, len(some), 4):
            statuses.extend(one.status.value for one in worker.record(*some[start : start + 4]))

    together(lambda: tell(house, reports), lambda: tell(second_worker, reports[::-1]))
    assert sorted(statuses) == ["accepted"] * 40 + ["duplicate"] * 40
    assert house.trials() == (10, 10, 10)
    assert house.verify().clean


def test_outcomes_of_one_decision_told_to_two_workers_at_once_add_up(house: Any, second_worker: Any) -> None:
    (answer,) = house.learning(1, "newsletter")
    id_ = answer.decision.decision_id
    house.recorded(id_, "delivered")

    def tell(worker: Any, name: str) -> None:
        for n in range(15):
            (one,) = worker.record(worker.report(id_, "clicked", event_id=f"{name}-{n}"))
            assert one.status.value == "accepted"

    together(lambda: tell(house, "a"), lambda: tell(second_worker, "b"))
    assert house.trials("newsletter", "reward:clicks") == (1, 1, 30)
    assert house.verify().clean


@pytest.mark.parametrize("database", POSTGRESQL_ONLY, indirect=True)  # SQLite has one writer at a time
def test_who_hears_of_a_decision_while_another_worker_does_waits_and_counts_what_that_one_has_written(
    house: Any, second_worker: Any
) -> None:
    one, two = house, second_worker
    id_ = one.learning(1)[0].decision.decision_id  # of a campaign that counts the first purchase
    first = one.deployment.store.begin()
    with first.working() as ledger:
        record_outcomes(ledger, one.deployment.live, [one.report(id_)], one.now)

    def tell() -> None:
        with two.deployment.store.writing() as ledger:
            record_outcomes(ledger, two.deployment.live, [two.report(id_)], two.now)

    second = Thread(target=tell, daemon=True)
    second.start()
    second.join(0.5)
    assert second.is_alive()
    first.commit()
    second.join(20)
    assert one.counts()["outcomes"] == 2
    assert one.trials() == (1, 1, 1)
    assert one.verify().clean


@pytest.mark.parametrize("database", POSTGRESQL_ONLY, indirect=True)  # SQLite has one writer at a time
def test_an_outcome_of_somebody_who_is_erased_meanwhile_is_taken_back_and_told_anew(
    house: Any, second_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = house, second_worker
    id_ = one.decided("ann").decision.decision_id
    insert = Outcomes.insert

    def insert_while_ann_is_erased(outcomes: Outcomes, some: Any) -> set[str]:
        written = insert(outcomes, some)
        forgotten = two.erase("ann", alone=False)
        assert forgotten.decisions == 1
        return written

    monkeypatch.setattr(Outcomes, "insert", insert_while_ann_is_erased)
    with pytest.raises(Contended, match="erased"), one.deployment.store.writing() as ledger:
        record_outcomes(ledger, one.deployment.live, [one.report(id_)], one.now)
    monkeypatch.undo()
    assert one.counts()["outcomes"] == 0
    assert one.recorded(id_) == "unknown"  # which is what the second attempt tells
    assert one.verify().clean


def test_what_one_worker_learns_the_other_uses_at_its_next_decision(house: Any, second_worker: Any) -> None:
    assert second_worker.learning(1)[0].decision.snapshot_id == "winback:1"
    for answer in house.learning(30):
        house.recorded(answer.decision.decision_id)
    assert house.learn().snapshot_id == "winback:2"
    assert second_worker.decided("zoe", "r9").decision.snapshot_id in {"winback:2", None}
    assert second_worker.learning(3)[-1].decision.snapshot_id == "winback:2"
    assert second_worker.verify().clean


def test_two_workers_that_learn_at_once_leave_one_chain_of_snapshots(house: Any, second_worker: Any) -> None:
    for answer in house.learning(30):
        house.recorded(answer.decision.decision_id)
    together(house.learn, second_worker.learn)
    house.learning(3)
    second_worker.learning(3)
    assert house.verify().clean
    with house.deployment.store.reading() as ledger:
        assert ledger.snapshots.latest_number("winback") in {2, 3}


def test_documents_applied_by_another_process_are_seen_by_the_next_decision(
    house: Any, database_url: str, workspace: Callable[..., Path], files: Any, edited: Any
) -> None:
    assert house.decided("ann", "r1").decision.strategy_version == 1
    changed = edited(files, "campaigns/winback.yaml", ("How are you", "How are you now"))
    folder = workspace(changed)
    subprocess.run(
        [sys.executable, "-c", APPLY, str(folder)],
        check=True,
        timeout=60,
        env={
            "OPTIMIZER_DATABASE_URL": database_url,
            "OPTIMIZER_SECRET": house.deployment.settings.secret.get_secret_value(),
            "PATH": "",
            "OPTIMIZER_ACTOR": "other",
        },
    )
    after = house.decided("ann", "r2")
    assert after.decision.strategy_version == 2
    assert house.decided("ann", "r1").decision.strategy_version == 1
    assert house.verify().clean


def test_an_approval_by_another_worker_is_seen_by_the_next_decision(
    house: Any, second_worker: Any, files: Any, edited: Any
) -> None:
    house.apply(edited(files, "strategy.yaml", ("approval: {required: false}", "approval: {required: true}")))
    assert second_worker.decided("ann", "r1").variant is None
    for message in ("hello", "ten-percent", "new-arrivals"):
        house.approve("winback", message)
    assert second_worker.decided("ann", "r2").variant is not None


def test_a_lesson_that_was_rolled_back_is_never_used(house: Any) -> None:
    for answer in house.learning(60):
        if answer.decision.variant_id == "hello":
            house.recorded(answer.decision.decision_id)
    store, live = house.deployment.store, house.deployment.live

    def learn_and_fail(ledger: Ledger) -> None:
        learn_campaign(ledger, live, "winback", house.now)
        learn_campaign(ledger, live, "newsletter", house.now)
        raise RuntimeError("the plug was pulled")

    with pytest.raises(RuntimeError, match="pulled"), store.writing(alone=True) as ledger:
        learn_and_fail(ledger)
    answers = house.learning(5)
    assert {answer.decision.snapshot_id for answer in answers} == {"winback:1"}
    assert house.verify().clean
    assert house.learn().snapshot_id == "winback:2"
    house.learning(5)
    assert house.verify().clean


def test_outcomes_that_were_rolled_back_are_neither_counted_nor_known(house: Any) -> None:
    (answer,) = house.learning(1)
    report = house.report(answer.decision.decision_id)

    def record_and_fail(ledger: Ledger) -> None:
        record_outcomes(ledger, house.deployment.live, [report], house.now)
        raise RuntimeError("the plug was pulled")

    with pytest.raises(RuntimeError, match="pulled"), house.deployment.store.writing(alone=True) as ledger:
        record_and_fail(ledger)
    assert house.trials() == (1, 0, 0)
    assert [one.status.value for one in house.record(report)] == ["accepted"]
    assert house.verify().clean


def test_a_campaign_whose_arms_are_reordered_while_another_worker_learns_is_never_served_a_foreign_allocation(
    house: Any, second_worker: Any, files: Any
) -> None:
    lines = files["campaigns/winback.yaml"].splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if "id: ten-percent" in line)
    lines[first], lines[first + 1] = lines[first + 1], lines[first]
    orders = [files, {**files, "campaigns/winback.yaml": "".join(lines)}]

    def apply() -> None:
        for n in range(8):
            house.apply(orders[(n + 1) % 2])

    def learn() -> None:
        for answer in second_worker.learning(25):
            second_worker.recorded(answer.decision.decision_id)
            second_worker.learn()

    together(apply, learn)
    house.learning(5)
    second_worker.learning(5)
    assert house.verify().clean


@pytest.mark.postgres
def test_documents_applied_in_the_middle_of_learning_wait_for_it(
    new_database: Callable[[str], str], deploy: Any, make_house: Any, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database("postgresql")
    house, other = make_house(deploy(url)), make_house(deploy(url))
    house.apply()
    for answer in house.learning(30):
        house.recorded(answer.decision.decision_id)
    fewer = files["campaigns/winback.yaml"].replace("  - {id: new-arrivals, subject: See what is new}\n", "")
    applying = Thread(target=lambda: other.apply({**files, "campaigns/winback.yaml": fewer}), daemon=True)
    latest = Snapshots.latest

    def latest_slowly(self: Snapshots, campaign_id: str) -> Any:
        if not applying.ident:
            applying.start()
            applying.join(1)
        return latest(self, campaign_id)

    monkeypatch.setattr(Snapshots, "latest", latest_slowly)
    house.learn()
    applying.join(20)
    assert not applying.is_alive()
    for worker in (house, other):
        worker._numbers = iter(range(id(worker), id(worker) + 1_000))
        for answer in worker.learning(5):
            assert answer.decision.strategy_version == 2
            assert answer.decision.variant_id != "new-arrivals"
    assert house.verify().clean


def test_two_people_who_apply_at_once_make_two_versions(
    house: Any, second_worker: Any, files: Any, edited: Any
) -> None:
    applied: list[int] = []

    def work(worker: Any, words: str) -> Callable[[], None]:
        documents = edited(files, "campaigns/winback.yaml", ("How are you", words))
        return lambda: applied.append(worker.apply(documents).version)

    together(work(house, "one"), work(second_worker, "two"))
    assert sorted(applied) == [2, 3]
