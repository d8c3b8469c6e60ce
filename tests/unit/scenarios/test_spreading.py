import sys
import time
from collections.abc import Callable
from operator import neg
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from joblib import register_parallel_backend
from joblib._parallel_backends import ThreadingBackend

from optimizer.errors import ConfigurationError
from optimizer.scenarios import spreading
from optimizer.scenarios.reading import ScenarioRead
from optimizer.scenarios.result import result_bytes
from optimizer.scenarios.running import rehearse_scenario
from optimizer.scenarios.spreading import Workers


def slower_first(number: int) -> tuple[int, float]:
    """Later units are done sooner."""
    time.sleep(0.05 * max(2 - number, 0))
    return number, float(np.random.Generator(np.random.PCG64([number])).random())


@pytest.mark.slow
def test_results_come_in_the_order_of_the_work_whoever_is_first() -> None:
    one = list(Workers(1).results("x", slower_first, range(5), 5))
    two = list(Workers(2).results("x", slower_first, range(5), 5))
    assert [number for number, _ in two] == [0, 1, 2, 3, 4]
    assert one == two


def test_progress_is_told_after_every_unit() -> None:
    told: list[tuple[int, int, str]] = []
    workers = Workers(progress=lambda done, total, what: told.append((done, total, what)))
    assert list(workers.results("counting", abs, [1, -2], 2)) == [1, 2]
    assert told == [(0, 2, "counting"), (1, 2, "counting"), (2, 2, "counting")]


def test_units_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def units() -> object:
        for number in range(1_000):
            taken.append(number)
            yield number

    done = Workers(1).results("x", abs, units(), 1_000)  # type: ignore[arg-type]
    next(done)
    next(done)
    assert len(taken) == 2


def test_an_error_of_a_unit_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        list(Workers(1).results("x", lambda number: 1 // number, [1, 0], 2))


def test_a_backend_whose_library_is_missing_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"found ray, .*; allowed loky, or: pip install 'optimizer\[ray\]'"):
        Workers(backend="ray")
    with pytest.raises(ConfigurationError, match="jobs: found 0; allowed 1 or more"):
        Workers(0)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of a cluster's sockets, when it is closed, are not ours
def test_a_dask_cluster_gives_the_same_bytes(reading: Callable[..., ScenarioRead]) -> None:
    short = reading(("for: P6D", "for: P2D"), ("replications: 3", "replications: 2"), folder=Path())
    alone = result_bytes(rehearse_scenario(short, Workers()))
    assert result_bytes(rehearse_scenario(short, Workers(2, "dask"))) == alone


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_running_dask_cluster_can_be_named() -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=40
    ) as cluster:
        named = Workers(1, "dask", cluster.scheduler_address)
        found = list(named.results("x", neg, range(5), 5))
    assert found == [0, -1, -2, -3, -4]


def test_work_goes_to_ray_through_the_backend_it_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pool(ThreadingBackend):  # type: ignore[misc]
        """As Ray's, which has no results before it has them all."""

        supports_return_generator = False

    started: list[dict[str, object]] = []
    ray = ModuleType("ray")
    ray.is_initialized = lambda: False  # type: ignore[attr-defined]
    ray.init = lambda **options: started.append(options)  # type: ignore[attr-defined]
    ray.shutdown = lambda: started.append({})  # type: ignore[attr-defined]
    joblib_of_ray = ModuleType("ray.util.joblib")
    joblib_of_ray.register_ray = lambda: register_parallel_backend("ray", Pool)  # type: ignore[attr-defined]
    for name, module in (("ray", ray), ("ray.util", ModuleType("ray.util")), ("ray.util.joblib", joblib_of_ray)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(spreading, "find_spec", lambda _: object())
    assert list(Workers(2, "ray").results("x", neg, range(20), 20)) == [-number for number in range(20)]
    assert started == [{"address": None, "num_cpus": 2, "include_dashboard": False}, {}]
