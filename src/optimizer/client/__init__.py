"""The Python client: asks a service for variants, or decides in process, and tells it what happened.

    from optimizer.client import Client

    with Client("https://optimizer.example.com", key, fallbacks={"winback": "hello"}) as client:
        decision = client.decide("winback", "customer-4711", attributes={"country": "US"})
        client.report(decision, "purchase", value="19.90", currency="USD")

`AsyncClient` does the same on an event loop. `LocalClient` decides in this process, in microseconds, for campaigns
whose guardrails allow it; it is loaded when it is first named, as it brings the engine with it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from optimizer.client.answers import Batch, Decision, Delivery, ItemProblem, Message, Recipient, Source, Targeting
from optimizer.client.errors import (
    ClientError,
    Conflict,
    Finding,
    InvalidCall,
    MissingScope,
    NotFound,
    QueueFull,
    Refused,
    SpoolError,
    TimedOut,
    Unavailable,
    Unintelligible,
    WrongKey,
)
from optimizer.client.exchange import Retries, Timeouts
from optimizer.client.tasks import AsyncClient
from optimizer.client.threads import Client

if TYPE_CHECKING:
    from optimizer.client.local import LocalClient

__all__ = [
    "AsyncClient",
    "Batch",
    "Client",
    "ClientError",
    "Conflict",
    "Decision",
    "Delivery",
    "Finding",
    "InvalidCall",
    "ItemProblem",
    "LocalClient",
    "Message",
    "MissingScope",
    "NotFound",
    "QueueFull",
    "Recipient",
    "Refused",
    "Retries",
    "Source",
    "SpoolError",
    "Targeting",
    "TimedOut",
    "Timeouts",
    "Unavailable",
    "Unintelligible",
    "WrongKey",
]


def __getattr__(name: str) -> Any:
    if name == "LocalClient":
        return import_module("optimizer.client.local").LocalClient
    raise AttributeError(name)
