"""Requests as bytes, made before the load begins: recipients at random from a large population, every id once."""

from collections.abc import Iterator, Sequence
from itertools import count
from random import Random

from load import request

from serving_parts.shops import CAMPAIGN

DECIDE, DECIDE_MANY, RECORD = "/v1/decisions", "/v1/decisions/batch", "/v1/outcomes"
DECIDED = b'"decision_id":"'  # stands in an answer once for every decision
RECORDED = b'"accepted"'
POPULATION = 2_000_000
KINDS = ("clicked", "clicked", "opened", "purchase")
_numbers = count(1)
_rng = Random(2026)


def item() -> str:
    """One recipient, with attributes and a request id of its own; without the braces."""
    rng = _rng
    attributes = (
        f'{{"country":"{rng.choice(("US", "GB", "DE", "FR"))}","days":{rng.randrange(5_000)},'
        f'"vip":{"true" if rng.random() < 0.1 else "false"}}}'
    )
    who = f'"recipient":"customer-{rng.randrange(POPULATION)}","request_id":"req-{next(_numbers)}"'
    return f'{who},"attributes":{attributes}'


def decisions(n: int, key: str, path: str = DECIDE, campaign: str = CAMPAIGN) -> list[bytes]:
    """``n`` requests for one decision each."""
    return [request("POST", path, f'{{"campaign":"{campaign}",{item()}}}'.encode(), key) for _ in range(n)]


def batches(n: int, size: int, key: str) -> list[bytes]:
    """``n`` requests for many decisions each."""
    return [
        request(
            "POST",
            DECIDE_MANY,
            f'{{"campaign":"{CAMPAIGN}","recipients":[{",".join(f"{{{item()}}}" for _ in range(size))}]}}'.encode(),
            key,
        )
        for _ in range(n)
    ]


def outcomes(decision_ids: Sequence[str], size: int, key: str, occurred_at: str) -> Iterator[bytes]:
    """Reports of something for each of these decisions, many in a request."""
    for start in range(0, len(decision_ids), size):
        reports = ",".join(
            f'{{"event_id":"event-{next(_numbers)}","decision_id":"{id_}","kind":"{_rng.choice(KINDS)}",'
            f'"occurred_at":"{occurred_at}"}}'
            for id_ in decision_ids[start : start + size]
        )
        yield request("POST", RECORD, f'{{"outcomes":[{reports}]}}'.encode(), key)
