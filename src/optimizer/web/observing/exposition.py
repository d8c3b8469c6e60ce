"""The text a scrape gets: every worker's counters added up, what each worker says of itself, and the gauges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import Metric as Family
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from optimizer.services.reports.gauges import Gauge
from optimizer.web.observing.fellow_workers import Shared
from optimizer.web.observing.tallies import Metric, Spread, State, cumulative, merged

_WORKER = ("worker",)
QUEUE: Final = "optimizer_queue_items"
LOOP_LAG: Final = "optimizer_event_loop_lag_seconds"

WORKER_GAUGES: tuple[Gauge, ...] = (
    Gauge(QUEUE, "Items that wait for their transaction.", _WORKER),
    Gauge(LOOP_LAG, "How much too late the event loop woke up when it was last looked at.", _WORKER),
    Gauge("process_resident_memory_bytes", "Memory in use.", _WORKER),
    Gauge("process_virtual_memory_bytes", "Memory addressed.", _WORKER),
    Gauge("process_open_fds", "Open file descriptors.", _WORKER),
    Gauge("process_max_fds", "Most file descriptors that may be open.", _WORKER),
    Gauge("process_start_time_seconds", "When the worker started, seconds since 1970.", _WORKER),
)
WORKER_CPU = Gauge("process_cpu_seconds", "Processor time used.", _WORKER)  # a counter

UP = Gauge("optimizer_ledger_up", "1 if the gauges could be read from the ledger at the last attempt, else 0.")
WORKERS = Gauge("optimizer_workers", "Workers that run on this host.")
TIME = Gauge("optimizer_time_seconds", "The time of day this service goes by, seconds since 1970.")
CLOCKS_DIFFER = Gauge("optimizer_clocks_differ", "1 while the machine's clock and the ledger's do not agree.")
DISK_FREE = Gauge("optimizer_ledger_disk_free_bytes", "Room left where the ledger is, for a ledger in a file.")
BUILD = Gauge("optimizer_build_info", "1, with the release that runs.", ("version", "python"))
HOST_GAUGES: tuple[Gauge, ...] = (UP, WORKERS, TIME, CLOCKS_DIFFER, DISK_FREE, BUILD)

Values = Mapping[Gauge, Mapping[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True)
class Scrape(Collector):
    """Everything one scrape shows.

    Attributes:
        metrics: what every worker measures.
        workers: what each says, the dead included.
        values: of gauges; those that have none are left out.
    """

    metrics: Sequence[Metric]
    workers: Sequence[Shared]
    values: Values

    def collect(self) -> Iterator[Family]:
        """Every family of figures, with its help."""
        for metric in self.metrics:
            yield _added_up(metric, [worker.states.get(metric.name, {}) for worker in self.workers])
        alive = [worker for worker in self.workers if worker.alive]
        for gauge in WORKER_GAUGES:
            yield _filled(GaugeMetricFamily(gauge.name, gauge.text, labels=gauge.labels), gauge.name, alive)
        cpu = CounterMetricFamily(WORKER_CPU.name, WORKER_CPU.text, labels=WORKER_CPU.labels)
        yield _filled(cpu, f"{WORKER_CPU.name}_total", alive)
        for gauge, values in self.values.items():
            family = GaugeMetricFamily(gauge.name, gauge.text, labels=gauge.labels)
            for labels, value in values.items():
                family.add_metric(labels, value)
            yield family

    def text(self, accept: str) -> tuple[bytes, str]:
        """The text, in the format that the scraper wants, and its media type."""
        try:
            encode, media_type = choose_encoder(accept)
        except (TypeError, ValueError):  # it names a version that is none
            encode, media_type = choose_encoder("")
        return encode(self), media_type


def process_figures() -> dict[str, float]:
    """What the system says about this process, by name; empty where it does not say."""
    families: Iterable[Family] = ProcessCollector(registry=None).collect()
    return {sample.name: sample.value for family in families for sample in family.samples}


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily, name: str, workers: Sequence[Shared]
) -> GaugeMetricFamily | CounterMetricFamily:
    for worker in workers:
        if name in worker.now:
            family.add_metric([str(worker.number)], worker.now[name])
    return family


def _added_up(metric: Metric, states: Sequence[State]) -> Family:
    state = merged(states)
    if metric.kind == Spread.kind:
        histogram = HistogramMetricFamily(metric.name, metric.text, labels=metric.labels)
        for key, values in state.items():
            histogram.add_metric([str(label) for label in key], cumulative(values, metric.bounds), values[-1])
        return histogram
    counter = CounterMetricFamily(metric.name, metric.text, labels=metric.labels)
    for key, (count,) in state.items():
        counter.add_metric([str(label) for label in key], count)
    return counter
