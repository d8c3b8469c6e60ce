"""What goes wrong in a soak: workers die, the database crashes, a campaign is paused; and what is watched meanwhile."""

import asyncio
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from serving_parts.callers import CAMPAIGNS, Line
from serving_parts.databases import Databases
from serving_parts.told import Told

PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
SAMPLE_SECONDS = 2.0
ELDER = 0.05  # chance that the longest-lived worker is the one that dies: most of the time one lives on, to be weighed
DATABASE_AWAY_SECONDS = 3.0
RECOVERY_SECONDS = 180
PAUSED_SECONDS, BETWEEN_PAUSES_SECONDS = 1.5, 6.0


@dataclass
class Weights:
    """Resident memory of every process of the service over time, in MiB.

    Attributes:
        samples: ``(wall-clock seconds, MiB)`` by process id.
        supervisor: the process that starts the workers.
    """

    supervisor: int
    samples: dict[int, list[tuple[float, float]]] = field(default_factory=dict)

    def weigh(self) -> None:
        for pid in (self.supervisor, *workers_of(self.supervisor)):
            with suppress(OSError, IndexError):
                resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                self.samples.setdefault(pid, []).append((time.time(), resident * PAGE_MIB))


def workers_of(supervisor: int) -> list[int]:
    """Process ids of the workers, the eldest first."""
    try:
        children = [int(pid) for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()]
    except OSError:
        return []
    return sorted((pid for pid in children if _is_worker(pid)), key=_started)


def _is_worker(pid: int) -> bool:
    try:
        return b"--inherited" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _started(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    except (OSError, IndexError):
        return 0


@dataclass
class Faults:
    """Things that happen to the service until an instant.

    Attributes:
        log: when what happened, a line each.
    """

    told: Told
    weights: Weights
    databases: Databases
    line: Line
    key: str
    rng: Random
    log: list[str] = field(default_factory=list)
    kills: int = 0
    crashes: int = 0

    async def kill_workers(self, every: float, until: float) -> None:
        """`kill -9` of a worker, again and again."""
        while await _slept(every, until):
            if pids := workers_of(self.weights.supervisor):
                victim = pids[0] if self.rng.random() < ELDER else pids[-1]
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    self.kills += 1
                    self._note(f"kill -9 of worker {victim}, one of {len(pids)}")

    async def crash_database(self, every: float, until: float) -> None:
        """PostgreSQL ends at once without saying goodbye, stays away for a moment, and recovers from its log."""
        while await _slept(every, until - 2 * DATABASE_AWAY_SECONDS):
            self._note("PostgreSQL crashes")
            await asyncio.to_thread(crash, self.databases.handle)
            await asyncio.sleep(DATABASE_AWAY_SECONDS)
            await asyncio.to_thread(recover, self.databases.handle)
            back = time.time()
            self.crashes += 1
            while self.told.acknowledged_at < back and time.time() < until:
                await asyncio.sleep(0.05)
            self._note(f"PostgreSQL is back; {time.time() - back:.1f} s later something was acknowledged again")

    async def pause_campaigns(self, until: float) -> None:
        """Somebody pauses a campaign and resumes it a moment later."""
        while await _slept(BETWEEN_PAUSES_SECONDS, until - 2 * PAUSED_SECONDS):
            campaign = self.rng.randrange(len(CAMPAIGNS))
            await self._steered(campaign, "pause")
            self.told.pauses.append((campaign, time.time(), float("inf")))
            await asyncio.sleep(PAUSED_SECONDS)
            self.told.pauses[-1] = (campaign, self.told.pauses[-1][1], time.time())
            await self._steered(campaign, "resume")
        self.line.close()

    async def weigh(self, until: float) -> None:
        while await _slept(SAMPLE_SECONDS, until):
            self.weights.weigh()

    async def _steered(self, campaign: int, verb: str) -> None:
        """Ask until it is acknowledged."""
        path, body = f"/v1/campaigns/{CAMPAIGNS[campaign]}/{verb}", {"note": "soak"}
        while (found := await self.line.ask("POST", path, body, self.key)) is None or found[0] != 200:
            await asyncio.sleep(0.2)

    def _note(self, what: str) -> None:
        self.log.append(f"{time.strftime('%H:%M:%S')} {what}")


def crash(server: Any) -> None:
    """End PostgreSQL in immediate mode: no checkpoint, every connection cut; the next start recovers from the log."""
    command = [str(server.bin_path / "pg_ctl"), "-D", str(server.pgdata), "-m", "immediate", "-w", "stop"]
    done = subprocess.run(command, user=server.system_user, check=False, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"pg_ctl: {done.stderr}")


def recover(server: Any) -> None:
    """Start it again and wait until it has recovered."""
    until = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < until:
        with suppress(subprocess.SubprocessError, AssertionError):  # the library is less patient than recovery may take
            server.ensure_postgres_running()
            return
        time.sleep(0.2)
    raise TimeoutError(f"PostgreSQL did not recover in {RECOVERY_SECONDS} seconds")


async def _slept(seconds: float, until: float) -> bool:
    """Whether there was still time after having slept."""
    await asyncio.sleep(max(0.0, min(seconds, until - time.time())))
    return time.time() < until
