"""One core for the server, one for the load and the database, and what there is to say of the machine."""

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))


def two_cores() -> tuple[int, int]:
    """A core for the server and another for the load and the database; ends the program where there is only one."""
    if len(CORES) < 2:
        sys.exit("cores: found 1; allowed at least 2: one for the server, one for the load and the database")
    return CORES[0], CORES[1]


@contextmanager
def on_cores(*cores: int) -> Iterator[None]:
    """This thread, and whatever process it starts meanwhile, runs on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def leave_nothing_behind() -> None:
    """Let SIGTERM end this program as Ctrl-C does: what it has started is ended, what it has made is deleted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors so far: the same however busy the machine is otherwise."""
    used = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")


def machine(folder: Path) -> str:
    """Python, cores and the file system the databases are on, in a line."""
    found = subprocess.run(
        ["df", "--output=fstype", str(folder)], capture_output=True, text=True, check=False
    ).stdout.split()
    kind = found[-1] if found else "unknown"
    return f"Python {platform.python_version()}; {len(CORES)} cores; databases on {kind}"
