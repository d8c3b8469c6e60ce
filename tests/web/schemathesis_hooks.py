"""What schemathesis is told about this service: names that exist in it, and what every answer of it carries."""

from __future__ import annotations

import json
import os
from random import Random
from typing import Any

import schemathesis
from hypothesis import strategies as st

from optimizer.web.headers import TEXT_HEADERS

KNOWN: dict[str, list[Any]] = json.loads(os.environ["SERVICE_KNOWN"])
"""Values that reach beyond "no such thing", by the name of a field or of a part of a path."""
EXPECTED = {int(status) for status in os.environ.get("SERVICE_EXPECTED", "").split()}
"""Statuses that routes which need a key may answer; empty: any that is documented."""
OPEN_TO_ALL = {"/livez", "/readyz"}
SIGNED = "/v1/webhooks/"
OF_SDKS = {f"/v1/{call}" for call in ("batch", "track", "identify", "page", "screen", "group", "alias")}


@schemathesis.hook
def flatmap_case(_context: Any, case: Any) -> st.SearchStrategy[Any]:
    """Puts known names into most requests that are right, so that they get to where decisions are made."""
    if case.meta is None or not case.meta.generation.mode.is_positive or case.meta.phase.name.value == "stateful":
        return st.just(case)  # what is wrong stays as it is, and links already lead from one answer to the next
    return st.randoms(use_true_random=False).map(lambda random: with_known(case, random))


def with_known(case: Any, random: Random) -> Any:
    for part in ("path_parameters", "body"):
        value = getattr(case, part)
        changed = known(value, random)
        if changed != value:  # what is set is judged again, and a path is written as in a URL by now
            setattr(case, part, changed)
    return case


def known(value: Any, random: Random, name: str = "") -> Any:
    """A value in which most fields that have a known name have a known value."""
    if name in KNOWN and value is not None and random.random() < 0.8:
        return random.choice(KNOWN[name])
    if isinstance(value, dict):
        fields = {key: known(one, random, key) for key, one in value.items()}
        if "event_id" in fields:  # an outcome names a decision in one way or the other
            given = [("decision_id",), ("recipient", "campaign")]
            for key in given[random.random() < 0.5]:
                fields.pop(key, None)
        return fields
    if isinstance(value, list):
        return [known(one, random) for one in value]
    return value


@schemathesis.check
def every_answer_is_ours(_context: Any, response: Any, case: Any) -> None:
    """Security headers and the request's id on every answer, and one shape for every error."""
    headers = {name.lower(): values for name, values in response.headers.items()}
    assert len(headers["x-request-id"]) == 1
    for name in TEXT_HEADERS:
        assert len(headers[name.lower()]) == 1, name
    if response.status_code < 400:
        return
    assert headers["content-type"] == ["application/problem+json"]
    problem = json.loads(response.content)
    assert problem["status"] == response.status_code
    assert problem["type"].startswith("urn:optimizer:problem:")
    assert problem["title"]
    assert problem["instance"] == f"urn:optimizer:request:{headers['x-request-id'][0]}"
    of_flags = {"key", "errorCode", "errorDetails"} if case.path.startswith("/ofrep/") else set()
    of_sdks = {"code", "message"} if case.operation.path in OF_SDKS else set()
    assert problem.keys() <= {"type", "title", "status", "detail", "errors", "instance"} | of_flags | of_sdks
    assert "allowed" in problem["detail"] or response.status_code not in {401, 403, 405, 422, 429}
    assert "another value" not in problem["detail"], "what is allowed can be said"
    for error in problem.get("errors", []):
        assert error["allowed"]
    if response.status_code in {429, 503}:
        assert int(headers["retry-after"][0]) > 0


@schemathesis.check
def only_whoever_may_gets_an_answer(_context: Any, response: Any, case: Any) -> None:
    """While `EXPECTED` says so: nothing but these statuses."""
    path = case.operation.path
    if path.startswith(SIGNED):  # no key opens these, and no provider has a secret there
        assert response.status_code in {404, 405}
    elif EXPECTED and path not in OPEN_TO_ALL and case.operation.method.upper() == case.method.upper():
        assert response.status_code in EXPECTED
