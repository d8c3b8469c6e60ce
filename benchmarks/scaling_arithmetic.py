"""The arithmetic of docs/scaling.md beside a simulation of the same thing: queues, group commit, slices of a budget.

    python benchmarks/scaling_arithmetic.py

Each line gives what the formula says, what the simulation finds, and their ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SEED = 20_261_122


@dataclass(frozen=True, slots=True)
class Costs:
    """What one worker spends, seconds.

    Attributes:
        reading: processor time to read a request and write its answer; may be spent while the disk flushes.
        deciding: processor time of a decision and its rows within the transaction.
        transaction: processor time per transaction, however many decisions share it.
        flush: time the disk needs to make a transaction durable; the processor is free meanwhile.
    """

    reading: float
    deciding: float
    transaction: float
    flush: float


def shared_commit(costs: Costs, connections: int) -> float:
    """Decisions a second of a closed loop with so many connections (the formula).

    While one half of the callers wait for the flush, the requests of the other half are read, and share the next
    transaction. So a transaction holds ``n = max(1, connections / 2)`` decisions and comes every
    ``transaction + n deciding + max(flush, n reading)``; a single caller is read after the flush.
    """
    n = max(1.0, connections / 2)
    overlapped = max(costs.flush, n * costs.reading) if connections > 1 else costs.flush + costs.reading
    return n / (costs.transaction + n * costs.deciding + overlapped)


def shared_commit_simulated(costs: Costs, connections: int, answers: int = 100_000) -> float:
    """The same event by event: one processor, one disk, callers that ask again as soon as they are answered."""
    now, answered = 0.0, 0
    unread, waiting, flushing, durable_at = connections, 0, 0, 0.0
    while answered < answers:
        if unread:  # whatever has arrived is read before anything else is begun
            now += costs.reading
            unread, waiting = unread - 1, waiting + 1
            continue
        if flushing:
            now = max(now, durable_at)
            answered += flushing
        again, flushing = flushing, 0
        if waiting:  # what was read meanwhile goes on at once, before those just answered can be heard again
            now += costs.transaction + waiting * costs.deciding
            flushing, waiting, durable_at = waiting, 0, now + costs.flush
        unread = again
    return answered / now


def stranded(shards: int, slice_size: float) -> float:
    """Sends that other shards still hold when one is refused for the first time: half a slice each (the formula)."""
    return (shards - 1) * slice_size / 2


def stranded_simulated(shards: int, slice_size: int, limit: int, *, rounds: int = 100) -> float:
    """The same by playing days of uneven traffic out."""
    random = np.random.Generator(np.random.PCG64(SEED))
    left = []
    for _ in range(rounds):
        traffic = random.dirichlet(np.full(shards, 2.0))
        central, held = limit, np.zeros(shards, np.int64)
        while True:
            # The next shard that needs a slice is the one whose own slice is used up first.
            wait = held / traffic + random.exponential(1.0 / traffic) / limit
            first = int(wait.argmin())
            held = np.maximum(held - np.floor(wait[first] * traffic).astype(np.int64), 0)
            held[first] = 0
            if central < slice_size:
                left.append(int(held.sum()) + central)
                break
            central -= slice_size
            held[first] += slice_size
    return float(np.mean(left))


def guided_slices(shards: int, limit: int) -> tuple[float, float]:
    """Slices taken, and sends stranded, when each takes ``left / (2 shards)``, at least 1 (the formula).

    What is left shrinks by the factor ``1 - 1 / (2 shards)`` a slice until slices are 1 (Polychronopoulos and Kuck
    1987, guided self-scheduling): ``2 shards ln(limit / 2 shards)`` slices, then one for each of the last
    ``2 shards`` sends.
    """
    return 2 * shards * math.log(limit / (2 * shards)) + 2 * shards, (shards - 1) / 2


def guided_slices_simulated(shards: int, limit: int) -> float:
    """Slices taken until nothing is left."""
    taken, left = 0, limit
    while left > 0:
        left -= max(1, left // (2 * shards))
        taken += 1
    return float(taken)


def busy(rate: float, capacity: float, workers: int) -> float:
    """Mean wait in queue of a worker, in units of its service time, when load spreads evenly (M/M/1 each)."""
    load = rate / (capacity * workers)
    return load / (1.0 - load)


def busy_simulated(rate: float, capacity: float, workers: int, arrivals: int = 200_000) -> float:
    """The same by Lindley's recursion."""
    random = np.random.Generator(np.random.PCG64(SEED))
    gaps = random.exponential(workers / rate, arrivals)
    services = random.exponential(1.0 / capacity, arrivals)
    wait, total = 0.0, 0.0
    for gap, service in zip(gaps.tolist(), services.tolist(), strict=True):
        wait = max(0.0, wait + service - gap)
        total += wait
    return total / arrivals * capacity


def checked() -> list[tuple[str, float, float]]:
    """What is claimed, the formula's figure and the simulation's."""
    rows: list[tuple[str, float, float]] = []
    costs = Costs(reading=60e-6, deciding=60e-6, transaction=300e-6, flush=1e-3)
    for connections in (1, 16, 64, 256):
        name = f"group commit, {connections} connections: decisions/s"
        rows.append((name, shared_commit(costs, connections), shared_commit_simulated(costs, connections)))
    for shards, size in ((4, 1_000), (16, 1_000), (16, 100)):
        played = stranded_simulated(shards, size, 200_000)
        rows.append((f"{shards} shards, slices of {size:,}: sends stranded", stranded(shards, size), played))
    for shards in (4, 16, 64):
        slices = guided_slices(shards, 1_000_000)[0]
        rows.append((f"{shards} shards, guided slices: taken", slices, guided_slices_simulated(shards, 1_000_000)))
    for load in (0.5, 0.8, 0.9):
        name = f"4 workers at {load:.0%}: wait / service time"
        rows.append((name, busy(load * 4, 1.0, 4), busy_simulated(load * 4, 1.0, 4)))
    return rows


def shown(rows: Sequence[tuple[str, float, float]]) -> None:
    print(f"{'':48}{'formula':>12}{'simulated':>12}{'ratio':>8}")
    for name, formula, simulated in rows:
        print(f"{name:48}{formula:12,.1f}{simulated:12,.1f}{simulated / formula:8.2f}")


if __name__ == "__main__":
    shown(checked())
