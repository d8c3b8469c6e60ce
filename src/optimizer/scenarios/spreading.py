"""Work spread over processes or a cluster, whose results come in the order of the work, whoever finishes first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Any, Literal, TypeVar

from joblib import Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits

from optimizer.errors import ConfigurationError

Backend = Literal["loky", "dask", "ray"]
Progress = Callable[[int, int, str], None]

_NEEDED = {"dask": "distributed", "ray": "ray"}
_AT_ONCE = 4  # units for each process of a Ray cluster
_HERE = "127.0.0.1"

_Unit = TypeVar("_Unit")
_Done = TypeVar("_Done")


def no_progress(_done: int, _total: int, _what: str) -> None:
    """The progress callback of whoever does not want to see any."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Who does the work.

    Attributes:
        jobs: how many processes; with `loky`, 1 works in this one.
        backend: `loky` for processes of this machine, `dask` or `ray` for a cluster.
        address: scheduler of a running cluster; None starts one on this machine.
        progress: called with units done, units in all and what is done, after every unit.

    Raises:
        ConfigurationError: the backend's library is not installed, or there are no jobs.
    """

    jobs: int = 1
    backend: Backend = "loky"
    address: str | None = None
    progress: Progress = no_progress

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise ConfigurationError(f"jobs: found {self.jobs}; allowed 1 or more")
        needed = _NEEDED.get(self.backend)
        if needed and find_spec(needed) is None:
            allowed = f"loky, or: pip install 'optimizer[{self.backend}]'"
            found = f"{self.backend}, whose library is not installed"
            raise ConfigurationError(f"backend: found {found}; allowed {allowed}")

    def results(self, what: str, do: Callable[[_Unit], _Done], units: Iterable[_Unit], total: int) -> Iterator[_Done]:
        """What each unit of work gives, in the order of the units.

        Args:
            what: what is done, for the progress.
            do: a function of a module; it must give the same for the same unit wherever it runs.
            units: what it is called with, one by one; they and the results must be picklable. No more of them are
                taken ahead than there are processes to work on them.
            total: how many there are.
        """
        self.progress(0, total, what)
        for done, result in enumerate(self._spread(do, units), start=1):
            self.progress(done, total, what)
            yield result

    def _spread(self, do: Callable[[_Unit], _Done], units: Iterable[_Unit]) -> Iterable[_Done]:
        if self.backend == "loky" and self.jobs == 1:
            return (_on_one_thread(do, unit) for unit in units)
        return self._elsewhere(do, units)

    def _elsewhere(self, do: Callable[[_Unit], _Done], units: Iterable[_Unit]) -> Iterator[_Done]:
        jobs = -1 if self.address is not None else self.jobs  # a cluster says itself how large it is
        work = (delayed(_on_one_thread)(do, unit) for unit in units)
        with self._cluster():
            # A batch is one unit: units take seconds, and progress is seen after each batch.
            if self.backend != "ray":
                yield from Parallel(n_jobs=jobs, batch_size=1, return_as="generator", pre_dispatch="2 * n_jobs")(work)
                return
            # Ray's pool gives all results of a call at once, so that what is taken ahead is bounded by the call.
            while some := list(islice(work, _AT_ONCE * self.jobs)):
                yield from Parallel(n_jobs=jobs, batch_size=1)(some)

    @contextmanager
    def _cluster(self) -> Iterator[None]:
        with ExitStack() as leaving:
            if self.backend == "dask":
                self._start_dask(leaving)
            elif self.backend == "ray":
                self._start_ray(leaving)
            leaving.enter_context(parallel_config(backend=self.backend))
            yield

    def _start_dask(self, leaving: ExitStack) -> None:
        dask: Any = import_module("distributed")
        where: Any = self.address
        if where is None:
            where = dask.LocalCluster(
                n_workers=self.jobs,
                threads_per_worker=1,
                host=_HERE,
                dashboard_address=f"{_HERE}:0",  # any free port: a second cluster would warn of the usual one
                silence_logs=logging.ERROR,
            )
            leaving.enter_context(where)
        leaving.enter_context(dask.Client(where, set_as_default=True))

    def _start_ray(self, leaving: ExitStack) -> None:
        ray: Any = import_module("ray")
        if not ray.is_initialized():
            ray.init(address=self.address, num_cpus=None if self.address else self.jobs, include_dashboard=False)
            leaving.callback(ray.shutdown)
        import_module("ray.util.joblib").register_ray()


def _on_one_thread(do: Callable[[_Unit], _Done], unit: _Unit) -> _Done:
    """One unit on one thread: sums of floats depend on how many threads share them, and so would the last digits."""
    with threadpool_limits(limits=1):
        return do(unit)
