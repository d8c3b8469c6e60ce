"""What waits to be delivered: in memory, or in files that outlive the process.

A record is one line. Records gather in a *segment*; a segment is sealed when somebody delivers it, and removed when
all of it is delivered. A process that dies in between leaves its segments, and the next one delivers them again, from
the beginning: at least once. Ids in the records make that harmless.

A folder may be given to any number of processes: each writes into a folder of its own within it, which it keeps locked,
and takes over what it finds in those that nobody holds any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol
from zlib import crc32

from optimizer.client.errors import QueueFull, SpoolError

_LOCK, _SUFFIX, _WORKER = "lock", ".log", "worker-"


@dataclass(frozen=True, slots=True)
class Segment:
    """Records that are delivered together.

    Attributes:
        size: in bytes.
        file: where they lie; None in memory.
    """

    records: tuple[bytes, ...]
    size: int
    file: Path | None = None


class Waiting(Protocol):
    """Where records wait."""

    def append(self, records: Sequence[bytes]) -> None:
        """Add records.

        Raises:
            QueueFull: more wait than may wait; none was added.
        """

    def sync(self) -> None:
        """Make all that was appended outlive the machine, where anything does."""

    def take(self) -> Segment | None:
        """The oldest records; the same ones again until `done` is told of them. None when nothing waits."""

    def done(self, segment: Segment) -> None:
        """These are delivered."""

    def close(self) -> None:
        """Append nothing more."""

    @property
    def size(self) -> int:
        """Bytes that wait."""


class Memory:
    """Records in memory: what is not delivered when the process ends is lost."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._records: deque[bytes] = deque()
        self._taken: Segment | None = None
        self._size = 0
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    def append(self, records: Sequence[bytes]) -> None:
        """Add records; see `Waiting`."""
        size = sum(map(len, records))
        with self._lock:
            _check_room(self._size, size, self._most)
            self._records.extend(records)
            self._size += size

    def sync(self) -> None:
        """Nothing."""

    def take(self) -> Segment | None:
        """The oldest records; see `Waiting`."""
        with self._lock:
            if self._taken is None and self._records:
                records = tuple(self._records)
                self._records.clear()
                self._taken = Segment(records, sum(map(len, records)))
            return self._taken

    def done(self, segment: Segment) -> None:
        """These are delivered."""
        with self._lock:
            self._taken = None
            self._size -= segment.size

    def close(self) -> None:
        """Nothing."""


class Spool:
    """Records in files.

    `append` hands them to the system, so they outlive the process at once; `sync` makes them outlive a power cut, too.

    Args:
        folder: for all processes; made, for its owner alone, where it does not exist.
        most_bytes: that may wait in this process.

    Raises:
        SpoolError: the folder cannot be used.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._most = most_bytes
        self._lock = Lock()
        self._sealed: deque[Path] = deque()
        self._open: tuple[int, Path] | None = None
        self._dirty = False
        self._unsynced: list[int] = []  # descriptors of sealed files
        self._syncing = Lock()
        try:
            self._folder = folder / f"{_WORKER}{secrets.token_hex(8)}"
            self._folder.mkdir(mode=0o700, parents=True)
            self._held: int | None = _locked(self._folder)
            for left in sorted(folder.glob(f"{_WORKER}*")):
                if left != self._folder:
                    self._take_over(left)
        except OSError as error:
            raise SpoolError(f"spool: found {folder}: {error.strerror}; allowed a folder to write to") from None
        self._size = sum(file.stat().st_size for file in self._sealed)

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    def append(self, records: Sequence[bytes]) -> None:
        """Add records; see `Waiting`."""
        data = b"".join([b"%08x %b\n" % (crc32(record), record) for record in records])
        with self._lock:
            _check_room(self._size, len(data), self._most)
            try:
                if self._open is None:
                    self._open = self._new()
                _write_all(self._open[0], data)
            except OSError as error:
                raise SpoolError(f"spool: found {error.strerror}; allowed a folder with room to write") from None
            self._size += len(data)
            self._dirty = True

    def sync(self) -> None:
        """Make all that was appended outlive a power cut; others may append meanwhile."""
        with self._syncing:  # whoever comes second waits until the first is done
            with self._lock:
                descriptors, self._unsynced = self._unsynced, []
                if self._open is not None and self._dirty:
                    descriptors.append(os.dup(self._open[0]))
                self._dirty = False
            for descriptor in descriptors:
                os.fsync(descriptor)
                os.close(descriptor)

    def take(self) -> Segment | None:
        """The oldest records; see `Waiting`."""
        with self._lock:
            if not self._sealed and self._open is not None:
                self._seal()
            if not self._sealed:
                return None
            file = self._sealed[0]
        data = file.read_bytes()
        return Segment(tuple(_records(data)), len(data), file)

    def done(self, segment: Segment) -> None:
        """These are delivered."""
        with self._lock:
            if segment.file is not None and self._sealed and self._sealed[0] == segment.file:
                self._sealed.popleft()
                segment.file.unlink(missing_ok=True)
                self._size -= segment.size

    def close(self) -> None:
        """Append nothing more; what was delivered completely leaves nothing behind."""
        with self._lock:
            if self._open is not None:
                self._seal()
        self.sync()
        with self._lock:
            if self._held is not None:
                if not any(self._folder.glob(f"*{_SUFFIX}")):
                    (self._folder / _LOCK).unlink(missing_ok=True)
                    with contextlib.suppress(OSError):
                        self._folder.rmdir()
                os.close(self._held)
                self._held = None

    def _seal(self) -> None:
        """Append to another file from now on."""
        if self._open is not None:
            descriptor, file = self._open
            self._unsynced.append(descriptor)
            self._sealed.append(file)
            self._open, self._dirty = None, False

    def _new(self) -> tuple[int, Path]:
        # Its name sorts after all that were there before, those that were taken over included.
        file = self._folder / f"{os.times().elapsed:020.6f}-{secrets.token_hex(4)}{_SUFFIX}"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        _sync_folder(self._folder)
        return descriptor, file

    def _take_over(self, left: Path) -> None:
        """Make what a process has left one's own, if it has ended."""
        try:
            held = _locked(left)
        except OSError:
            return  # it lives
        try:
            for file in sorted(left.glob(f"*{_SUFFIX}")):
                mine = self._folder / f"0-{left.name.removeprefix(_WORKER)}-{file.name}"
                file.rename(mine)
                self._sealed.append(mine)
            _sync_folder(self._folder)
            (left / _LOCK).unlink(missing_ok=True)
            left.rmdir()
        except OSError:
            return  # another process has been faster
        finally:
            os.close(held)


def _check_room(size: int, more: int, most: int) -> None:
    if size + more > most:
        raise QueueFull(f"reports: found {size:,} bytes waiting already; allowed {most:,}")


def _locked(folder: Path) -> int:
    """A descriptor that keeps a folder; the system lets go of it when the process ends, however it ends."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a file, without one that was being written when the machine stopped."""
    for line in data.split(b"\n"):
        digits, _, record = line.partition(b" ")
        if len(digits) == 8 and record and digits == b"%08x" % crc32(record):
            yield record


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
