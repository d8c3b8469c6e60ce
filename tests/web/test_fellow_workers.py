"""Workers of one host add up what they count, also after some of them have died."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from optimizer.deployment import Deployment
from optimizer.errors import ConfigurationError
from optimizer.settings import Settings
from optimizer.web.app import create_app
from optimizer.web.observing.fellow_workers import FellowWorkers, Shared
from optimizer.web.observing.tallies import MOST_KEYS, OTHER, Spread, Tally, cumulative, merged

Worker = tuple[FellowWorkers, Tally, Spread]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    """Begins a worker that counts visits and their seconds, in a folder that all share."""
    begun: list[FellowWorkers] = []

    def make() -> Worker:
        visits = Tally("visits", "Visits.", ("route", "status"))
        seconds = Spread("seconds", "Seconds.", ("route",), bounds=(0.1, 1.0))
        fellows = FellowWorkers((visits, seconds), tmp_path / "shared")
        begun.append(fellows)
        return fellows, visits, seconds

    yield make
    for fellows in begun:
        fellows.close()


def visits_of(workers: list[Shared]) -> dict[Any, list[float]]:
    return merged([worker.states["visits"] for worker in workers])


def test_whoever_is_asked_counts_all_of_them(begin: Callable[[], Worker]) -> None:
    (one, its_visits, its_seconds), (other, other_visits, other_seconds) = begin(), begin()
    assert (one.number, other.number) == (0, 1)
    its_visits.add(("/a", 200), 3)
    other_visits.add(("/a", 200), 4)
    other_visits.add(("/b", 500))
    its_seconds.observe(0.05, ("/a",))
    other_seconds.observe(7.0, ("/a",))
    one.publish({"queue": 1})
    other.publish({"queue": 2})
    for asked in (one, other):
        found = asked.all({"queue": 9})
        assert visits_of(found) == {("/a", 200): [7.0], ("/b", 500): [1.0]}
        assert merged([worker.states["seconds"] for worker in found]) == {("/a",): [1.0, 0.0, 1.0, 7.05]}
        assert all(worker.alive for worker in found)
    assert [worker.now["queue"] for worker in one.all({"queue": 9})] == [9, 2]


def test_a_worker_is_as_it_is_now_to_itself_and_as_it_was_to_others(begin: Callable[[], Worker]) -> None:
    (one, its_visits, _), (other, _, _) = begin(), begin()
    its_visits.add(("/a", 200))
    assert visits_of(one.all({})) == {("/a", 200): [1.0]}
    assert visits_of(other.all({})) == {}
    one.publish({})
    assert visits_of(other.all({})) == {("/a", 200): [1.0]}


def test_the_next_worker_goes_on_from_where_a_dead_one_stopped(begin: Callable[[], Worker]) -> None:
    (one, its_visits, _), (other, _, _) = begin(), begin()
    its_visits.add(("/a", 200), 5)
    one.publish({"queue": 1})
    one.close()  # as the system does when it is killed
    dead = [worker for worker in other.all({}) if not worker.alive]
    assert [(worker.number, worker.states["visits"]) for worker in dead] == [(0, {("/a", 200): [5.0]})]

    heir, its_visits, _ = begin()
    assert heir.number == 0
    its_visits.add(("/a", 200), 2)
    heir.publish({})
    found = other.all({})
    assert all(worker.alive for worker in found)
    assert visits_of(found) == {("/a", 200): [7.0]}


def test_a_killed_process_frees_its_number(begin: Callable[[], Worker], tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\n"
        "from optimizer.web.observing.fellow_workers import FellowWorkers\n"
        "from optimizer.web.observing.tallies import Tally\n"
        "visits = Tally('visits', 'Visits.', ('route', 'status'))\n"
        "fellows = FellowWorkers((visits,), pathlib.Path(sys.argv[1]))\n"
        "visits.add(('/a', 200), 11)\n"
        "fellows.publish({})\n"
        "print(fellows.number, flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "shared")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        here, _, _ = begin()
        assert here.number == 1
        assert [worker.alive for worker in here.all({})] == [True, True]
        process.kill()
        process.wait()
    assert sorted((worker.number, worker.alive) for worker in here.all({})) == [(0, False), (1, True)]
    assert visits_of(here.all({})) == {("/a", 200): [11.0]}


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"states": 3}', b'{"states": {"visits": [1]}, "now": {}}'])
def test_a_file_that_cannot_be_read_is_passed_over(begin: Callable[[], Worker], tmp_path: Path, left: bytes) -> None:
    one, its_visits, _ = begin()
    (tmp_path / "shared" / "worker-7.json").write_bytes(left)
    its_visits.add(("/a", 200))
    assert visits_of(one.all({})) == {("/a", 200): [1.0]}


def test_a_folder_that_cannot_be_written_is_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"OPTIMIZER_METRICS_FOLDER: found .*; allowed a folder to write to"):
        FellowWorkers((), tmp_path / "file")


def test_such_a_folder_is_refused_before_the_service_begins(tmp_path: Path, workspace: Callable[..., Path]) -> None:
    (tmp_path / "file").write_text("")
    deployment = Deployment(workspace(), Settings(metrics_folder=tmp_path / "file"))
    try:
        with pytest.raises(ConfigurationError, match="OPTIMIZER_METRICS_FOLDER"):
            create_app(deployment)
    finally:
        deployment.close()


def test_ranges_of_another_release_do_not_stop_a_scrape() -> None:
    assert merged([{("/a",): [1.0, 2.0, 3.0]}, {("/a",): [1.0, 2.0]}]) == {("/a",): [1.0, 2.0]}


def test_a_histogram_counts_up_to_each_bound() -> None:
    spread = Spread("seconds", "Seconds.", (), bounds=(0.1, 1.0))
    for value in (0.1, 0.05, 0.5, 1.0, 30.0):
        spread.observe(value)
    assert cumulative(spread.state()[()], spread.bounds) == [("0.1", 2.0), ("1", 4.0), ("+Inf", 5.0)]
    assert spread.state()[()][-1] == pytest.approx(31.65)


def test_what_has_no_labels_is_zero_before_it_happens_so_that_its_first_time_is_a_rise() -> None:
    assert Tally("refused", "Refused.").state() == {(): [0.0]}
    assert Spread("seconds", "Seconds.", (), bounds=(0.1, 1.0)).state() == {(): [0.0] * 4}
    assert Tally("visits", "Visits.", ("route",)).state() == {}


def test_labels_that_never_end_are_counted_together() -> None:
    tally = Tally("visits", "Visits.", ("campaign", "variant"))
    for n in range(MOST_KEYS + 50):
        tally.add((f"c{n}", "v"))
    state = tally.state()
    assert len(state) == MOST_KEYS + 1
    assert state[OTHER, OTHER] == [50.0]
    tally.add(("c1", "v"))
    assert tally.state()["c1", "v"] == [2.0]


def test_a_scrape_of_one_worker_shows_the_other(
    tmp_path: Path, serve: Callable[..., Any], workspace: Callable[..., Path]
) -> None:
    shared = tmp_path / "shared"
    visits = Tally("optimizer_outcomes", "Outcomes.", ("receipt",))
    other = FellowWorkers((visits,), shared)
    visits.add(("late",), 4_321)
    other.publish({"optimizer_queue_items": 17})
    deployment = Deployment(workspace(), Settings(metrics_open=True, metrics_folder=shared))
    try:
        with serve(deployment) as service:
            text = service.client.get("/metrics").text
            assert 'optimizer_queue_items{worker="0"} 17.0' in text
            assert 'optimizer_queue_items{worker="1"} 0.0' in text
            assert "optimizer_workers 2.0" in text
            (late,) = [line for line in text.splitlines() if line.startswith('optimizer_outcomes_total{receipt="late"')]
            assert float(late.split()[-1]) >= 4_321
            other.close()
            text = service.client.get("/metrics").text
            assert 'optimizer_queue_items{worker="0"}' not in text
            assert "optimizer_workers 1.0" in text
            assert late in text
    finally:
        other.close()
        deployment.close()
    assert (shared / "worker-1.json").exists(), "a worker's last word is kept for whoever comes after it"
