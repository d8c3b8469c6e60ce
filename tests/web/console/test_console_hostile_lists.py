"""What people and machines write into the ledger is text on every page of the lists, whatever it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

from optimizer.domain.outcome import Outcome

HOSTILE = "<script>alert(1)</script>\"><img src=x onerror=alert(1)> {{7*7}} {% raw %} '; \u202e"
YAML = '"<script>alert(1)</script>\\"><img src=x onerror=alert(1)> {{7*7}} {% raw %} \'; \\u202e"'

STRATEGY = f"""\
strategy: acme
why: {YAML}
currency: USD
time_zone: Europe/London
objectives:
  - id: buy
    why: {YAML}
    reward: {{outcome: purchase, value: amount}}
    attribution_window: P7D
  - {{id: visits, proxy_for: buy, reward: {{outcome: site_visit, value: first}}, attribution_window: P7D}}
attributes:
  country: {{type: category, values: [US, {YAML}], why: {YAML}}}
policy_defaults: {{model: hurdle}}
approval: {{required: true, approvers: [tester, {YAML}]}}
review: {{every: P14D}}
"""
CAMPAIGN = f"""\
campaign: winback
serves: buy
why: {YAML}
journey_stage: {YAML}
channel: email
messages:
  - id: one
    subject: {YAML}
    body: {YAML}
    fields: {{headline: {YAML}}}
    notes: {YAML}
  - {{id: two, subject: Two}}
  - {{id: unread, subject: {YAML}}}
targetings:
  - {{id: morning, notes: {YAML}, fields: {{slot: {YAML}}}}}
control: {{message: two, targeting: morning}}
segments:
  - {{id: american, why: {YAML}, when: {{country: {{in: [US, {YAML}]}}}}}}
"""
OTHER = f"""\
campaign: other
serves: visits
accept_proxy: {YAML}
channel: email
messages: [{{id: one, subject: One}}]
control: nothing
policy: {{model: beta_bernoulli}}
"""


class Elements(HTMLParser):
    """The elements and attributes of a page, as a browser sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {(tag, name) for name, _ in attrs}
        self.scripts += tag == "script" and "src" not in dict(attrs)


def check(page: str) -> bool:
    """Whether the hostile text is on the page; fails where any of it became markup."""
    elements = Elements()
    elements.feed(page)
    assert not {name for _, name in elements.found if name.startswith("on")}, "an event handler"
    assert elements.scripts == 0, "a script in the page"
    assert ("img", "onerror") not in elements.found
    assert "<script>alert" not in page
    assert " 49 " not in page
    return "&lt;script&gt;alert(1)" in page and "{{7*7}}" in page


def test_hostile_texts_are_texts_on_every_page(
    deploy: Any, new_database: Callable[[str], str], serve: Callable[..., Any], open_console: Any
) -> None:
    deployment = deploy(new_database("sqlite"))
    files = {"strategy.yaml": STRATEGY, "campaigns/winback.yaml": CAMPAIGN, "campaigns/other.yaml": OTHER}
    with serve(deployment, files) as service:
        house = service.house()
        house.approve("winback", "one")
        house.approve("winback", "two")
        note = {"note": HOSTILE.replace("\u202e", "")}
        service.client.post("/v1/campaigns/winback/pause", json={"variant": "two:morning", **note})
        service.client.post("/v1/campaigns/winback/resume", json={"variant": "two:morning", **note})
        service.client.post("/v1/campaigns/winback/review", json=note)
        console = open_console(service)
        profile = {"attributes": {"country": HOSTILE}, "consent": {"email": True}, "consent_texts": {"email": HOSTILE}}
        assert service.client.put("/v1/recipients/ann", json=profile).status_code == 200
        url = ""
        for n in range(40):
            page = console.post(
                "/console/campaigns/winback/assist", recipient=f"a{n}", **{"attribute.country": HOSTILE}
            )
            token = re.search(r'name="request_id" value="([^"]+)"', page.text)
            if token and "I offered one:morning" in page.text:
                assert check(page.text)
                wish = {"recipient": f"a{n}", "request_id": token[1], "variant": "one:morning"}
                answer = console.post(
                    "/console/campaigns/winback/assist/offered", **wish, **{"attribute.country": HOSTILE}
                )
                url = answer.headers["location"]
                break
        assert "/offered/" in url
        decision_id = url.rpartition("/")[2]
        with deployment.store.writing(alone=True) as ledger:
            at = ledger.decisions.by_id([decision_id])[decision_id].decided_at
            ledger.outcomes.insert([Outcome(HOSTILE[:60], decision_id, HOSTILE, 5_000_000, "USD", at, at)])
            fields = ("recipient", "campaign_id", "value", "currency", "reverses", "recipient_key", "decision_id")
            kept = {**dict.fromkeys(fields), "event_id": HOSTILE[:60], "kind": HOSTILE, "occurred_at": at}
            ledger.quarantine.keep(HOSTILE[:60], HOSTILE, {**kept, "machine": False}, at)
        service.client.post("/v1/decisions", json={"campaign": "winback", "recipient": "ann", "request_id": "r1"})
        hostile = [
            "/console/campaigns/winback/decisions",
            f"/console/decisions/{decision_id}",
            "/console/strategy",
            "/console/strategy/versions/1",
            "/console/reviews",
            "/console/audit",
            "/console/quarantine",
            "/console/campaigns/winback/assist",
            url,
        ]
        without = [page for page in hostile if not check(console.text(page))]
        assert without == [], "pages that do not show the text they should"
        assert check(console.post("/console/recipients", recipient="ann", note="").text)
        for path, fields in (
            ("/console/recipients", {"recipient": HOSTILE}),
            ("/console/decisions", {"decision_id": HOSTILE}),
            ("/console/decisions", {"recipient": HOSTILE}),
            ("/console/campaigns/winback/assist", {"recipient": HOSTILE}),
            ("/console/quarantine/retry", {"event_id": HOSTILE}),
        ):
            answer = console.post(path, **fields, back="/console/recipients")
            check(console.text(answer.headers["location"]))
        for query in ("segment", "variant", "group", "day", "after"):
            check(console.get("/console/campaigns/winback/decisions", params={query: HOSTILE}).text)
        check(console.get("/console/audit", params={"campaign": HOSTILE[:60], "actor": HOSTILE}).text)
