"""Tables of a running service, over HTTP: the same columns as from its ledger, with a key of scope `analyse`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from io import BytesIO
from typing import Any, Final

import httpx
import polars as pl

from optimizer.analysis.sources import Asked, Read
from optimizer.errors import (
    ConfigurationError,
    Conflict,
    InvalidRequest,
    NotFound,
    OptimizerError,
    RequestFinding,
    Unavailable,
)
from optimizer.history.table import CARRIED

PATIENCE_SECONDS: Final = 60.0
ATTEMPTS: Final = 5
LARGEST_PAGE: Final = 10_000
_AGAIN: Final = frozenset({429, 503})


class ServiceSource:
    """Reads the export routes of a service. Its walks are as of one moment too, though not of one transaction.

    Args:
        url: where it is served, such as ``http://127.0.0.1:8080``.
        key: an API key with scope `analyse`.
        transport: instead of the network, for tests.

    Raises:
        ConfigurationError: there is no key.
    """

    def __init__(self, url: str, key: str | None, transport: httpx.BaseTransport | None = None) -> None:
        if not key:
            raise ConfigurationError(
                "key: found none; allowed an API key with scope analyse: "
                "`optimizer key create --name notebook --scope analyse` makes one"
            )
        headers = {"Authorization": f"Bearer {key}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_SECONDS, transport=transport)

    @property
    def name(self) -> str:
        """What it reads, in words."""
        return f"the service at {self._client.base_url.host}"

    def campaigns(self) -> pl.DataFrame:
        """A row for each campaign in force."""
        return self._table("campaigns")

    def allocation(self, campaign: str, points: int) -> pl.DataFrame:
        """How the shares of each segment moved."""
        return self._table(f"allocation/{_in_a_path(campaign)}", points=points)

    def variants(self, campaign: str) -> pl.DataFrame:
        """The report's variants."""
        return self._table(f"variants/{_in_a_path(campaign)}")

    def groups(self, campaign: str) -> pl.DataFrame:
        """The report's groups."""
        return self._table(f"groups/{_in_a_path(campaign)}")

    def decisions(self, asked: Asked, size: int) -> Iterator[Read]:
        """Decisions in portions."""
        return self._walk("decisions", _parameters(asked, size))

    def outcomes(self, asked: Asked, size: int) -> Iterator[Read]:
        """Outcomes of so many decisions at a time."""
        return self._walk("outcomes", _parameters(asked, size))

    def trials(self, campaign: str, size: int) -> Iterator[Read]:
        """Trials in the standard columns."""
        return self._walk(f"trials/{_in_a_path(campaign)}", {"limit": min(size, LARGEST_PAGE)})

    def explanation(self, decision_id: str) -> Mapping[str, Any]:
        """Why a decision came out as it did."""
        told: Mapping[str, Any] = self._get(f"/v1/decisions/{_in_a_path(decision_id)}/explain", {}).json()
        return told

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _table(self, name: str, **parameters: Any) -> pl.DataFrame:
        answer = self._get(f"/v1/export/{name}", {**parameters, "format": "parquet"})
        return pl.read_parquet(BytesIO(answer.content))

    def _walk(self, name: str, parameters: Mapping[str, Any]) -> Iterator[Read]:
        path, asked = f"/v1/export/{name}", {**parameters, "format": "parquet"}
        while True:
            answer = self._get(path, asked)
            read, total = (int(answer.headers[f"X-Decisions-{name}"]) for name in ("Read", "Total"))
            carried = pl.read_parquet_metadata(BytesIO(answer.content)).get(CARRIED, "")
            yield Read(pl.read_parquet(BytesIO(answer.content)), read, total, carried)
            if "next" not in answer.links:
                return
            path, asked = answer.links["next"]["url"], {}

    def _get(self, path: str, parameters: Mapping[str, Any]) -> httpx.Response:
        """The answer of a route; what may succeed later is asked again a few times."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._client.get(path, params=parameters or None)
            except httpx.TransportError as error:
                where = self._client.base_url
                raise Unavailable(f"service: found nobody who answers at {where}; allowed a running service") from error
            if answer.is_success:
                return answer
            if answer.status_code not in _AGAIN or attempt == ATTEMPTS:
                break
            time.sleep(min(float(answer.headers.get("Retry-After", "1")), 30.0))
        raise _error_of(answer)


def _in_a_path(name: str) -> str:
    """An id as a part of a path; what cannot be one would name another route."""
    if not name or any(not (letter.isascii() and letter.isalnum()) and letter not in "._:-" for letter in name):
        raise NotFound(f"id: found {name!r:.60}; allowed letters, digits and ._:-")
    return name


def _parameters(asked: Asked, size: int) -> dict[str, Any]:
    given = {"campaign": asked.campaign, "since": asked.since, "until": asked.until}
    return {"limit": min(size, LARGEST_PAGE)} | {name: value for name, value in given.items() if value is not None}


def _error_of(answer: httpx.Response) -> OptimizerError:
    """What the problem of an answer means."""
    problem: Mapping[str, Any] = {}
    with suppress(ValueError):
        problem = answer.json()
    said = str(problem.get("detail", f"the service answered {answer.status_code}"))
    status = answer.status_code
    if status in {401, 403}:
        return ConfigurationError(said)
    if status == 404:
        return NotFound(said)
    if status == 409:
        return Conflict(said)
    if status == 422:
        errors = problem.get("errors", [])
        return InvalidRequest(*(RequestFinding(one["pointer"], one["found"], one["allowed"]) for one in errors))
    return Unavailable(said)
