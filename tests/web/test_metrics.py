"""What `GET /metrics` shows, to whom, and that it goes on showing it when the ledger is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from optimizer.deployment import Deployment
from optimizer.errors import Contended, Unavailable
from optimizer.services import group_commit
from optimizer.services.keys.api_keys import Scope
from optimizer.services.reports.gauges import GAUGES
from optimizer.settings import Settings
from optimizer.web.observing import telemetry
from optimizer.web.routes import scraping
from optimizer.web.shapes.requests import MOST_ITEMS

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]

DECISION = {"campaign": "winback", "recipient": "ann-of-norwich", "attributes": {"days": 4_711, "country": "GB"}}


def samples(text: str) -> Samples:
    """Every sample by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


def total(found: Samples, wanted: str, **labels: str) -> float:
    """The sum of a name's samples that have these labels among others."""
    return sum(x for (name, has), x in found.items() if name == wanted and has.issuperset(labels.items()))


@pytest.fixture(autouse=True)
def _gauges_are_read_at_every_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraping, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(scraping, "LARGEST_SHARE", 1e9)
    monkeypatch.setattr(scraping, "PATIENCE_SECONDS", 30.0)  # a machine that is busy with other tests is no outage


@pytest.fixture
def scrape(site: Any) -> Callable[[], Samples]:
    """Scrapes the site."""

    def now() -> Samples:
        answer = site.client.get("/metrics")
        assert answer.status_code == 200, answer.text
        return samples(answer.text)

    return now


def test_requests_are_counted_by_route_method_and_status(site: Any, scrape: Callable[[], Samples]) -> None:
    name = "optimizer_request_duration_seconds_count"
    before = scrape()
    for _ in range(3):
        assert site.client.post("/v1/decisions", json=DECISION).status_code == 200
    site.client.post("/v1/decisions", json={})
    site.client.get("/v1/decisions/nobody")
    site.client.get("/no/such/place")
    site.client.request("BREW", "/v1/decisions")
    after = scrape()

    def grown(**labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert grown(route="/v1/decisions", method="POST", status="200") == 3
    assert grown(route="/v1/decisions", method="POST", status="422") == 1
    assert grown(route="/v1/decisions/{decision_id}", method="GET", status="404") == 1
    assert grown(route="other", method="GET", status="404") == 1
    assert total(after, name, method="BREW") == 0
    assert total(after, "optimizer_request_duration_seconds_sum", route="/v1/decisions") > 0


def test_decisions_are_counted_by_campaign_variant_reason_and_group(site: Any, scrape: Callable[[], Samples]) -> None:
    before = scrape()
    answers = [
        site.client.post("/v1/decisions", json={**DECISION, "recipient": f"person-{n}"}).json() for n in range(30)
    ]
    after = scrape()
    kinds = {(a["variant"] or "", a["reason"], a["group"]) for a in answers}
    assert len(kinds) > 1
    for variant, reason, group in kinds:
        labels = {"campaign": "winback", "variant": variant, "reason": reason, "group": group}
        name = "optimizer_decisions_total"
        expected = sum((a["variant"] or "", a["reason"], a["group"]) == (variant, reason, group) for a in answers)
        assert value(after, name, **labels) - value(before, name, **labels) == expected


def test_a_rule_that_removes_variants_is_counted_once_a_decision(site: Any, scrape: Callable[[], Samples]) -> None:
    labels = {"campaign": "winback", "rule": "excluded_by_caller"}
    before = scrape()
    body = {**DECISION, "recipient": "choosy", "exclude": ["hello", "new-arrivals"]}
    assert site.client.post("/v1/decisions", json=body).status_code == 200
    after = scrape()
    name = "optimizer_decisions_blocked_total"
    assert value(after, name, **labels) - value(before, name, **labels) == 1


def test_batches_transactions_and_outcomes_are_counted(site: Any, scrape: Callable[[], Samples]) -> None:
    before = scrape()
    batch = {"campaign": "newsletter", "recipients": [{"recipient": f"batch-{n}"} for n in range(40)]}
    answered = site.client.post("/v1/decisions/batch", json=batch).json()["decisions"]
    outcomes = [
        {"event_id": "metrics-1", "decision_id": answered[0]["decision_id"], "kind": "clicked"},
        {"event_id": "metrics-1", "decision_id": answered[0]["decision_id"], "kind": "clicked"},
        {"event_id": "metrics-2", "decision_id": "f" * 32, "kind": "clicked"},
    ]
    at = datetime.now(UTC).isoformat()
    outcomes = [{**outcome, "occurred_at": at} for outcome in outcomes]
    assert site.client.post("/v1/outcomes", json={"outcomes": outcomes}).status_code == 200
    after = scrape()

    def grown(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert grown("optimizer_decisions_total", campaign="newsletter") == 40
    assert grown("optimizer_transaction_items_sum") >= 43
    assert grown("optimizer_transaction_duration_seconds_count", phase="commit") >= 2
    assert grown("optimizer_transaction_duration_seconds_sum", phase="work") > 0
    statuses = ("accepted", "duplicate", "unknown")
    assert [grown("optimizer_outcomes_total", receipt=status) for status in statuses] == [1, 1, 1]
    assert value(after, "optimizer_quarantine_reports") - value(before, "optimizer_quarantine_reports") == 1


def test_every_campaign_says_how_it_stands(site: Any, scrape: Callable[[], Samples]) -> None:
    found = scrape()
    for campaign in ("winback", "newsletter", "members"):
        assert value(found, "optimizer_campaign_state", campaign=campaign, state="live") == 1
        assert value(found, "optimizer_learning_state", campaign=campaign, state="learning") == 1
        assert value(found, "optimizer_snapshot_age_seconds", campaign=campaign) > 0
        assert ("optimizer_learning_lag_seconds", frozenset({("campaign", campaign)})) in found
        assert total(found, "optimizer_learning_holder", campaign=campaign) == 1
    assert value(found, "optimizer_ledger_up") == 1
    assert value(found, "optimizer_workers") == 1
    assert value(found, "optimizer_strategy_version") == 1
    assert value(found, "process_resident_memory_bytes", worker="0") > 1e6
    assert value(found, "optimizer_ledger_disk_free_bytes") > 0
    # Three variants of which nothing is known yet: close to log2(3) bits.
    assert 1.5 < value(found, "optimizer_allocation_entropy_bits", campaign="winback", segment="american") < 1.6


def test_a_suppressed_recipient_and_an_alarm_are_seen(site: Any, scrape: Callable[[], Samples]) -> None:
    before = scrape()
    assert site.client.put("/v1/suppressions/metrics", json={"note": "asked on the phone"}).status_code == 200
    after = scrape()
    assert value(after, "optimizer_suppressions") - value(before, "optimizer_suppressions") == 1


def test_nothing_about_a_person_is_in_it(site: Any) -> None:
    """Neither ids nor keys nor values, whatever was sent and however wrong it was."""
    person, key = "maria.theresia", site.key
    for body in (
        {**DECISION, "recipient": person, "request_id": "secret-request"},
        {**DECISION, "recipient": person, "campaign": f"nothing-for-{person}"},
        {**DECISION, "recipient": person, "attributes": {"country": person}},
    ):
        site.client.post("/v1/decisions", json=body, headers={"X-Request-ID": person})
    for path in (f"/v1/decisions/{person}", f"/v1/recipients/{person}", f"/{person}", f"/v1/suppressions/{person}"):
        site.client.get(path, params={"of": person})
    outcome = {"event_id": person, "recipient": person, "campaign": "winback", "kind": person}
    site.client.post("/v1/outcomes", json={"outcomes": [outcome]})
    text = site.client.get("/metrics").text
    for secret in (person, key, key.rpartition("_")[2], "secret-request", "tester"):
        assert secret not in text


def test_openmetrics_is_given_to_whoever_asks_for_it(site: Any) -> None:
    answer = site.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.rstrip().endswith("# EOF")
    assert site.client.get("/metrics").headers["content-type"].startswith("text/plain")


def test_figures_need_a_key_unless_they_are_open_to_anyone(
    tmp_path: Path, serve: Callable[..., Any], site: Any
) -> None:
    with site.calling() as client:
        assert client.get("/metrics").status_code == 401
    decider = site.deployment.create_key("decider", [Scope.DECIDE])
    with site.calling(**{"X-API-Key": decider}) as client:
        assert client.get("/metrics").status_code == 403
    open_to_anyone = Deployment(tmp_path, Settings(metrics_open=True))
    try:
        with serve(open_to_anyone) as service, service.calling() as client:
            answer = client.get("/metrics")
            assert answer.status_code == 200
            assert "optimizer_build_info" in answer.text
    finally:
        open_to_anyone.close()


def test_a_scrape_without_a_ledger_shows_what_needs_none(
    site: Any, scrape: Callable[[], Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert value(scrape(), "optimizer_ledger_up") == 1

    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable("the ledger cannot be read now")

    with monkeypatch.context() as broken:
        broken.setattr(site.deployment.store, "reading", away)
        found = scrape()
    assert value(found, "optimizer_ledger_up") == 0
    assert total(found, "optimizer_request_duration_seconds_count") > 0
    assert value(found, "process_resident_memory_bytes", worker="0") > 1e6
    from_the_ledger = {gauge.name for gauge in GAUGES}
    assert not from_the_ledger & {name for name, _ in found}
    assert value(scrape(), "optimizer_ledger_up") == 1


def test_a_disk_that_is_out_of_reach_costs_no_other_figure(
    site: Any, scrape: Callable[[], Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: Path) -> None:
        raise OSError("stale file handle")

    assert value(scrape(), "optimizer_ledger_disk_free_bytes") > 0
    monkeypatch.setattr("shutil.disk_usage", gone)
    found = scrape()
    assert ("optimizer_ledger_disk_free_bytes", frozenset()) not in found
    assert value(found, "optimizer_ledger_up") == 1


def test_the_largest_batch_has_a_range_of_its_own() -> None:
    assert telemetry.TRANSACTION_ITEMS.bounds[-1] >= MOST_ITEMS


def test_a_scrape_of_a_ledger_that_does_not_answer_ends_soon_and_asks_it_only_once(
    site: Any, scrape: Callable[[], Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    scrape()
    release, asked = threading.Event(), []
    read = scraping.GaugeReader.read

    def slow(*them: Any) -> Any:
        asked.append(threading.current_thread())
        assert release.wait(30)
        return read(*them)

    monkeypatch.setattr(scraping.GaugeReader, "read", slow)
    with monkeypatch.context() as hurried:
        hurried.setattr(scraping, "PATIENCE_SECONDS", 0.05)
        try:
            for _ in range(3):
                found = scrape()
                assert value(found, "optimizer_ledger_up") == 0
                assert not {gauge.name for gauge in GAUGES} & {name for name, _ in found}
            assert len(asked) == 1
            assert site.client.get("/livez").status_code == 200
        finally:
            release.set()
    assert value(scrape(), "optimizer_ledger_up") == 1


def test_a_defect_in_a_gauge_costs_no_other_figure(
    site: Any, scrape: Callable[[], Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(scraping.GaugeReader, "read", defect)
        found = scrape()
    assert value(found, "optimizer_ledger_up") == 0
    assert total(found, "optimizer_request_duration_seconds_count") > 0


def test_gauges_are_read_once_in_a_while_however_often_it_is_asked(
    tmp_path: Path, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    monkeypatch.setattr(scraping, "KEPT_SECONDS", 3_600.0)
    read = scraping.GaugeReader.read
    monkeypatch.setattr(scraping.GaugeReader, "read", lambda *them: reads.append(1) or read(*them))
    deployment = Deployment(tmp_path, Settings(metrics_open=True))
    try:
        with serve(deployment) as service:
            for _ in range(5):
                assert "optimizer_ledger_up 1.0" in service.client.get("/metrics").text
    finally:
        deployment.close()
    assert len(reads) == 1


def test_a_large_batch_costs_little_to_count(make_house: Any, sqlite_house: Any) -> None:
    answers = sqlite_house.decide(*(sqlite_house.request(f"r{n}", "x") for n in range(50)))
    before = telemetry.DECISIONS.state()
    telemetry.decided([*answers, ValueError("not an answer")])
    after = telemetry.DECISIONS.state()
    grown = sum(count for (count,) in after.values()) - sum(count for (count,) in before.values())
    assert grown == 50
    assert all(isinstance(label, str) for key in after for label in key)


def test_refusals_failures_and_second_attempts_are_counted(
    site: Any, scrape: Callable[[], Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = {"event_id": "counted", "decision_id": "f" * 32, "kind": "clicked", "occurred_at": "2026-01-01T00:00:00Z"}
    names = {
        "refused": "optimizer_queue_refused_items_total",
        "failed": "optimizer_transaction_failures_total",
        "again": "optimizer_transaction_retries_total",
    }
    before = scrape()
    with monkeypatch.context() as full:
        full.setattr(group_commit, "MOST_WAITING", 0)
        assert site.client.post("/v1/outcomes", json=outcome).status_code == 429
    refused = scrape()
    assert value(refused, names["refused"]) - value(before, names["refused"]) >= 1

    store, attempts = site.deployment.store, []
    begin = store.begin

    def contended_at_first(**how: Any) -> Any:
        attempts.append(how)
        if len(attempts) == 1:
            raise Contended("another worker was faster")
        return begin(**how)

    with monkeypatch.context() as busy:
        busy.setattr(store, "begin", contended_at_first)
        busy.setattr(store, "begin_if_free", lambda: None)
        assert site.client.post("/v1/outcomes", json=outcome).status_code == 200
    again = scrape()
    assert value(again, names["again"]) - value(refused, names["again"]) >= 1

    def away(**_: Any) -> Any:
        raise Unavailable("the ledger cannot take writes now") from OSError("database or disk is full\nof rows")

    with monkeypatch.context() as broken, structlog.testing.capture_logs() as lines:
        broken.setattr(telemetry, "_failure_told_at", -telemetry.FAILURES_TOLD_SECONDS)
        broken.setattr(store, "begin", away)
        broken.setattr(store, "begin_if_free", lambda: None)
        assert site.client.post("/v1/outcomes", json=outcome).status_code == 503
        assert site.client.post("/v1/outcomes", json=outcome).status_code == 503
    told = [line["cause"] for line in lines if line["event"] == "a transaction was not written"]
    assert told == ["database or disk is full"]
    assert value(scrape(), names["failed"]) - value(again, names["failed"]) >= 1
