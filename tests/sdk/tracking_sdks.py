"""The SDKs of Segment and RudderStack, in Python and Node.js, behind one way to call them; and a server to call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import rudderstack.analytics.client as rudderstack
import segment.analytics.client as segment

SEGMENT_NODE = {"@segment/analytics-node": "3.1.0"}
RUDDERSTACK_NODE = {"@rudderstack/rudder-sdk-node": "3.0.13"}

Call = Mapping[str, Any]
"""A call: its `type`, and what it is called with, as Segment's specification names it."""

EVENTS = """
events:
  Order Completed: {outcome: purchase, value: revenue, currency: currency}
"""

_SEGMENT_SCRIPT = """
import { Analytics } from '@segment/analytics-node'
const analytics = new Analytics({ writeKey: process.env.KEY, host: process.env.URL, maxRetries: 0 })
const failed = []
analytics.on('error', (error) => failed.push(String(error.reason ?? error)))
for (const { type, ...call } of JSON.parse(process.env.CALLS)) analytics[type](call)
await analytics.closeAndFlush({ timeout: 20000 })
console.log(JSON.stringify(failed))
"""
_RUDDERSTACK_SCRIPT = """
import RudderAnalytics from '@rudderstack/rudder-sdk-node'
const failed = []
const client = new RudderAnalytics(process.env.KEY, {
  dataPlaneUrl: process.env.URL, flushAt: 500, errorHandler: (error) => failed.push(String(error)), retryCount: 0,
})
for (const { type, ...call } of JSON.parse(process.env.CALLS)) client[type](call)
await new Promise((resolve) => client.flush(resolve))
console.log(JSON.stringify(failed))
process.exit(0)
"""


def with_segment_python(url: str, key: str, calls: Sequence[Call], *, gzip: bool = False) -> list[str]:
    """What went wrong when Segment's Python SDK made these calls."""
    return _with_python(segment.Client, url, key, calls, gzip=gzip)


def with_rudderstack_python(url: str, key: str, calls: Sequence[Call], *, gzip: bool = True) -> list[str]:
    """What went wrong when RudderStack's Python SDK made these calls."""
    return _with_python(rudderstack.Client, url, key, calls, gzip=gzip)


def with_segment_node(
    run_js: Callable[..., str], node_project: Callable[..., Any], url: str, key: str, calls: Sequence[Call]
) -> list[str]:
    """What went wrong when Segment's Node.js SDK made these calls."""
    return _with_node(run_js, node_project(SEGMENT_NODE), _SEGMENT_SCRIPT, url, key, calls)


def with_rudderstack_node(
    run_js: Callable[..., str], node_project: Callable[..., Any], url: str, key: str, calls: Sequence[Call]
) -> list[str]:
    """What went wrong when RudderStack's Node.js SDK made these calls."""
    return _with_node(run_js, node_project(RUDDERSTACK_NODE), _RUDDERSTACK_SCRIPT, url, key, calls)


def learns_and_targets(service: Any, send: Callable[[str, str, Sequence[Call]], list[str]]) -> None:
    """Decision → event → learning moved, and identify → another segment, through one SDK."""
    client = service.client
    url, key = service.url, service.deployment.create_key("site", ["report_outcomes"])
    recipients = [{"recipient": f"customer-{n}", "request_id": "r"} for n in range(80)]
    asked = {"campaign": "winback", "recipients": recipients}
    decisions = client.post("/v1/decisions/batch", json=asked).raise_for_status().json()["decisions"]
    before = client.get("/v1/campaigns/winback/allocation").json()
    bought = [one for one in decisions if one["variant"] == "ten-percent" and one["group"] == "learning"]
    assert len(bought) >= 5
    calls: list[Call] = [
        {
            "type": "track",
            "userId": f"customer-{n}",
            "event": "Order Completed",
            "properties": {"decision_id": one["decision_id"], "revenue": 19.9, "currency": "USD"},
            "messageId": f"order-{one['decision_id']}",
        }
        for n, one in enumerate(decisions)
        if one in bought
    ]
    segment_of = {"campaign": "winback", "recipient": "zoe", "attributes": {}}
    assert client.post("/v1/decisions", json={**segment_of, "request_id": "z1"}).json()["segment"] == "everyone-else"
    calls += [
        {"type": "identify", "userId": "zoe", "traits": {"days": 120, "plan": "gold"}},
        {"type": "page", "userId": "zoe", "name": "Home"},
        {"type": "screen", "userId": "zoe", "name": "Home"},
        {"type": "group", "userId": "zoe", "groupId": "g1", "traits": {"size": 3}},
        {"type": "alias", "userId": "zoe", "previousId": "anonymous-1"},
    ]
    assert send(url, key, calls) == []
    assert send(url, key, calls) == []  # as an SDK does that has not heard the answer
    counts = service.counts()
    assert (counts["outcomes"], counts["quarantine"]) == (len(bought), 0)
    found = client.get(f"/v1/decisions/{bought[0]['decision_id']}").json()
    assert [(one["kind"], one["value"], one["currency"]) for one in found["outcomes"]] == [("purchase", 19.9, "USD")]
    happened = datetime.fromisoformat(found["outcomes"][0]["occurred_at"])
    assert datetime.fromisoformat(found["decision"]["decided_at"]) < happened
    client.post("/v1/campaigns/winback/learn").raise_for_status()
    after = client.get("/v1/campaigns/winback/allocation").json()
    assert _share(after) > _share(before) + 0.1
    assert client.post("/v1/decisions", json={**segment_of, "request_id": "z2"}).json()["segment"] == "lapsed"
    assert client.get("/v1/recipients/zoe").json()["attributes"] == {"days": 120}


def is_refused_at_once(service: Any, send: Callable[[str, str, Sequence[Call]], list[str]]) -> None:
    """A wrong key is an error that the SDK hears, and does not try again for."""
    failed = send(service.url, "opt_live_wrong", [{"type": "track", "userId": "ann", "event": "purchase"}])
    assert len(failed) == 1


def _with_python(made: Any, url: str, key: str, calls: Sequence[Call], *, gzip: bool) -> list[str]:
    failed: list[str] = []
    client = made(key, host=url, gzip=gzip, max_retries=1, on_error=lambda error, _: failed.append(str(error)))
    for call in calls:
        words = {_PYTHON_NAMES.get(name, name): value for name, value in call.items() if name != "type"}
        if call["type"] in ("page", "screen") and made is segment.Client:
            words["category"] = "site"
        getattr(client, call["type"])(**words)
    client.flush()
    client.join()
    return failed


_PYTHON_NAMES = {"userId": "user_id", "messageId": "message_id", "groupId": "group_id", "previousId": "previous_id"}


def _with_node(
    run_js: Callable[..., str], folder: Any, script: str, url: str, key: str, calls: Sequence[Call]
) -> list[str]:
    failed: list[str] = json.loads(run_js(folder, script, {"URL": url, "KEY": key, "CALLS": json.dumps(calls)}))
    return failed


def _share(allocation: Any) -> float:
    (everyone,) = [one for one in allocation["segments"] if one["segment"] == "everyone-else"]
    share: float = everyone["allocation"]["ten-percent"]
    return share
