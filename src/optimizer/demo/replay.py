"""Rejection replay through the live API: ask, keep what agrees with the log, withdraw the rest, learn.

Where the log was an equal split made by chance, the decisions that agree with it are a fair sample of what the policy
would have met live. Li, Chu, Langford, Wang 2011, "Unbiased offline evaluation of contextual-bandit-based news article
recommendation algorithms", algorithm 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import httpx
import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from optimizer.demo.history import ATTRIBUTES, VARIANTS
from optimizer.errors import Unavailable

CAMPAIGN = "next-mail"
REQUEST_ID = "replay"
CURRENCY = "USD"
# Learning quickly early matters; later, batches may be larger.
GROWTH = 1.1
LARGEST = 10  # times the first batch
_MOST_ITEMS = 5_000  # of one request

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay did, a place for each customer in the order they were asked for.

    Attributes:
        segments: segment of each decision, as the service answered.
        decided: variant of each decision, as its place in VARIANTS.
        logged: variant the history logged, likewise.
        rewarded: whether the customer did what the objective rewards, whatever they were sent.
        propensities: probability of each decided variant.
        n_batches: how many batches there were; the service learned after each.
        deciding_seconds: time spent waiting for decisions.
        seconds: time of the whole replay.
        report: the service's own report at the end.
    """

    segments: NDArray[np.str_]
    decided: NDArray[np.int64]
    logged: NDArray[np.int64]
    rewarded: NDArray[np.bool_]
    propensities: NDArray[np.float64]
    n_batches: int
    deciding_seconds: float
    seconds: float
    report: Json

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """Whether the decision agrees with the log."""
        return np.asarray(self.decided == self.logged)

    @property
    def mean_reward(self) -> float:
        """Mean reward of the accepted decisions: what the policy would have earned live."""
        return float(self.rewarded[self.accepted].mean())

    @property
    def decisions_per_second(self) -> float:
        """Durable decisions a second, one batch at a time."""
        return len(self.decided) / self.deciding_seconds


def batch_sizes(n: int, first: int) -> Iterator[int]:
    """Sizes that grow from `first`, slowly, and sum to `n`."""
    size, left = float(first), n
    while left:
        here = min(left, int(size))
        yield here
        left -= here
        size = min(size * GROWTH, first * LARGEST, _MOST_ITEMS)


def outcomes_of(decision: Mapping[str, Any], customer: Mapping[str, Any]) -> list[Json]:
    """What to report of one decision: the customer's outcomes where it agrees with the log, else its withdrawal."""
    said = {"decision_id": decision["decision_id"], "occurred_at": decision["decided_at"]}

    def event(kind: str, **more: Any) -> Json:
        return {"event_id": f"{decision['decision_id']}:{kind}", "kind": kind, **said, **more}

    if decision["variant"] != customer["logged"]:
        return [event("withdrawn")]
    outcomes = [event("exposed")]
    if customer["visit"]:
        outcomes.append(event("visit"))
    if customer["purchase"]:
        outcomes.append(event("purchase", value=f"{customer['spend']:.2f}", currency=CURRENCY))
    return outcomes


def replay(
    client: httpx.Client,
    customers: pl.DataFrame,
    *,
    rewarded: str,
    first_batch: int,
    progress: Callable[[int, int, float], None] = lambda *_: None,
) -> Replay:
    """Drive a service that runs the campaign CAMPAIGN.

    Args:
        client: knows the address and a key with every scope.
        customers: see `History.customers`, in the order to ask for.
        rewarded: column of what the objective rewards, ``visit`` or ``purchase``.
        first_batch: decisions before the service first learns.
        progress: told, after each batch, how many were decided, how many of those agree with the log, and the mean
            reward of these.

    Raises:
        Unavailable: the service refused something it should not have, or went away.
    """
    place = {variant: arm for arm, variant in enumerate(VARIANTS)}
    segments: list[str] = []
    decided: list[int] = []
    propensities: list[float] = []
    deciding = 0.0
    n_batches = n_accepted = n_rewarded = done = 0
    began = perf_counter()
    for size in batch_sizes(len(customers), first_batch):
        rows = customers[done : done + size].to_dicts()
        asked = perf_counter()
        decisions = decide(client, rows, first=done)
        deciding += perf_counter() - asked
        outcomes: list[Json] = []
        for decision, customer in zip(decisions, rows, strict=True):
            outcomes += outcomes_of(decision, customer)
            if decision["variant"] == customer["logged"]:
                n_accepted += 1
                n_rewarded += customer[rewarded]
        record(client, outcomes)
        post(client, f"/v1/campaigns/{CAMPAIGN}/learn")
        segments += [decision["segment"] for decision in decisions]
        decided += [place[decision["variant"]] for decision in decisions]
        propensities += [decision["propensity"] for decision in decisions]
        done += size
        n_batches += 1
        progress(done, n_accepted, n_rewarded / max(n_accepted, 1))
    seconds = perf_counter() - began
    return Replay(
        segments=np.array(segments),
        decided=np.array(decided),
        logged=np.array([place[variant] for variant in customers["logged"]]),
        rewarded=customers[rewarded].to_numpy(),
        propensities=np.array(propensities),
        n_batches=n_batches,
        deciding_seconds=deciding,
        seconds=seconds,
        report=answered(client.get(f"/v1/campaigns/{CAMPAIGN}/report")),
    )


def decide(client: httpx.Client, customers: Sequence[Json], first: int) -> list[Json]:
    """A deferred decision for each customer; their ids count up from `first`."""
    recipients = [
        {"recipient": f"customer-{first + n}", "attributes": {name: customer[name] for name in ATTRIBUTES}}
        for n, customer in enumerate(customers)
    ]
    asked = {"campaign": CAMPAIGN, "request_id": REQUEST_ID, "defer_exposure": True, "recipients": recipients}
    decisions: list[Json] = post(client, "/v1/decisions/batch", asked)["decisions"]
    for decision in decisions:
        if decision.get("variant") is None:
            raise Unavailable(f"the service decided on no variant: {decision.get('error') or decision.get('reason')}")
    return decisions


def record(client: httpx.Client, outcomes: Sequence[Json]) -> None:
    """Report outcomes, all of which must be accepted."""
    for start in range(0, len(outcomes), _MOST_ITEMS):
        statuses = post(client, "/v1/outcomes", {"outcomes": outcomes[start : start + _MOST_ITEMS]})["outcomes"]
        for status in statuses:
            if status["status"] != "accepted":
                raise Unavailable(f"the service did not accept an outcome: {status}")


def post(client: httpx.Client, path: str, body: Json | None = None) -> Json:
    """The service's answer to a body in JSON."""
    headers = {"Content-Type": "application/json"}
    return answered(client.post(path, content=None if body is None else orjson.dumps(body), headers=headers))


def answered(response: httpx.Response) -> Json:
    """The JSON of an answer that is not an error."""
    if response.is_error:
        raise Unavailable(f"{response.request.method} {response.request.url.path}: {response.text[:500]}")
    answer: Json = orjson.loads(response.content)
    return answer
