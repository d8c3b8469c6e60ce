"""One of several workers that hammer a campaign together: a process that tests may kill.

It is started with a folder, its number, how long to go on and the instant its clock starts from; says "ready", waits
for a line with the moment (of the machine's monotonic clock) at which all clocks start, and writes down in a file
whatever it asks and whatever it is told, the moment it happens.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from optimizer.deployment import Deployment
from optimizer.domain.instants import DAY
from optimizer.errors import OptimizerError
from optimizer.services import group_commit
from optimizer.services.decisions.deciding import Answer, DecisionRequest, decide
from optimizer.services.group_commit import GroupCommit, Handler
from optimizer.services.outcomes.recording import OutcomeReport, record_outcomes
from optimizer.settings import read_settings
from optimizer.storage.store import Ledger, is_transient

CAMPAIGN = "hammered"
RECIPIENTS = 30
CLIENTS = 3
DAYS_A_SECOND = 2  # time flies: windows roll, days begin and reservations mature while the hammers fall
SLOTS_A_DAY = 4  # requests of a recipient; every worker asks the same ones
CHANCES = {"clicked": 0.6, "purchase": 0.4, "withdrawn": 0.15, "unsubscribed": 0.03}


@dataclass
class Hammer:
    """A worker: one deployment, one writer, and a clock that runs fast."""

    deployment: Deployment
    log: Any
    start: int
    began: int = 0

    def now(self) -> int:
        return self.start + (time.monotonic_ns() - self.began) * DAYS_A_SECOND * DAY // 1_000_000_000

    def say(self, **said: Any) -> None:
        self.log.write(json.dumps(said) + "\n")
        self.log.flush()

    def decide(self, ledger: Ledger, requests: Sequence[DecisionRequest]) -> Sequence[Any]:
        return decide(ledger, self.deployment.live, requests, self.now())

    def record(self, ledger: Ledger, reports: Sequence[OutcomeReport]) -> Sequence[Any]:
        return record_outcomes(ledger, self.deployment.live, reports, self.now())

    def lost(self, error: BaseException) -> bool:
        """Whether a race was lost; written down, for it shall happen."""
        transient = is_transient(error)
        if transient:
            self.say(lost=str(error))
        return transient

    async def go_on(self, number: int, seconds: float) -> None:
        writer = GroupCommit(self.deployment.store, [self.record, self.decide])
        await asyncio.gather(*[self.client(writer, Random(f"{number}-{n}"), seconds) for n in range(CLIENTS)])
        await writer.close()

    async def client(self, writer: GroupCommit, rng: Random, seconds: float) -> None:
        while time.monotonic_ns() - self.began < seconds * 1e9:
            slot = (self.now() - self.start) * SLOTS_A_DAY // DAY
            recipients = rng.sample(range(RECIPIENTS), rng.choice([1, 1, 2, 6]))
            requests = [
                DecisionRequest(CAMPAIGN, f"person-{n}", f"slot-{slot - (rng.random() < 0.2)}", {}) for n in recipients
            ]
            asked = time.monotonic_ns()
            for request in requests:
                self.say(asked=asked, recipient=request.recipient, request=request.request_id)
            for request, answer in zip(requests, await self.results(writer, self.decide, requests), strict=True):
                self.say(
                    recipient=request.recipient,
                    request=request.request_id,
                    decision=answer.decision.decision_id,
                    variant=answer.decision.variant_id,
                    propensity=answer.decision.propensity,
                    at=answer.decision.decided_at,
                )
                await self.tell(writer, rng, request.recipient, answer)

    async def tell(self, writer: GroupCommit, rng: Random, recipient: str, answer: Answer) -> None:
        if answer.variant is None:
            return
        id_ = answer.decision.decision_id
        kinds = [kind for kind, chance in CHANCES.items() if rng.random() < chance]
        reports = [OutcomeReport(f"{kind}-{id_}", kind, self.now(), decision_id=id_) for kind in kinds]
        if reports:
            await self.results(writer, self.record, reports * rng.choice([1, 1, 2]))
            if "unsubscribed" in kinds:
                self.say(unsubscribed=recipient, told=time.monotonic_ns())

    async def results(self, writer: GroupCommit, handler: Handler, items: Sequence[Any]) -> list[Any]:
        results = await asyncio.wait_for(writer.submit(handler, items), 60)
        for result in results:
            if isinstance(result, OptimizerError):
                raise result
        return results


def main(folder: Path, number: int, seconds: float, start: int) -> None:
    with (folder / f"hammer-{number}-{start}.log").open("a") as log:
        hammer = Hammer(Deployment(folder, read_settings()), log, start)
        group_commit.is_transient = hammer.lost  # type: ignore[assignment]
        print("ready", flush=True)
        hammer.began = int(sys.stdin.readline())
        asyncio.run(hammer.go_on(number, seconds))
        hammer.deployment.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
