"""What the workers of one host tell each other about themselves, so that a scrape of any of them shows all of them.

Each has a file in a shared folder that it replaces every second or so. A worker takes the first number whose lock is
free; the system frees it when the worker dies, however that happens, and the next one goes on counting from the file.
So counters never fall, files never pile up, and what a killed worker loses is the last second.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from optimizer.errors import ConfigurationError
from optimizer.web.observing.tallies import Metric, State, merged

MOST_WORKERS = 256


@dataclass(frozen=True, slots=True)
class Shared:
    """What one worker says about itself.

    Attributes:
        number: of the worker on this host, from 0.
        alive: whether it still runs.
        states: of its metrics, by name.
        now: figures that only say how it stands, by name; they are of no use once it is dead.
    """

    number: int
    alive: bool
    states: Mapping[str, State]
    now: Mapping[str, float]


class FellowWorkers:
    """The workers of this host.

    Args:
        metrics: what each of them measures.
        folder: that they share; None when this worker is alone.

    Attributes:
        number: of this worker, from 0.
        alone: whether there are no others to tell anything.

    Raises:
        ConfigurationError: the folder cannot be written.
    """

    def __init__(self, metrics: Sequence[Metric], folder: Path | None) -> None:
        self._metrics = metrics
        self._folder = folder
        self.alone = folder is None
        self.number = 0
        self._lock: int | None = None
        self._before: Mapping[str, State] = {}
        if folder is not None:
            try:
                self._lock, self.number = _number(folder)
            except OSError as error:
                raise ConfigurationError(
                    f"OPTIMIZER_METRICS_FOLDER: found {folder}: {error.strerror or error}; allowed a folder to write to"
                ) from None
            left = _read(folder, self.number, alive=True)
            self._before = {} if left is None else left.states

    def mine(self, now: Mapping[str, float]) -> Shared:
        """What this worker says about itself, with what those before it under its number had counted."""
        states = {metric.name: merged([self._before.get(metric.name, {}), metric.state()]) for metric in self._metrics}
        return Shared(self.number, alive=True, states=states, now=now)

    def publish(self, now: Mapping[str, float]) -> None:
        """Tell the others; nothing to do for a worker that is alone.

        Raises:
            OSError: the folder cannot be written.
        """
        if self._folder is None:
            return
        shared = self.mine(now)
        states = {name: list(state.items()) for name, state in shared.states.items()}
        draft = self._folder / f"worker-{self.number}.draft"
        draft.write_bytes(orjson.dumps({"states": states, "now": dict(now)}))
        draft.replace(_file(self._folder, self.number))

    def all(self, now: Mapping[str, float]) -> list[Shared]:
        """Every worker of this host, the dead included, this one as it is now."""
        found = [self.mine(now)]
        if self._folder is not None:
            for number in sorted(_numbers(self._folder) - {self.number}):
                other = _read(self._folder, number, alive=_is_taken(self._folder, number))
                if other is not None:
                    found.append(other)
        return found

    def close(self) -> None:
        """Leave the number to the next worker."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _number(folder: Path) -> tuple[int, int]:
    """A lock and the number it stands for."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(MOST_WORKERS):
        descriptor = os.open(_lock_file(folder, number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return descriptor, number
    raise OSError(f"{MOST_WORKERS} workers share it already")


def _is_taken(folder: Path, number: int) -> bool:
    descriptor = os.open(_lock_file(folder, number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _numbers(folder: Path) -> set[int]:
    return {int(path.stem.removeprefix("worker-")) for path in folder.glob("worker-*.json")}


def _read(folder: Path, number: int, *, alive: bool) -> Shared | None:
    """What a worker has written last; None if nothing that can be read."""
    try:
        kept: dict[str, Any] = orjson.loads(_file(folder, number).read_bytes())
        states = {name: {tuple(key): values for key, values in state} for name, state in kept["states"].items()}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Shared(number, alive=alive, states=states, now=kept["now"])


def _file(folder: Path, number: int) -> Path:
    return folder / f"worker-{number}.json"


def _lock_file(folder: Path, number: int) -> Path:
    return folder / f"worker-{number}.lock"
