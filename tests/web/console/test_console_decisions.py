"""The log of decisions and why each came out as it did, as pages."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from optimizer.services.keys.api_keys import Scope

LOG = "/console/campaigns/winback/decisions"


def decided(site: Any, recipient: str, **rest: Any) -> dict[str, Any]:
    body = {"campaign": "winback", "recipient": recipient, "request_id": "r1", **rest}
    answer = site.client.post("/v1/decisions", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def learner(site: Any, name: str, **rest: Any) -> dict[str, Any]:
    return next(one for n in range(50) if (one := decided(site, f"{name}-{n}", **rest))["group"] == "learning")


def rows(page: str) -> int:
    return page.count('aria-label="Explain decision')


def test_the_log_leads_to_the_explanation_of_each_decision(site: Any, site_console: Any) -> None:
    one = learner(site, "logged", attributes={"days": 100})
    page = site_console.text(f"{LOG}?segment=lapsed")
    assert f'href="/console/decisions/{one["decision_id"]}"' in page
    assert "logged-" not in page, "a page shows who it was about"


def test_a_decision_is_explained_with_its_draw_and_its_proof(site: Any, site_console: Any) -> None:
    one = learner(site, "explained", exclude=["hello"])
    page = site_console.text(f"/console/decisions/{one['decision_id']}")
    found = site.client.get(f"/v1/decisions/{one['decision_id']}/explain").json()
    assert "recomputed: same" in page
    assert f"{found['u']:.6f}" in page
    needle = re.search(r'class="needle" x1="([\d.]+)"', page)
    assert needle, "no mark where the draw fell"
    assert float(needle[1]) == pytest.approx(1000 * found["u"], abs=0.01)
    slices = [(float(x), float(w)) for x, w in re.findall(r'class="slice[^>]*x="([\d.]+)"[^>]*width="([\d.]+)"', page)]
    chosen = [name for name, (x, w) in enumerate(slices) if x <= float(needle[1]) < round(x + w + 2, 2)]
    assert len(chosen) == 1, "the mark stands on no part of the bar, or on two"
    assert "the request excludes it" in page
    assert page.count("removed</span>") == 1
    assert 'href="/console/strategy/versions/1"' in page


def test_what_came_of_a_decision_is_told_in_order(site: Any, site_console: Any) -> None:
    one = learner(site, "told")
    for kind in ("opened", "purchase"):
        report = {"event_id": f"{kind}-{one['decision_id']}", "decision_id": one["decision_id"], "kind": kind}
        site.client.post("/v1/outcomes", json={**report, "occurred_at": one["decided_at"]})
    page = site_console.text(f"/console/decisions/{one['decision_id']}")
    timeline = page[page.index('class="timeline"') :]
    assert timeline.index("decided") < timeline.index("opened") < timeline.index("purchase") < timeline.index("window")
    assert "It counts as a success" in page


def test_a_held_out_recipient_is_explained_without_a_draw(site: Any, site_console: Any) -> None:
    held = next(one for n in range(200) if "holdout" in (one := decided(site, f"held-{n}"))["group"])
    page = site_console.text(f"/console/decisions/{held['decision_id']}")
    assert "the recipient is held out" in page
    assert "needle" not in page
    assert "recomputed: same" in page


def test_filters_leave_what_they_ask_for(site: Any, site_console: Any) -> None:
    one = learner(site, "american", attributes={"country": "US"})
    page = site_console.text(f"{LOG}?segment=american&group=learning&variant={one['variant']}")
    assert one["decision_id"] in page
    assert "campaign holdout</td>" not in page
    assert one["decision_id"] not in site_console.text(f"{LOG}?segment=lapsed")
    day = datetime.fromisoformat(one["decided_at"]).astimezone(ZoneInfo("Europe/London")).date()  # the strategy's
    assert one["decision_id"] in site_console.text(f"{LOG}?day={day}")
    empty = site_console.text(f"{LOG}?day=2001-01-01")
    assert "No decision like that." in empty
    assert rows(empty) == 0


def test_pages_follow_one_another_to_the_end(site: Any, site_console: Any) -> None:
    recipients = [{"recipient": f"many-{n}", "request_id": "r1"} for n in range(120)]
    answer = site.client.post("/v1/decisions/batch", json={"campaign": "newsletter", "recipients": recipients})
    made = {one["decision_id"] for one in answer.json()["decisions"]}
    url: str | None = "/console/campaigns/newsletter/decisions"
    seen: list[str] = []
    while url is not None:
        page = site_console.text(url)
        seen += re.findall(r'href="/console/decisions/([0-9a-f]+)"', page)
        found = re.search(r'<a rel="next" href="([^"]+)"', page)
        url = found[1].replace("&amp;", "&") if found else None
    assert len(seen) == len(set(seen))
    assert made <= set(seen)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("group=nobody", 422),
        ("day=yesterday", 422),
        ("after=nowhere", 422),
        ("after=99999999999999999999.ab", 422),
        ("segment=nowhere", 200),
        ("segment=%3Cscript%3E", 200),
    ],
)
def test_wrong_filters_get_a_page_that_says_so(site_console: Any, query: str, status: int) -> None:
    answer = site_console.get(f"{LOG}?{query}")
    assert answer.status_code == status
    assert "<h1" in answer.text
    assert "<script>" not in answer.text


def test_unknown_things_are_pages_of_the_console(site_console: Any) -> None:
    for url in ("/console/decisions/nobody", "/console/campaigns/nowhere/decisions"):
        answer = site_console.get(url)
        assert answer.status_code == 404
        assert 'href="/console"' in answer.text


def test_a_decision_is_looked_up_by_its_id(site: Any, site_console: Any) -> None:
    one = learner(site, "by-id")
    answer = site_console.post("/console/decisions", decision_id=f" {one['decision_id']} ")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/console/decisions/{one['decision_id']}"
    refused = site_console.said(site_console.post("/console/decisions", decision_id="nobody"))
    assert refused == "decision_id: found 'nobody'; allowed a decision this service made"
    assert "nothing; allowed the id of a decision" in site_console.said(site_console.post("/console/decisions"))


def test_a_recipient_is_looked_up_in_a_form_and_the_trail_says_so(site: Any, site_console: Any) -> None:
    one = decided(site, "look-me-up")
    answer = site_console.post("/console/decisions", recipient="look-me-up", note="they called")
    assert answer.status_code == 200
    assert one["decision_id"] in answer.text
    assert "look-me-up" not in str(answer.url)
    last = site.client.get("/v1/audit?n=1").json()["entries"][0]
    assert (last["action"], last["subject"], last["note"]) == ("look up", "1 recipient", "they called")
    assert "Nothing was ever decided" in site_console.post("/console/decisions", recipient="nobody-at-all").text
    refused = site_console.said(site_console.post("/console/decisions", recipient="look-me-up", note="look-me-up?"))
    assert "found the recipient's id" in refused


def test_who_may_only_look_may_look_decisions_up(site: Any, open_console: Any) -> None:
    decided(site, "seen-by-analysts")
    console = open_console(site, scopes=[Scope.ANALYSE], name="analyst")
    token = re.search(r'name="csrf" value="([^"]+)"', console.text("/console/decisions"))
    assert token
    data = {"csrf": token[1], "recipient": "seen-by-analysts"}
    assert "Decisions about" in console.client.post("/console/decisions", data=data).text
    assert console.client.post("/console/decisions", data={**data, "csrf": "wrong"}).status_code == 403
