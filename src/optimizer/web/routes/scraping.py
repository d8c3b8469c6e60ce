"""Scraping: what `GET /metrics` shows, without ever getting in the way of a decision.

The gauges come from the ledger. They are read in a thread, by one reader at a time, and kept for a while: for some
seconds, and so long that reading takes a twentieth of the time at most. While the ledger is out of reach, the other
figures are still shown.
"""

from __future__ import annotations

import asyncio
import platform
import shutil
import time
from pathlib import Path
from typing import Final

import structlog

from optimizer import __version__
from optimizer.deployment import CLOCK, Deployment, now
from optimizer.domain.instants import SECOND
from optimizer.services.reports.gauges import Gauge, GaugeReader, Readings
from optimizer.web.desk import Desk
from optimizer.web.observing import exposition, telemetry
from optimizer.web.observing.exposition import Scrape
from optimizer.web.observing.fellow_workers import FellowWorkers

KEPT_SECONDS: Final = 5.0
LARGEST_SHARE: Final = 0.05  # of the time, for reading gauges
PATIENCE_SECONDS: Final = 2.0  # with the ledger; a scrape gives up after ten by default
PUBLISHED_EVERY_SECONDS: Final = 1.0

log = structlog.get_logger("optimizer")


class Scraping:
    """The figures of one worker, and through the shared folder those of all workers of its host.

    Args:
        desk: the worker's.
        deployment: that it serves.
    """

    def __init__(self, desk: Desk, deployment: Deployment) -> None:
        self._desk = desk
        self._fellows = FellowWorkers(telemetry.METRICS, deployment.settings.metrics_folder)
        self._ledger_folder = deployment.store.folder
        self._reader = GaugeReader()
        self._reading: asyncio.Task[Readings] | None = None
        self._readings: Readings = {}
        self._next_at = 0.0
        self._loop_lag = 0.0
        self._publishing: asyncio.Task[None] | None = None

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The text of one scrape and its media type.

        Args:
            accept: the formats the scraper understands, as its header says.
        """
        up = await self._read()
        workers = await asyncio.to_thread(self._fellows.all, self._now())
        values: dict[Gauge, dict[tuple[str, ...], float]] = {
            exposition.UP: {(): float(up)},
            exposition.WORKERS: {(): sum(worker.alive for worker in workers)},
            exposition.TIME: {(): now() / SECOND},
            exposition.CLOCKS_DIFFER: {(): float(CLOCK.trouble is not None)},
            exposition.BUILD: {(__version__, platform.python_version()): 1},
        }
        if self._ledger_folder is not None:
            free = await asyncio.to_thread(_free_bytes, self._ledger_folder)
            values[exposition.DISK_FREE] = {} if free is None else {(): free}
        scrape = Scrape(telemetry.METRICS, workers, {**values, **self._readings})
        return await asyncio.to_thread(scrape.text, accept)

    def begin(self) -> None:
        """Tell the other workers of this host from now on how this one stands."""
        self._publishing = asyncio.create_task(self._keep_publishing())

    async def end(self) -> None:
        """Say the last word and leave the number to the next worker."""
        if self._publishing is not None:
            self._publishing.cancel()
            await asyncio.wait([self._publishing])
        await self._publish()
        self._fellows.close()

    async def _keep_publishing(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(PUBLISHED_EVERY_SECONDS)
            self._loop_lag = time.monotonic() - before - PUBLISHED_EVERY_SECONDS
            await self._publish()

    async def _publish(self) -> None:
        if self._fellows.alone:
            return
        try:
            await asyncio.to_thread(self._fellows.publish, self._now())
        except OSError as error:
            log.warning("figures cannot be shared", error=f"{type(error).__name__}: {error.strerror}")

    def _now(self) -> dict[str, float]:
        return {
            **exposition.process_figures(),
            exposition.QUEUE: self._desk.waiting,
            exposition.LOOP_LAG: max(self._loop_lag, 0.0),
        }

    async def _read(self) -> bool:
        """Read the gauges, unless that was done a moment ago; whether the ledger could be read when last tried."""
        if self._reading is None:
            if time.monotonic() < self._next_at:
                return bool(self._readings)
            self._reading = asyncio.create_task(self._read_now())
        reading = self._reading
        await asyncio.wait([reading], timeout=PATIENCE_SECONDS)
        if reading.done():
            self._reading = None
            self._readings = reading.result()
        else:
            self._readings = {}  # what was so a while ago is not what is so now
        return bool(self._readings)

    async def _read_now(self) -> Readings:
        """What the gauges say; nothing where that cannot be known."""
        began = time.monotonic()
        try:
            return await self._desk.read(lambda ledger, live: self._reader.read(ledger, live, now()))
        except Exception as error:  # a defect in one gauge shall not cost the other figures
            log.warning("gauges cannot be read", error=f"{type(error).__name__}: {error}")
            return {}
        finally:
            took = time.monotonic() - began
            self._next_at = time.monotonic() + max(KEPT_SECONDS, took / LARGEST_SHARE)


def _free_bytes(folder: Path) -> int | None:
    """Room left on the disk of a folder; None while that is out of reach, as a disk over a network may be."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
