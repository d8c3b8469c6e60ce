"""Callers of a soak: they ask, repeat, report, report twice, take back, unsubscribe, and remember all they are told."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from load import HOST, Exchange, request

from serving_parts.asking import DECIDE, DECIDE_MANY, RECORD
from serving_parts.told import KNOWN, NEWLY, Told

PATIENCE_SECONDS = 30
AGAIN_SECONDS = 0.2  # after an answer that promised nothing
RECENT = 3_000  # requests that most outcomes are about
CAMPAIGNS = ("winback", "newsletter")
CHANNELS = ("email", "push")
KINDS = ("delivered", "opened", "clicked", "purchase", "withdrawn", "unsubscribed", "complained")
CHANCES = (30, 25, 25, 18, 1.8, 0.15, 0.05)
SUPPRESSES = {"unsubscribed": False, "complained": True}  # whether it is for every channel
SHARES = {"one": 46, "again": 8, "many": 4, "many_again": 2, "report": 25, "report_again": 6, "undo": 5, "profile": 4}
LARGEST_BATCH, LARGEST_REPORT, ASKED_AGAIN = 100, 50, 1_000


@dataclass
class Line:
    """A connection that is made again whenever it is lost."""

    port: int
    told: Told
    _exchange: Exchange | None = None
    _answer: "asyncio.Future[tuple[int, bytes]] | None" = None

    async def ask(self, method: str, path: str, body: Any, key: str) -> tuple[int, Any] | None:
        """Status and body of the answer; None when none came."""
        try:
            if self._exchange is None:
                made = Exchange(self._answered, self._lost)
                await asyncio.get_running_loop().create_connection(lambda: made, HOST, self.port)
                self._exchange = made
            self._answer = asyncio.get_running_loop().create_future()
            self._exchange.ask(request(method, path, json.dumps(body).encode(), key))
            async with asyncio.timeout(PATIENCE_SECONDS):
                status, text = await self._answer
            return status, json.loads(text)
        except (OSError, TimeoutError) as error:
            self.told.counts[f"no answer: {type(error).__name__}"] += 1
            self.close()
            return None

    def close(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
        self._exchange = self._answer = None

    def _answered(self, status: int, body: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((status, body))

    def _lost(self) -> None:
        self._exchange = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the connection was lost"))


@dataclass
class Caller:
    """One client, which does one thing after the other.

    Attributes:
        pace: requests a second, on average.
        population: how many recipients there are.
    """

    line: Line
    told: Told
    key: str
    rng: Random
    pace: float
    population: int

    async def call(self, until: float) -> None:
        """Go on until this wall-clock instant."""
        while time.time() < until:
            await asyncio.sleep(self.rng.expovariate(self.pace))
            await self._something()
        self.line.close()

    async def ask_again(self, numbers: Sequence[int]) -> None:
        """Ask for decisions that were acknowledged long ago; the answers must be the same."""
        for start in range(0, len(numbers), ASKED_AGAIN):
            some = numbers[start : start + ASKED_AGAIN]
            for campaign in range(len(CAMPAIGNS)):
                alike = [number for number in some if self.told.decisions.campaigns[number] == campaign]
                if alike:
                    await self._decide(alike, campaign)
        self.line.close()

    async def _something(self) -> None:
        (way,) = self.rng.choices(list(SHARES), list(SHARES.values()))
        if not len(self.told.decisions):
            way = "one"  # there is nothing yet to repeat or to report on
        elif way in ("report_again", "undo") and not len(self.told.events):
            way = "report"
        await getattr(self, f"_{way}")()

    async def _decide(self, numbers: Sequence[int], campaign: int) -> None:
        """Ask for decisions of one campaign, the new ones and those asked before; note what was answered."""
        body = {"campaign": CAMPAIGNS[campaign], "recipients": [self._item(number) for number in numbers]}
        answer = await self._asked("POST", DECIDE_MANY, body)
        for number, one in zip(numbers, answer["decisions"] if answer else (), strict=False):
            self.told.answered(number, one, CHANNELS[campaign], time.time())

    async def _tell(self, numbers: Sequence[int]) -> None:
        """Report events, new or known, until the service has said what became of them."""
        body = {"outcomes": [self._event(number) for number in numbers]}
        while (answer := await self._asked("POST", RECORD, body)) is None:
            await asyncio.sleep(AGAIN_SECONDS)  # as a sender does whose events must not be lost
        now, events = time.time(), self.told.events
        for number, one in zip(numbers, answer["outcomes"], strict=True):
            self.told.counts[f"outcome {one['status']}"] += 1
            if one["status"] in ("accepted", "late", "duplicate"):
                new = one["status"] != "duplicate"
                if new and events.recorded[number] == NEWLY:
                    self.told.breach(f"I3: event e{number} was {one['status']} twice")
                events.recorded[number] = NEWLY if new else events.recorded[number] or KNOWN
                self.told.heard(now)
                self._suppress(number, now)

    def _suppress(self, number: int, now: float) -> None:
        decision, kind = self.told.events.decisions[number], KINDS[self.told.events.kinds[number]]
        if kind in SUPPRESSES and self.told.events.reverses[number] < 0:
            channel = None if SUPPRESSES[kind] else CHANNELS[self.told.decisions.campaigns[decision]]
            self.told.suppressed.setdefault((self.told.decisions.recipients[decision], channel), now)

    async def _one(self) -> None:
        await self._single(self._new(self.rng.randrange(len(CAMPAIGNS))))

    async def _again(self) -> None:
        await self._single(self._earlier())

    async def _single(self, number: int) -> None:
        campaign = self.told.decisions.campaigns[number]
        answer = await self._asked("POST", DECIDE, {"campaign": CAMPAIGNS[campaign], **self._item(number)})
        if answer is not None:
            self.told.answered(number, answer, CHANNELS[campaign], time.time())

    async def _many(self) -> None:
        campaign = self.rng.randrange(len(CAMPAIGNS))
        await self._decide([self._new(campaign) for _ in range(self.rng.randint(2, LARGEST_BATCH))], campaign)

    async def _many_again(self) -> None:
        campaign = self.told.decisions.campaigns[self._earlier()]
        some = {self._earlier() for _ in range(LARGEST_BATCH)}
        alike = [number for number in some if self.told.decisions.campaigns[number] == campaign]
        await self._decide([*alike, self._new(campaign)], campaign)

    async def _report(self) -> None:
        new = []
        for _ in range(self.rng.randint(1, LARGEST_REPORT)):
            decision = self._earlier(RECENT if self.rng.random() < 0.7 else None)
            if self.told.decisions.sent[decision]:
                (kind,) = self.rng.choices(range(len(KINDS)), CHANCES)
                new.append(self.told.events.new(decision, kind, -1))
        if new:
            await self._tell(new + new[:1] * (self.rng.random() < 0.1))  # now and then twice in one report

    async def _report_again(self) -> None:
        await self._tell([self._event_before() for _ in range(self.rng.randint(1, 5))])

    async def _undo(self) -> None:
        earlier = self._event_before()
        events = self.told.events
        if events.reverses[earlier] < 0:
            await self._tell([events.new(events.decisions[earlier], events.kinds[earlier], earlier)])

    async def _profile(self) -> None:
        recipient = self.rng.randrange(self.population)
        profile = {"attributes": {"country": self.rng.choice(("US", "GB")), "days": self.rng.randrange(5_000)}}
        await self._asked("PUT", f"/v1/recipients/customer-{recipient}", profile)

    def _new(self, campaign: int) -> int:
        return self.told.decisions.new(self.rng.randrange(self.population), campaign, time.time())

    def _earlier(self, within: int | None = None) -> int:
        n = len(self.told.decisions)
        return self.rng.randrange(0 if within is None else max(n - within, 0), n)

    def _event_before(self) -> int:
        return self.rng.randrange(len(self.told.events))

    def _item(self, number: int) -> dict[str, Any]:
        """What is asked under a number: the same whenever it is asked."""
        recipient = self.told.decisions.recipients[number]
        attributes = {"days": number % 5_000, "vip": number % 11 == 0}
        return {"recipient": f"customer-{recipient}", "request_id": f"r{number}", "attributes": attributes}

    def _event(self, number: int) -> dict[str, Any]:
        events, decisions = self.told.events, self.told.decisions
        decision = events.decisions[number]
        at = datetime.fromtimestamp(self.rng.uniform(decisions.asked_at[decision], time.time()), UTC)
        event = {
            "event_id": f"e{number}",
            "decision_id": decisions.id_of(decision),
            "kind": KINDS[events.kinds[number]],
            "occurred_at": at.isoformat(),
        }
        return event | ({"reverses": f"e{events.reverses[number]}"} if events.reverses[number] >= 0 else {})

    async def _asked(self, method: str, path: str, body: Any) -> Any:
        """The body of a 200; None when the service could not, and says so."""
        found = await self.line.ask(method, path, body, self.key)
        self.told.counts[" ".join([method, *path.split("/")[1:3]])] += 1
        if found is None:
            await asyncio.sleep(AGAIN_SECONDS)
            return None
        status, answer = found
        if status == 200:
            return answer
        self.told.counts[f"status {status}"] += 1
        if status not in (429, 503):
            self.told.breach(f"{method} {path}: found status {status}: {str(answer)[:300]}; allowed 200, 429 and 503")
        await asyncio.sleep(AGAIN_SECONDS)
        return None
