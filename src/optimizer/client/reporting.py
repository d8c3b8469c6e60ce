"""The reporter: a thread that delivers what was reported, in batches, until the service has all of it."""

from __future__ import annotations

import atexit
import logging
import os
import random
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from threading import Condition, Event, Thread
from typing import Any, Final

from msgspec import Raw, Struct
from msgspec.json import Decoder, encode

from optimizer.client.answers import Delivery, Recorded, Uploaded
from optimizer.client.calls import Call, outcomes_call, upload_call
from optimizer.client.driving import CLOCK, Driver, check_process
from optimizer.client.errors import Conflict, InvalidCall, NotFound, Refused, Unavailable
from optimizer.client.exchange import Patience
from optimizer.client.spool import Segment, Waiting

log = logging.getLogger("optimizer.client")
EVERY_SECONDS: Final = 0.5  # what was reported meanwhile travels together
SYNC_SECONDS: Final = 0.2  # what a power cut may take
LONGEST_WAIT: Final = 60.0
MOST_OUTCOMES, MOST_DECISIONS, MOST_UPLOAD_BYTES = 500, 2_000, 900_000  # proxies take 1 MB
_TROUBLES = 20
_USABLE = frozenset({"accepted", "duplicate", "late"})


class OutcomeRecord(Struct, frozen=True, tag="outcome"):
    """An outcome that waits, as the service takes it."""

    outcome: Raw


class MadeRecord(Struct, frozen=True, tag="made"):
    """Decisions that this process made and that wait for their upload: a JSON list, as the service takes it."""

    campaign: str
    bundle: int
    n: int
    decisions: Raw


_RECORD = Decoder(OutcomeRecord | MadeRecord)


class Reporter:
    """Delivers in the background; any number of threads may report.

    Args:
        waiting: where reports wait.
        driver: sends them.
        patience: how long each delivery is tried before it is put off.
    """

    def __init__(self, waiting: Waiting, driver: Driver, patience: Patience) -> None:
        self._waiting, self._driver, self._patience = waiting, driver, patience
        self._statuses: Counter[str] = Counter()
        self._troubles: deque[str] = deque(maxlen=_TROUBLES)
        self._turn = Condition()
        self._closing = Event()
        self._made_in = os.getpid()
        self._wanted = 0  # rounds somebody waits for
        self._rounds = 0  # rounds that ended
        self._thread: Thread | None = None
        self._at_exit = _at_exit(self)

    def report(self, records: Sequence[bytes]) -> None:
        """Have records delivered.

        Raises:
            Conflict: nobody would deliver them.
            QueueFull: too much waits already.
            SpoolError: they cannot be kept.
        """
        check_process(self._made_in)
        if self._closing.is_set():
            raise Conflict("client: found one that is closed; allowed one that still delivers")
        self._waiting.append(records)
        if self._thread is None:
            self.begin()

    def sync(self) -> None:
        """Make what was reported outlive the machine, where it is kept in files."""
        self._waiting.sync()

    def begin(self) -> None:
        """Deliver from now on, what an earlier process has left included."""
        with self._turn:
            if self._thread is None and not self._closing.is_set():
                self._thread = Thread(target=self._deliver_all, name="optimizer-reports", daemon=True)
                self._thread.start()

    def flush(self, timeout: float) -> bool:
        """Deliver what waits; whether nothing waits any more."""
        self._waiting.sync()
        ends, asks_at = CLOCK() + timeout, 0.0
        with self._turn:
            while self._thread is not None and self._waiting.size and (left := ends - CLOCK()) > 0:
                if CLOCK() >= asks_at:  # a round that fails is not followed by another one at once
                    self._wanted, asks_at = self._rounds + 1, CLOCK() + EVERY_SECONDS
                    self._turn.notify_all()
                self._turn.wait(min(left, EVERY_SECONDS))
        return self._waiting.size == 0

    def close(self, timeout: float) -> bool:
        """Deliver what waits, within a time, and stop; whether nothing was left."""
        if self._closing.is_set():
            return self._waiting.size == 0
        if os.getpid() != self._made_in:  # what waits is its maker's, and so is the folder it waits in
            return False
        atexit.unregister(self._at_exit)
        self.flush(timeout)
        self._closing.set()
        with self._turn:
            self._turn.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)
        self._waiting.close()
        self._driver.close()
        done = self._waiting.size == 0  # the last delivery may have ended meanwhile
        if not done:
            log.warning("%d bytes of reports were not delivered before the end", self._waiting.size)
        return done

    @property
    def delivery(self) -> Delivery:
        """What became of all that was reported."""
        return Delivery(self._waiting.size, dict(self._statuses), tuple(self._troubles))

    def _deliver_all(self) -> None:
        failures, synced = 0, CLOCK()
        while not self._closing.is_set():
            delivered = self._round()
            failures = 0 if delivered else failures + 1
            # Chance keeps processes that lost the service together from coming back together.
            wait = EVERY_SECONDS if delivered else min(LONGEST_WAIT, 2.0**failures * EVERY_SECONDS) * _between()
            ends = CLOCK() + wait
            with self._turn:
                self._rounds += 1
                self._turn.notify_all()
            while (left := ends - CLOCK()) > 0 and not self._closing.is_set():
                with self._turn:
                    if self._wanted > self._rounds:
                        break
                    self._turn.wait(min(left, SYNC_SECONDS))
                if CLOCK() - synced >= SYNC_SECONDS:
                    self._waiting.sync()
                    synced = CLOCK()

    def _round(self) -> bool:
        """Deliver everything that waits now; false if the service could not take it."""
        while (segment := self._waiting.take()) is not None:
            try:
                for call in _calls(segment):
                    self._deliver(call)
            except (Refused, Unavailable) as error:
                self._note(f"not delivered yet: {error}")
                return False
            except Exception as error:  # whatever it was, what waits is still there
                if self._closing.is_set():  # and nobody waits for this round any more
                    return False
                self._note(f"not delivered yet: {type(error).__name__}")
                log.exception("a defect of the client; reports wait")
                return False
            self._waiting.done(segment)
        return True

    def _deliver(self, call: Call[Any]) -> None:
        try:
            found = self._driver.run(self._patience.exchange(call))
        except (InvalidCall, NotFound) as error:
            # The service understood and will never take it: what comes after it must not wait for it.
            self._statuses["refused"] += 1
            self._note(str(error))
            return
        for one in found:
            self._statuses[one.status] += 1
            if one.status not in _USABLE:
                self._note(_said(one))

    def _note(self, trouble: str) -> None:
        self._troubles.append(trouble)
        log.warning("reports: %s", trouble)


def _calls(segment: Segment) -> Iterator[Call[Any]]:
    """What delivers a segment: the decisions first, so that outcomes find theirs."""
    records = [_RECORD.decode(record) for record in segment.records]
    made: list[MadeRecord] = []
    n = size = 0
    for record in records:
        if isinstance(record, MadeRecord):
            length = len(bytes(record.decisions))
            is_same = not made or (made[0].campaign, made[0].bundle) == (record.campaign, record.bundle)
            if made and not (is_same and n + record.n <= MOST_DECISIONS and size + length <= MOST_UPLOAD_BYTES):
                yield _upload(made)
                made, n, size = [], 0, 0
            made.append(record)
            n, size = n + record.n, size + length
    if made:
        yield _upload(made)
    outcomes = [record.outcome for record in records if isinstance(record, OutcomeRecord)]
    for start in range(0, len(outcomes), MOST_OUTCOMES):
        yield outcomes_call(outcomes[start : start + MOST_OUTCOMES])


def _upload(made: Sequence[MadeRecord]) -> Call[Any]:
    inner = b",".join([bytes(one.decisions)[1:-1] for one in made])
    return upload_call(made[0].campaign, made[0].bundle, Raw(b"[" + inner + b"]"))


def _said(one: Recorded | Uploaded) -> str:
    name = one.event_id if isinstance(one, Recorded) else one.decision_id
    return f"{name}: {one.status}: {one.detail or 'no reason given'}"


def outcome_record(outcome: dict[str, Any]) -> bytes:
    """An outcome as it waits."""
    return encode(OutcomeRecord(Raw(encode(outcome))))


def _between() -> float:
    return 0.5 + random.random() / 2  # noqa: S311 - nobody must be unable to guess it


def _at_exit(reporter: Reporter) -> Callable[[], None]:
    """Closes a reporter at the end of the process, without keeping it alive until then."""
    known = weakref.ref(reporter)

    def close() -> None:
        living = known()
        if living is not None:
            living.close(CLOSING_SECONDS)

    atexit.register(close)
    return close


CLOSING_SECONDS: Final = 5.0
