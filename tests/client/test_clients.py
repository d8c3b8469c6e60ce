"""Both clients against a real server: what they give, what they raise, and what they do when nobody answers."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimizer.client import (
    AsyncClient,
    Client,
    Conflict,
    Decision,
    InvalidCall,
    ItemProblem,
    LocalClient,
    MissingScope,
    NotFound,
    QueueFull,
    Recipient,
    Retries,
    Source,
    Timeouts,
    Unavailable,
    WrongKey,
    calls,
)
from optimizer.client.driving import Driver
from optimizer.services.recipients.suppressing import RECIPIENT_PATTERN
from optimizer.web.shapes import requests

NOBODY = "http://127.0.0.1:9"  # discards: nothing listens there
QUICK = {"timeouts": Timeouts(0.2, 0.2, 0.5), "retries": Retries(2, 0.01)}
ONCE = """
import sys
import optimizer.client
heavy = {"fastapi", "starlette", "sqlalchemy", "sqlmodel", "uvicorn", "numpy", "scipy", "pydantic", "optimizer.engine"}
print(sorted(heavy & set(sys.modules)))
"""


class Both:
    """Calls either client in the same words."""

    def __init__(self, kind: type[Any]) -> None:
        self.kind, self.loop, self.made = kind, asyncio.new_event_loop(), ExitStack()

    def client(self, *given: Any, **options: Any) -> Any:
        client = self.kind(*given, **options)
        self.made.callback(lambda: self.call(client.close, 1.0))
        return client

    def call(self, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
        came = method(*given, **named)
        return self.loop.run_until_complete(came) if inspect.isawaitable(came) else came

    def within(self, manager: Any, body: Callable[[Decision], None]) -> None:
        if self.kind is Client:
            with manager as decision:
                body(decision)
            return

        async def inside() -> None:
            async with manager as decision:
                body(decision)

        self.loop.run_until_complete(inside())


@pytest.fixture(params=[Client, AsyncClient], ids=["threads", "tasks"])
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    """Either kind of client."""
    made = Both(request.param)
    with made.made:
        yield made
    made.loop.close()


def test_a_decision_is_typed_and_asked_again_the_same(both: Both, site: Any) -> None:
    client = both.client(site.url, site.key)
    decision = both.call(
        client.decide, "winback", "ann", attributes={"days": 100, "vip": None}, request_id="r", exclude=["ten-percent"]
    )
    assert isinstance(decision, Decision)
    assert decision.variant in {"new-arrivals", "hello"}  # the latter in a holdout
    assert decision.message is not None
    assert decision.message.id == decision.variant
    assert (decision.source, decision.is_fallback, decision.segment) == (Source.SERVICE, False, "lapsed")
    assert isinstance(decision.expires_at, datetime)
    assert both.call(client.decide, "winback", "ann", attributes={"days": 100}, request_id="r") == decision
    assert both.call(client.decide, "winback", "ann").decision_id != decision.decision_id


def test_a_batch_goes_in_chunks_says_who_is_wrong_and_can_be_resumed(
    both: Both, site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    client = both.client(site.url, site.key)
    people = [*(f"p{n}" for n in range(7)), Recipient("p7", {"shoe": 44}), Recipient("p8", request_id="own")]
    batch = both.call(client.decide_many, "winback", iter(people), chunk=4, progress=True)
    assert batch.is_complete
    assert [isinstance(one, Decision) for one in batch.decisions] == [True] * 7 + [False, True]
    bad = batch.decisions[7]
    assert isinstance(bad, ItemProblem)
    assert (bad.recipient, "/attributes/shoe" in bad.detail) == ("p7", True)
    again = both.call(client.decide_many, "winback", people, request_id=batch.request_id, chunk=9)
    assert again == batch
    assert capsys.readouterr().out == ""


def test_when_nobody_answers_the_fallback_is_given_and_nothing_raised(both: Both) -> None:
    client = both.client(NOBODY, "opt_live_x", fallbacks={"winback": "hello"}, **QUICK)
    decision = both.call(client.decide, "winback", "ann")
    assert (decision.variant, decision.decision_id, decision.is_fallback) == ("hello", None, True)
    assert decision.reason == "service_unavailable"
    assert both.call(client.decide, "newsletter", "ann").variant is None
    assert client.report(decision, "purchase") is None  # nobody decided it: there is nothing to learn from
    client.expose(decision)
    quick = both.client(NOBODY, "opt_live_x", batch_timeouts=QUICK["timeouts"], **QUICK)
    batch = both.call(quick.decide_many, "winback", ["a", "b"])
    assert not batch.is_complete
    assert [one.variant for one in batch.decisions] == [None, None]


def test_a_strict_client_raises_instead(both: Both) -> None:
    client = both.client(NOBODY, "opt_live_x", strict=True, fallbacks={"winback": "hello"}, **QUICK)
    with pytest.raises(Unavailable, match="found no service that answers"):
        both.call(client.decide, "winback", "ann")


def test_a_no_of_the_service_is_raised_in_its_words(both: Both, site: Any) -> None:
    wrong = both.client(site.url, "opt_live_wrong")
    with pytest.raises(WrongKey, match="API key: found one this service does not know"):
        both.call(wrong.decide, "winback", "ann")
    reader = both.client(site.url, site.deployment.create_key("reader", ["analyse"]))
    with pytest.raises(MissingScope, match="allowed decide"):
        both.call(reader.decide, "winback", "ann")
    client = both.client(site.url, site.key)
    with pytest.raises(NotFound, match="campaign: found 'nothing'"):
        both.call(client.decide, "nothing", "ann")
    with pytest.raises(InvalidCall) as raised:
        both.call(client.decide, "winback", "ann", attributes={"days": "many"})
    assert raised.value.findings[0].pointer == "/attributes/days"


def test_outcomes_are_delivered_in_the_background_and_count_once(both: Both, site: Any) -> None:
    client = both.client(site.url, site.key)
    decision = both.call(client.decide, "winback", "buyer", attributes={"days": 1})
    event = client.report(decision, "purchase", value=Decimal("19.90"), currency="USD")
    assert event == client.report(decision.decision_id, "purchase", value="19.90", currency="USD", event_id=event)
    client.report(None, "clicked", recipient="buyer", campaign="winback", occurred_at=datetime.now(UTC))
    client.report("f" * 32, "clicked")
    assert both.call(client.flush, 20)
    assert client.delivery.delivered == {"accepted": 2, "duplicate": 1, "unknown": 1}
    assert client.delivery.waiting == 0
    assert "unknown: decision_id: found ffff" in client.delivery.troubles[0]
    detail = site.client.get(f"/v1/decisions/{decision.decision_id}").json()
    assert {one["kind"] for one in detail["outcomes"]} == {"purchase", "clicked"}


def test_an_exposure_is_reported_when_the_block_ends_and_withdrawn_when_it_fails(both: Both, site: Any) -> None:
    client = both.client(site.url, site.key)
    seen: list[Decision] = []
    both.within(client.exposure("winback", "looker", request_id="shown"), seen.append)

    def fail(decision: Decision) -> None:
        seen.append(decision)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        both.within(client.exposure("winback", "looker", request_id="failed"), fail)
    assert both.call(client.flush, 20)
    shown, failed = (site.client.get(f"/v1/decisions/{one.decision_id}").json() for one in seen)
    assert shown["exposed_at"] is not None
    assert failed["exposed_at"] is None
    assert [one["kind"] for one in failed["outcomes"]] == ["withdrawn"]


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"kind": "Order Completed"}, "/kind"),
        ({"decision": "no id!"}, "/decision_id"),
        ({"decision": None}, "/recipient"),
        ({"decision": None, "recipient": "ann"}, "/campaign"),
        ({"recipient": "ann"}, "/recipient"),
        ({"event_id": "x" * 65}, "/event_id"),
        ({"occurred_at": datetime(2026, 1, 1)}, "/occurred_at"),  # noqa: DTZ001
    ],
    ids=str,
)
def test_an_outcome_that_cannot_be_right_is_refused_where_it_is_reported(given: dict[str, Any], place: str) -> None:
    said = {"decision": "d" * 32, "kind": "clicked", **given}
    with Client(NOBODY, "opt_live_x", **QUICK) as client:
        with pytest.raises(InvalidCall, match=f"{place}: found"):
            client.report(said.pop("decision"), said.pop("kind"), **said)
        assert client.delivery.waiting == 0


def test_a_full_queue_says_so_and_what_waits_is_not_lost(site: Any, tmp_path: Path) -> None:
    decision = site.house().decided("queued").decision.decision_id
    with Client(NOBODY, site.key, spool=tmp_path, most_waiting_bytes=2_000, **QUICK) as client:
        with suppress(QueueFull):
            for n in range(50):
                client.report(decision, "clicked", event_id=f"full-{n}")
        assert n < 20
        assert 1_500 < client.delivery.waiting <= 2_000
        assert not client.close(0.1)
    with Client(site.url, site.key, spool=tmp_path) as later:
        assert later.flush(20)
    assert len(site.client.get(f"/v1/decisions/{decision}").json()["outcomes"]) == n


REPORTS_AND_DIES = """
import os, sys
from optimizer.client import Client
client = Client(sys.argv[1], sys.argv[2], spool=sys.argv[3])
for n in range(30):
    client.report(sys.argv[4], "clicked", event_id=f"dying-{n}")
os.kill(os.getpid(), 9)
"""


def test_a_killed_process_loses_no_report_and_none_counts_twice(site: Any, tmp_path: Path) -> None:
    decision = site.house().decided("witness").decision.decision_id
    arguments = [site.url, site.key, str(tmp_path), decision]
    subprocess.run([sys.executable, "-c", REPORTS_AND_DIES, *arguments], check=False, timeout=60)
    with Client(site.url, site.key, spool=tmp_path) as client:
        assert client.flush(20)
    outcomes = site.client.get(f"/v1/decisions/{decision}").json()["outcomes"]
    assert sorted(one["event_id"] for one in outcomes) == sorted(f"dying-{n}" for n in range(30))


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        (np.int64(100), "lapsed"),
        (np.float64(100.5), "lapsed"),
        (np.float32(100.5), "lapsed"),
        (Decimal("100.5"), "lapsed"),
        (np.float64("nan"), "everyone-else"),
        (float("nan"), "everyone-else"),
        (float("inf"), "everyone-else"),
    ],
    ids=["int64", "float64", "float32", "Decimal", "NaN of NumPy", "NaN", "inf"],
)
def test_a_number_of_a_frame_or_a_database_is_taken_as_the_number_it_is(
    both: Both, site: Any, value: Any, segment: str
) -> None:
    client, local = both.client(site.url, site.key), LocalClient(["winback"], site.url, site.key)
    assert local.reasons() == {"winback": None}
    with local:
        decided = [both.call(client.decide, "winback", "row", attributes={"days": value})]
        decided += both.call(client.decide_many, "winback", [Recipient("row", {"days": value})]).decisions
        decided += local.decide_many("winback", [Recipient("row", {"days": value})]).decisions
        decided.append(local.decide("winback", "row", attributes={"days": value}))
    assert [(one.source, one.segment) for one in decided] == [(Source.SERVICE, segment)] * 2 + [
        (Source.LOCAL, segment)
    ] * 2


def test_what_python_lets_pass_and_nobody_means_is_refused(both: Both) -> None:
    client = both.client(NOBODY, "k", **QUICK)
    wrong: list[tuple[Callable[[], Any], str]] = [
        (lambda: both.kind(NOBODY, "k", fallback={}), "options: found fallback; allowed batch_timeouts, fallbacks,"),
        (lambda: LocalClient("winback", NOBODY, "k"), "campaigns: found 'winback'; allowed a list of campaigns"),
        (lambda: both.call(client.decide, "c", "ann", exclude="hello"), "/exclude: found 'hello'; allowed a list"),
        (lambda: both.call(client.decide_many, "c", "ann"), "/recipients: found 'ann'; allowed a list"),
        (lambda: both.call(client.decide_many, "c", [Recipient("ann", exclude="hello")]), "/exclude: found 'hello'"),  # type: ignore[arg-type]
        (lambda: both.call(client.decide, "c", "ann", attributes={"days": object()}), "/attributes: found a value of"),
        (lambda: client.report("d", "purchase", value=float("nan")), "/value: found nan; allowed a number"),
    ]
    for asked, said in wrong:
        with pytest.raises(InvalidCall) as raised:
            asked()
        assert str(raised.value).startswith(said)


def test_a_client_that_came_along_with_a_fork_refuses_and_leaves_its_makers_reports_alone(
    site: Any, tmp_path: Path
) -> None:
    with Client(site.url, site.key, spool=tmp_path) as client:
        decision = client.decide("winback", "parent")
        child = os.fork()
        if child == 0:
            refusals = 0
            for asked in (lambda: client.decide("winback", "child"), lambda: client.report(decision, "purchase")):
                with suppress(Conflict):
                    asked()
                    refusals -= 1
                refusals += 1
            client.close()
            os._exit(refusals)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
        assert len(list(tmp_path.iterdir())) == 1, "the folder in which the parent keeps its reports"
        client.report(decision, "purchase")
        assert client.flush(20)


def test_what_is_reported_to_a_closed_client_is_refused_and_not_lost_in_silence(both: Both, site: Any) -> None:
    client = both.client(site.url, site.key)
    decision = both.call(client.decide, "winback", "late")
    both.call(client.close)
    with pytest.raises(Conflict, match="found one that is closed"):
        client.report(decision, "purchase")


def test_what_is_delivered_while_a_client_closes_is_not_said_to_be_left(
    both: Both, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = both.client(site.url, site.key)
    decision = both.call(client.decide, "winback", "hurried")
    send, closing = Driver._sent, client._reporter._closing
    monkeypatch.setattr(Driver, "_sent", lambda self, attempt: closing.wait(10) and send(self, attempt))
    client.report(decision, "purchase")
    assert both.call(client.close, 1.0), "the last delivery ends while the thread is waited for"
    assert client.delivery.delivered == {"accepted": 1}


def test_neither_the_key_nor_a_recipient_is_shown_or_logged(
    site: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    with Client(site.url, site.key) as client:
        decision = client.decide("winback", "ann@example.com")
        client.report(None, "clicked", recipient="nobody@example.com", campaign="winback")
        client.report(decision, "clicked")
        assert client.flush(20)
        said = repr(client) + str(client.delivery)
    other = site.key[:-1] + ("0" if site.key[-1] != "0" else "1")
    with Client(site.url, other, strict=True) as wrong, pytest.raises(WrongKey) as raised:
        wrong.decide("winback", "ann@example.com")
    said += str(raised.value) + caplog.text
    for secret in (site.key, site.key[:-1], "ann@example.com", "nobody@example.com"):
        assert secret not in said


@pytest.mark.parametrize(
    ("url", "key", "why"),
    [
        ("ftp://x", "k", "url"),
        (NOBODY, "clé", "key"),
        (NOBODY, "a\nb", "key"),
        (None, "k", "url"),
        (NOBODY, None, "key"),
    ],
)
def test_a_client_without_a_url_or_a_key_is_not_made(
    url: str | None, key: str | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPTIMIZER_URL", "OPTIMIZER_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidCall, match=f"^{why}: found"):
        Client(url, key)


def test_to_import_the_client_loads_neither_server_nor_engine() -> None:
    found = subprocess.run([sys.executable, "-c", ONCE], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


def test_what_the_client_allows_is_what_the_service_allows() -> None:
    assert calls.IDENTIFIER_PATTERN == requests.IDENTIFIER_PATTERN
    assert calls.RECIPIENT_PATTERN == RECIPIENT_PATTERN
    assert calls.KIND_PATTERN == requests.KIND_PATTERN
    assert calls.MOST_ITEMS == requests.MOST_ITEMS
