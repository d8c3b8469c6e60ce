"""Systems that ask while they send get a flat answer that stays, and nothing that a guardrail forbids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.instants import instant
from optimizer.errors import Unavailable
from optimizer.services import group_commit
from optimizer.services.keys.api_keys import Scope
from optimizer.services.keys.rates import Rate
from optimizer.web.desk import Desk
from optimizer.web.protocols import fetching

numbers = count(1)
TEXTS = ("decision_id", "variant", "message", "targeting", "subject", "body", "segment", "snapshot")


PATIENCE = (fetching.MOST_WAIT_SECONDS, fetching.DECIDING_SECONDS, fetching.LOOKING_SECONDS)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests is no trouble of the service, and no day ends in the middle of a test."""
    monkeypatch.setattr(fetching, "DECIDING_SECONDS", 30.0)
    monkeypatch.setattr(fetching, "LOOKING_SECONDS", 30.0)
    at(monkeypatch, fetching.now())


def someone() -> str:
    return f"person-{next(numbers)}"


def fetched(site: Any, campaign: str = "newsletter", **parameters: str) -> dict[str, Any]:
    answer = site.client.get(f"/v1/decide/{campaign}", params={"recipient": someone(), **parameters})
    assert answer.status_code == 200, answer.text
    flat: dict[str, Any] = answer.json()
    assert all(not isinstance(value, dict | list) for value in flat.values())
    assert flat["send"] == bool(flat["variant"])
    return flat


def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MOST_WAITING", 0)


def away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(*_: object) -> None:
        raise Unavailable("the ledger is not there", 1)

    monkeypatch.setattr(Desk, "decide", unreachable)
    monkeypatch.setattr(Desk, "read", unreachable)


def test_the_answer_is_that_of_a_decision_on_one_level(site: Any) -> None:
    asked = {"recipient": "ann", "request_id": "send-1"}
    flat = site.client.get("/v1/decide/newsletter", params=asked).json()
    decided = site.client.post("/v1/decisions", json={"campaign": "newsletter", **asked}).json()
    assert flat["send"] is True
    for name in ("decision_id", "campaign", "variant", "segment", "group", "propensity", "reason", "snapshot"):
        assert flat[name] in (decided[name], decided[name] or ""), name  # whoever is held out has no snapshot
    assert flat["decided_at"] == decided["decided_at"]
    assert (flat["message"], flat["targeting"]) == (decided["message"]["id"], decided["targeting"]["id"])
    assert (flat["subject"], flat["body"]) == (decided["message"]["subject"], "")
    assert flat["targeting_slot"] == decided["targeting"]["fields"]["slot"]


def test_attributes_come_flat_and_get_the_type_they_were_declared_with(site: Any) -> None:
    assert fetched(site, "winback", days="90")["segment"] == "lapsed"
    assert fetched(site, "winback", days="89.5")["segment"] == "everyone-else"
    assert fetched(site, "winback", country="US", days="3")["segment"] == "american"
    assert fetched(site, "members", vip="TRUE")["segment"] == "vips"
    assert fetched(site, "members", vip="0")["reason"] == "outside_audience"
    assert fetched(site, "winback", country="", days="")["detail"] == ""  # a template's way to say: not known


def test_without_a_request_id_the_answer_repeats_and_is_one_decision(site: Any) -> None:
    who, before = someone(), site.counts()["decisions"]
    answers = [fetched(site, recipient=who) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert site.counts()["decisions"] == before + 1
    assert fetched(site, recipient=who, request_id="another")["decision_id"] != answers[0]["decision_id"]
    assert site.counts()["decisions"] == before + 2


def at(monkeypatch: pytest.MonkeyPatch, then: int) -> None:
    monkeypatch.setattr(fetching, "now", lambda: then)


def test_an_answer_without_a_request_id_holds_until_midnight_of_the_strategy(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, ids = someone(), []
    for text in ("2031-05-05T22:59:59Z", "2031-05-05T07:00:00Z", "2031-05-05T23:00:00Z"):  # an hour later in London
        at(monkeypatch, instant(datetime.fromisoformat(text)))
        ids.append(fetched(site, recipient=who)["decision_id"])
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("sent", ["without an id", "with an id"])
def test_what_was_decided_before_an_unsubscribe_is_sent_only_as_that_very_sending(
    site: Any, monkeypatch: pytest.MonkeyPatch, sent: str
) -> None:
    who = {"recipient": someone(), **({"request_id": "mail-7"} if sent == "with an id" else {})}
    first = fetched(site, **who)
    assert first["send"]
    site.client.put(f"/v1/suppressions/{who['recipient']}", json={"note": "asked to"}).raise_for_status()
    assert fetched(site, **who) == first  # another part of the same mail
    at(monkeypatch, fetching.now() + 2 * fetching.ONE_SENDING)
    later = fetched(site, **who)
    assert (
        later == first if sent == "with an id" else (later["send"], later["reason"]) == (False, "recipient_suppressed")
    )


def test_a_pause_and_edited_words_end_what_was_decided_earlier_that_day(
    sqlite_service: Callable[..., Any],
    files: Mapping[str, str],
    edited: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    east = 12 - datetime.now(UTC).hour  # where it is noon, so that the day does not end meanwhile
    files = edited(files, "strategy.yaml", ("Europe/London", f"Etc/GMT{-east:+d}"))
    files["strategy.yaml"] += "contact_policy: [{at_most: 1, per: P1D}]\n"
    nightly = files["strategy.yaml"] + 'channels: {email: {quiet_hours: "00:00-23:59"}}\n'
    with sqlite_service(files) as site:
        who, nobody, noon = someone(), someone(), fetching.now()
        first = fetched(site, recipient=who)
        at(monkeypatch, noon + 2 * fetching.ONE_SENDING)
        assert fetched(site, recipient=who) == first  # it is the one contact that is allowed
        site.client.post("/v1/campaigns/newsletter/pause", json={"note": "wait"}).raise_for_status()
        assert fetched(site, recipient=who)["reason"] == "campaign_paused"
        assert not fetched(site, recipient=nobody)["send"]
        site.client.post("/v1/campaigns/newsletter/resume", json={"note": "go"}).raise_for_status()
        assert fetched(site, recipient=who) == first
        site.house().apply({**files, "strategy.yaml": nightly})
        assert fetched(site, recipient=who)["reason"] == "unknown_time_zone"
        site.house().apply(files)
        at(monkeypatch, noon + 2 * fetching.HOUR)
        assert fetched(site, recipient=nobody)["send"]  # asked anew in a later hour
        subjects = [("subject: Short", "subject: Shorter"), ("subject: Long", "subject: Longer")]
        site.house().apply(edited(files, "campaigns/newsletter.yaml", *subjects))
        assert fetched(site, recipient=who)["reason"] == "retired"


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"country": "FR"}, 'country: found "FR"; allowed one of: US, GB'),
        ({"county": "US"}, "county: found county; allowed one of"),
        ({"days": "many"}, 'days: found "many"; allowed'),
        ({"days": "1_0"}, "days: found"),
        ({"days": "nan"}, "days: found"),
        ({"days": "-1"}, "days: found -1.0; allowed a number from 0 to 5000"),
        ({"vip": "yes"}, 'vip: found "yes"; allowed true or false'),
        ({"time_zone": "Moon/Base"}, "time_zone: found Moon/Base"),
        ({"consent": "perhaps"}, "consent: found perhaps"),
    ],
)
def test_a_wrong_parameter_gives_control_as_a_decision_of_its_own(
    site: Any, parameters: dict[str, str], said: str
) -> None:
    flat = fetched(site, "winback", **parameters)
    assert (flat["send"], flat["variant"], flat["reason"]) == (True, "hello", "invalid_request")
    assert said in flat["detail"]
    kept = site.client.get(f"/v1/decisions/{flat['decision_id']}").json()["decision"]
    assert kept["variant"] == "hello"
    assert kept["propensity"] in (1.0, None)  # None in a holdout, where nothing is drawn


def test_a_wrong_parameter_where_control_is_nothing_sends_nothing_and_decides_nothing(site: Any) -> None:
    before = site.counts()["decisions"]
    flat = fetched(site, "members", vip="yes")
    assert (flat["send"], flat["reason"], flat["decision_id"]) == (False, "invalid_request", "")
    assert site.counts()["decisions"] == before


@pytest.mark.slow
def test_what_a_person_has_pinned_for_everyone_comes_instead_of_control(
    sqlite_service: Callable[..., Any], files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite_service(files) as site:
        pin = {"note": "the one", "variant": "long:evening"}
        site.client.post("/v1/campaigns/newsletter/pin", json=pin).raise_for_status()
        pinned = {"holdout": "short:morning", "pinned": "long:evening"}
        kept = [fetched(site, country="FR") for _ in range(8)]
        busy(monkeypatch)
        kept += [fetched(site) for _ in range(8)]
    assert {one["variant"] for one in kept} <= set(pinned.values())
    assert sum(one["variant"] == pinned["pinned"] for one in kept) > 8


def test_who_is_suppressed_gets_nothing_and_no_words(site: Any) -> None:
    who = someone()
    assert site.client.put(f"/v1/suppressions/{who}", json={"note": "asked to"}).status_code == 200
    for parameters in ({}, {"country": "FR"}, {"checked": "true"}):
        flat = fetched(site, "winback", recipient=who, request_id=f"r{len(parameters)}", **parameters)
        assert (flat["send"], flat["reason"]) == (False, "recipient_suppressed")
        assert [flat[name] for name in TEXTS[1:6]] == [""] * 5


def test_an_overload_gives_control_without_a_decision(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched(site)
    busy(monkeypatch)
    before = site.counts()["decisions"]
    flat = fetched(site)
    assert (flat["send"], flat["variant"], flat["reason"]) == (True, "short:morning", "overloaded")
    assert (flat["subject"], flat["targeting_slot"], flat["decision_id"]) == ("Short", "08:00-11:00", "")
    assert flat["detail"]
    assert site.counts()["decisions"] == before


@pytest.mark.parametrize("trouble", [busy, away])
@pytest.mark.parametrize("checked", ["true", "false"])
def test_no_trouble_gets_around_the_suppression_list(
    site: Any, monkeypatch: pytest.MonkeyPatch, trouble: Callable[..., None], checked: str
) -> None:
    who = someone()
    site.client.put(f"/v1/suppressions/{who}", json={"note": "asked to"})
    trouble(monkeypatch)
    if trouble is away and checked == "true":
        return  # the caller has said that this person has not unsubscribed
    flat = fetched(site, recipient=who, checked=checked)
    assert not flat["send"]
    assert [flat[name] for name in TEXTS if name != "segment"] == [""] * 7


def test_while_the_ledger_is_away_control_comes_only_to_whom_the_caller_has_checked(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(site)
    away(monkeypatch)
    flat = fetched(site)
    assert (flat["send"], flat["reason"]) == (False, "ledger_unavailable")
    flat = fetched(site, checked="true")
    assert (flat["send"], flat["variant"], flat["reason"]) == (True, "short:morning", "ledger_unavailable")
    assert not fetched(site, "members", checked="true", vip="true")["send"]  # whose control is nothing


def test_a_ledger_that_says_nothing_is_not_waited_for(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched(site)
    monkeypatch.setattr(fetching, "DECIDING_SECONDS", 0.0)
    monkeypatch.setattr(fetching, "LOOKING_SECONDS", 0.0)
    flat = fetched(site)
    assert (flat["send"], flat["reason"]) == (False, "ledger_unavailable")
    assert flat["detail"].startswith("ledger: found no answer after 0.0 seconds")


def test_the_patience_is_less_than_that_of_whoever_asks() -> None:
    waiting, deciding, looking = PATIENCE
    assert waiting + looking < deciding + looking < 2.0


def test_a_key_that_asks_too_fast_gets_control_and_no_429(site: Any) -> None:
    fetched(site)
    key = site.deployment.create_key("slow", [Scope.DECIDE], rate=Rate(1, 1))
    with site.calling(Authorization=f"Bearer {key}") as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda who: client.get(f"/v1/decide/newsletter?recipient=fast-{who}"), range(16)))
    assert [answer.status_code for answer in answers] == [200] * 16
    limited = [answer.json() for answer in answers if answer.json()["reason"] == "rate_limited"]
    assert 0 < len(limited) < 16
    assert {(one["send"], one["variant"], one["decision_id"]) for one in limited} <= {
        (True, "short:morning", ""),
        (False, "", ""),  # where eight are being looked up already
    }
    assert any(one["send"] for one in limited)


OTHERWISE = ("explore", "exploit", "holdout", "quiet_hours", "unknown_time_zone")
LIMITS: Mapping[str, tuple[str, str]] = {
    "a budget": ("strategy.yaml", 'budget: {total: "10 USD", per: month}\nchannels: {email: {cost: "0.01 USD"}}\n'),
    "a contact policy": ("strategy.yaml", "contact_policy: [{at_most: 9, per: P1D}]\n"),
    "quiet hours": ("strategy.yaml", 'channels: {email: {quiet_hours: "00:00-23:59", unknown_time_zone: block}}\n'),
    "consent": ("strategy.yaml", "data: {consent_required: [email]}\n"),
}


@pytest.mark.parametrize(
    "limit",
    [
        "a budget",
        "a contact policy",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("quiet hours", "consent")),
    ],
)
def test_what_a_guardrail_would_count_or_forbid_is_not_sent_in_trouble(
    sqlite_service: Callable[..., Any], files: Mapping[str, str], limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, text = LIMITS[limit]
    with sqlite_service({**files, file: files[file] + text}) as site:
        assert fetched(site, consent="true")["reason"] in OTHERWISE
        busy(monkeypatch)
        assert not fetched(site, checked="true")["send"]


@pytest.fixture
def sqlite_service(deploy: Callable[..., Any], new_database: Callable[[str], str], serve: Any) -> Callable[..., Any]:
    return lambda files: serve(deploy(new_database("sqlite")), files)


def test_a_paused_campaign_sends_nothing_in_trouble(
    sqlite_service: Callable[..., Any], files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite_service(files) as site:
        site.client.post("/v1/campaigns/newsletter/pause", json={"note": "wait"}).raise_for_status()
        assert fetched(site)["reason"] == "campaign_paused"
        away(monkeypatch)
        assert not fetched(site, checked="true")["send"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("nothing?recipient=ann", 404), ("winback", 422), ("winback?recipient=", 422), ("winback?recipient=a%20b", 422)],
)
def test_a_mistake_of_the_template_is_a_problem(site: Any, path: str, status: int) -> None:
    answer = site.client.get(f"/v1/decide/{path}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_key_may_stand_in_the_url_before_the_host_but_not_among_the_parameters(site: Any) -> None:
    with httpx.Client() as client:
        url = f"{site.url}/v1/decide/newsletter?recipient=ann".replace("://", f"://{site.key}:@")
        assert client.get(url).status_code == 200
        assert client.get(f"{site.url}/v1/decide/newsletter?recipient=ann&key={site.key}").status_code == 401


def test_documents_applied_elsewhere_count_at_once(
    sqlite_service: Callable[..., Any], files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    with sqlite_service(files) as site:
        assert fetched(site, "winback", country="FR")["reason"] == "invalid_request"
        site.house().apply(edited(files, "strategy.yaml", ("[US, GB]", "[US, GB, FR]")))
        assert fetched(site, "winback", country="FR")["reason"] != "invalid_request"
        site.house().apply(edited(files, "strategy.yaml", ("[US, GB]", "[US]")))
        assert fetched(site, "winback", country="GB")["reason"] == "invalid_request"


def test_two_workers_asked_at_once_again_and_again_give_one_answer(
    database_url: str, deploy: Callable[..., Any], serve: Any
) -> None:
    first, second = deploy(database_url), deploy(database_url)
    with serve(first) as one, serve(second) as other, ThreadPoolExecutor(8) as pool:
        for worker in (one, other):  # FastAPI puts a route together when it is first asked for, which threads cannot do
            fetched(worker)

        def ask(n: int) -> tuple[str, str]:
            worker, who = (one, other)[n % 2], f"both-{n // 2 % 6}"
            flat = worker.client.get("/v1/decide/newsletter", params={"recipient": who}).json()
            return who, flat["decision_id"] + flat["variant"]

        answers = list(pool.map(ask, range(96)))
        assert len(set(answers)) == 6
        assert one.counts()["decisions"] == 6 + 2
        assert one.house().verify().clean


names = st.sampled_from(["recipient", "request_id", "country", "days", "vip", "time_zone", "consent", "checked", "é"])
odd = st.one_of(
    st.text(max_size=12), st.sampled_from(["", "US", "1e400", "-0", "9" * 40, "\x00", "%", "a=b&c", "None"])
)


@given(query=st.lists(st.tuples(names | st.text(max_size=5), odd), max_size=6), raw=st.text(max_size=8))
def test_no_query_string_gives_a_5xx_or_asks_to_come_back_later(
    site: Any, query: list[tuple[str, str]], raw: str
) -> None:
    text = urlencode([("recipient", "odd"), *query], errors="replace") + "&" + quote(raw, safe="&=%+", errors="replace")
    answer = site.client.get(f"/v1/decide/winback?{text}")
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        fetching.FetchedOut.model_validate(answer.json())


def test_whatever_was_fetched_can_be_recomputed(site: Any) -> None:
    assert site.house().verify().clean
