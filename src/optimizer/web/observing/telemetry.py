"""What one process counts about itself while it serves. Cheap: the hot path calls it for every request.

Labels hold ids from the documents and patterns of routes, never a recipient, a key or anything a caller sent.
`request` is called from the event loop; whatever comes in batches takes a lock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from threading import Lock
from time import monotonic
from typing import Final, Protocol
from zlib import crc32

import structlog

from optimizer.errors import Unavailable
from optimizer.services.decisions.deciding import Answer
from optimizer.services.outcomes.recording import Recorded
from optimizer.web.observing.request_ids import CURRENT
from optimizer.web.observing.tallies import Labels, Metric, Spread, Tally

_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384)  # a batch has up to 10,000
NO_VARIANT: Final = ""
SLOW_SECONDS: Final = 1.0

REQUESTS = Spread(
    "optimizer_request_duration_seconds",
    "Requests answered, by the time they took.",
    ("route", "method", "status"),
    _LATENCIES,
)
TRANSACTION_ITEMS = Spread(
    "optimizer_transaction_items", "Transactions, by the number of items that shared one.", (), _SIZES
)
TRANSACTION_SECONDS = Spread(
    "optimizer_transaction_duration_seconds",
    "Transactions, by the time of their statements (work) and of their flush to the disk (commit).",
    ("phase",),
    _LATENCIES,
)
RETRIES = Tally("optimizer_transaction_retries", "Transactions tried again: another worker was faster.")
FAILURES = Tally("optimizer_transaction_failures", "Transactions the database could not take.")
REFUSED = Tally("optimizer_queue_refused_items", "Items refused because too many were waiting already.")
DECISIONS = Tally(
    "optimizer_decisions",
    "Decisions answered, repeated requests included; the variant is empty where nothing was sent.",
    ("campaign", "variant", "reason", "group"),
)
BLOCKED = Tally(
    "optimizer_decisions_blocked",
    "Decisions in which a rule removed at least one variant.",
    ("campaign", "rule"),
)
OUTCOMES = Tally("optimizer_outcomes", "Outcomes reported, by what became of the report.", ("receipt",))
LEARNING = Spread(
    "optimizer_learning_duration_seconds", "Times a campaign was learned, by how long it took.", (), _LATENCIES
)
POSTED = Tally("optimizer_notices_posted", "Attempts to post a notice, by what became of them.", ("receiver", "result"))

METRICS: tuple[Metric, ...] = (
    REQUESTS,
    TRANSACTION_ITEMS,
    TRANSACTION_SECONDS,
    RETRIES,
    FAILURES,
    REFUSED,
    DECISIONS,
    BLOCKED,
    OUTCOMES,
    LEARNING,
    POSTED,
)
log = structlog.get_logger("optimizer")
_lock = Lock()
FAILURES_TOLD_SECONDS = 60.0  # from one line of the log about them to the next
_failure_told_at = -FAILURES_TOLD_SECONDS


class Spans(Protocol):
    """Whoever makes traces of what is done."""

    def done(self, name: str, seconds: float, parts: dict[str, float], items: int = 1) -> None:
        """Something has just ended, and of which parts it was made."""


class Tracers:
    """Those who make traces: none, unless traces are wanted.

    Attributes:
        spans: of this process; None for nobody.
    """

    spans: Spans | None = None


class AccessLog:
    """Which requests get a line in the log besides those that fail or take long.

    Attributes:
        share: of all requests, 0 to 1; which ones is decided by their ids, so every worker and every proxy that knows
            the rule picks the same.
    """

    def __init__(self) -> None:
        self.share = 0.0

    def picks(self, request_id: str) -> bool:
        """Whether this one is among them."""
        return crc32(request_id.encode()) < self.share * 2**32


ACCESS_LOG = AccessLog()
TRACERS = Tracers()


def request(route: str, method: str, status: int, seconds: float) -> None:
    """Note one answered request; one that failed, took long or is picked by `ACCESS_LOG` gets a line in the log.

    Args:
        route: the pattern of the route, never the path: `/v1/decisions/{decision_id}`; "other" where there is none.
        method: of HTTP.
        status: of the answer.
        seconds: from the begin of the request to the end of the answer.
    """
    REQUESTS.observe(seconds, (route, method, status))
    if seconds >= SLOW_SECONDS or status >= 500:
        log.warning("request failed" if status >= 500 else "slow request", **_line(route, method, status, seconds))
    elif ACCESS_LOG.share and ACCESS_LOG.picks(CURRENT.get() or ""):
        log.info("request", **_line(route, method, status, seconds))


def batch(items: int, work_seconds: float, commit_seconds: float) -> None:
    """Note one durable transaction.

    Args:
        items: decisions, outcomes or changes in it.
        work_seconds: time of its statements.
        commit_seconds: time of its flush to the disk.
    """
    with _lock:
        TRANSACTION_ITEMS.observe(items)
        TRANSACTION_SECONDS.observe(work_seconds, ("work",))
        TRANSACTION_SECONDS.observe(commit_seconds, ("commit",))
    if TRACERS.spans is not None:
        parts = {"work": work_seconds, "commit": commit_seconds}
        TRACERS.spans.done("transaction", work_seconds + commit_seconds, parts, items)


def retried() -> None:
    """Note a transaction that is tried again."""
    with _lock:
        RETRIES.add()


def failed(error: Unavailable) -> None:
    """Note a transaction that the database could not take; one in a while gets a line in the log.

    A disk that is nearly full takes small transactions and no large ones, so that no outage would ever be seen.
    """
    global _failure_told_at  # noqa: PLW0603 - of the process, as all that is counted here
    with _lock:
        FAILURES.add()
        is_new = monotonic() >= _failure_told_at + FAILURES_TOLD_SECONDS
        if is_new:
            _failure_told_at = monotonic()
    if is_new:
        log.warning("a transaction was not written", error=str(error), cause=cause_of(error))


def cause_of(error: Unavailable) -> str:
    """What the database said, in a line."""
    return str(error.__cause__ or "").partition("\n")[0]


def refused(items: int) -> None:
    """Note items that were refused because too many were waiting."""
    with _lock:
        REFUSED.add(n=items)


def decided(answers: Iterable[object]) -> None:
    """Count durable answers; errors among them are none."""
    decisions: dict[Labels, int] = defaultdict(int)
    blocked: dict[Labels, int] = defaultdict(int)
    for answer in answers:
        if isinstance(answer, Answer):
            decision = answer.decision
            campaign_id = decision.campaign_id
            decisions[campaign_id, decision.variant_id or NO_VARIANT, decision.reason, decision.group] += 1
            if decision.blocked:
                for rule in set(decision.blocked.values()):
                    blocked[campaign_id, rule] += 1
    with _lock:
        DECISIONS.add_all(decisions)
        BLOCKED.add_all(blocked)


def recorded(results: Iterable[object]) -> None:
    """Count what became of reports of outcomes, durably; errors among them are none."""
    receipts: dict[Labels, int] = defaultdict(int)
    for result in results:
        if isinstance(result, Recorded):
            receipts[result.status,] += 1
    with _lock:
        OUTCOMES.add_all(receipts)


def learned(seconds: float) -> None:
    """Note that a campaign was learned, and how long it took."""
    with _lock:
        LEARNING.observe(seconds)
    if TRACERS.spans is not None:
        TRACERS.spans.done("learn", seconds, {})


def posted(receiver: str, result: str) -> None:
    """Note an attempt to post a notice: ``delivered`` or ``failed``."""
    with _lock:
        POSTED.add((receiver, result))


def _line(route: str, method: str, status: int, seconds: float) -> dict[str, object]:
    return {"method": method, "route": route, "status": status, "milliseconds": round(1_000 * seconds, 1)}
