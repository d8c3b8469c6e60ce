"""Campaigns as flags of the OpenFeature remote evaluation protocol, against a running service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from optimizer.deployment import Deployment, now
from optimizer.domain.instants import DAY, HOUR
from optimizer.domain.reasons import Reason
from optimizer.errors import Draining
from optimizer.web.desk import Desk
from optimizer.web.protocols.ofrep_answers import FlagOut, FlagsOut, flag_reason

FLAGS = "/ofrep/v1/evaluate/flags"
VIP = {"targetingKey": "vera", "vip": True}
PROTOCOL_REASONS = {"STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED"}

people = (f"person-{n}" for n in range(1_000_000))


def asked(service: Any, key: str = "", **context: Any) -> httpx.Response:
    path = f"{FLAGS}/{key}" if key else FLAGS
    answer: httpx.Response = service.client.post(path, json={"context": context})
    return answer


def flag(service: Any, key: str, **context: Any) -> dict[str, Any]:
    answer = asked(service, key, **context)
    assert answer.status_code == 200, answer.text
    FlagOut.model_validate(answer.json())
    found: dict[str, Any] = answer.json()
    assert found["reason"] in PROTOCOL_REASONS
    assert all(isinstance(value, str | float | bool) for value in found["metadata"].values()), "flat, nothing null"
    return found


def flags(service: Any, **context: Any) -> dict[str, dict[str, Any]]:
    answer = asked(service, **context)
    assert answer.status_code == 200, answer.text
    FlagsOut.model_validate(answer.json())
    found = {one["key"]: one for one in answer.json()["flags"]}
    assert len(found) == len(answer.json()["flags"]), "each flag once"
    return found


def steered(service: Any, verb: str, **body: Any) -> None:
    answer = service.client.post(f"/v1/campaigns/winback/{verb}", json={"note": "because", **body})
    assert answer.status_code == 200, answer.text


def learner(service: Any, campaign: str = "winback") -> str:
    """Somebody of whom the campaign learns."""
    return next(
        person
        for person in people
        if flag(service, campaign, targetingKey=person, requestId="looked")["metadata"]["group"] == "learning"
    )


@pytest.fixture(autouse=True)
def shifted(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Moves the service's clock: ``shifted(HOUR)``. It stands still, or a day or an hour might end within a test."""
    began = now()

    def shift(by: int) -> None:
        for module in ("protocols.ofrep", "desk"):
            monkeypatch.setattr(f"optimizer.web.{module}.now", lambda: began + by)

    shift(0)
    return shift


# ---------------------------------------------------------------- one flag


def test_a_campaign_is_an_object_and_a_text_of_the_same_decision(site: Any) -> None:
    words, variant = (flag(site, key, targetingKey="ann") for key in ("winback", "winback:variant"))

    decided = site.client.get(f"/v1/decisions/{words['metadata']['decisionId']}").json()["decision"]
    assert words["value"] == {"message": decided["message"], "targeting": decided["targeting"]}
    assert variant["value"] == words["variant"] == variant["variant"] == decided["variant"]
    assert words["metadata"] == variant["metadata"]
    assert words["metadata"]["propensity"] == decided["propensity"]
    assert words["metadata"]["segment"] == decided["segment"]
    assert words["metadata"]["because"] == decided["reason"]
    assert words["metadata"]["expiresAt"] == decided["expires_at"]
    assert words["metadata"]["campaign"] == "winback"


def test_a_propensity_of_one_looks_like_a_float(site: Any) -> None:
    person = next(
        person for person in people if flag(site, "winback", targetingKey=person)["metadata"]["because"] == "holdout"
    )
    found = asked(site, "winback", targetingKey=person)
    assert found.json()["reason"] == "SPLIT"
    assert '"propensity":1.0' in found.text


def test_the_answer_stays_the_same_for_a_day(site: Any, shifted: Callable[[int], None]) -> None:
    first = flag(site, "winback", targetingKey="dan")
    assert flag(site, "winback", targetingKey="dan", country="US", utm="spring") == first
    shifted(DAY)
    assert flag(site, "winback", targetingKey="dan")["metadata"]["decisionId"] != first["metadata"]["decisionId"]


def test_a_request_id_keeps_an_answer_for_ever_and_is_that_of_the_other_routes(
    site: Any, shifted: Callable[[int], None]
) -> None:
    first = flag(site, "winback", targetingKey="eva", requestId="order-1")
    shifted(3 * DAY)
    assert flag(site, "winback", targetingKey="eva", requestId="order-1") == first
    body = {"campaign": "winback", "recipient": "eva", "request_id": "order-1"}
    assert site.client.post("/v1/decisions", json=body).json()["decision_id"] == first["metadata"]["decisionId"]


def test_what_is_declared_is_used_and_all_else_that_an_sdk_sends_is_dropped(site: Any) -> None:
    context = {"country": "US", "days": None, "device": {"os": ["x", 1]}, "country2": "XX", "targeting_key": 5}
    found = flag(site, "winback", targetingKey="fay", **context)
    assert found["metadata"]["segment"] == "american"
    explained = site.client.get(f"/v1/decisions/{found['metadata']['decisionId']}/explain").json()
    assert explained["attributes"] == {"country": "US"}


def test_time_zone_and_consent_of_a_context_are_those_of_the_decision(site: Any) -> None:
    context = {"timeZone": "America/New_York", "consent": {"email": True}}
    found = flag(site, "winback", targetingKey="flo", **context)
    explained = site.client.get(f"/v1/decisions/{found['metadata']['decisionId']}/explain").json()
    assert explained["circumstances"]["time_zone"] == "America/New_York"
    assert explained["circumstances"]["consent"] is True


@pytest.mark.parametrize(
    ("key", "body", "status", "code", "says"),
    [
        ("winback", {"context": {}}, 400, "TARGETING_KEY_MISSING", "/context/targetingKey: found nothing"),
        ("winback", {}, 400, "TARGETING_KEY_MISSING", "targetingKey"),
        ("winback", {"context": None}, 400, "TARGETING_KEY_MISSING", "targetingKey"),
        ("winback", {"context": {"targetingKey": None}}, 400, "TARGETING_KEY_MISSING", "targetingKey"),
        ("winback", {"context": {"targetingKey": ""}}, 400, "INVALID_CONTEXT", "a recipient id"),
        ("winback", {"context": {"targetingKey": 5}}, 400, "INVALID_CONTEXT", "/context/targetingKey: found 5"),
        ("winback", {"context": []}, 400, "INVALID_CONTEXT", "/context"),
        ("winback", {"context": {"targetingKey": "a", "country": "FR"}}, 400, "INVALID_CONTEXT", "US, GB"),
        ("winback", {"context": {"targetingKey": "a", "days": 2**60}}, 400, "INVALID_CONTEXT", "/context/days"),
        ("winback", {"context": {"targetingKey": "a", "days": [1]}}, 400, "INVALID_CONTEXT", "/context/days"),
        ("winback", {"context": {"targetingKey": "a", "timeZone": "Mars"}}, 400, "INVALID_CONTEXT", "IANA"),
        ("winback", {"context": {"targetingKey": "a", "consent": True}}, 400, "INVALID_CONTEXT", "/context/consent"),
        ("winback", [], 400, "INVALID_CONTEXT", "a JSON object"),
        ("winbak", {"context": {"targetingKey": "a"}}, 404, "FLAG_NOT_FOUND", "allowed members, newsletter, winback"),
        ("winback:words", {"context": {"targetingKey": "a"}}, 404, "FLAG_NOT_FOUND", "winback:words"),
        (":variant", {"context": {"targetingKey": "a"}}, 404, "FLAG_NOT_FOUND", "allowed members"),
        ("team/flag", {"context": {"targetingKey": "a"}}, 404, "FLAG_NOT_FOUND", "found 'team/flag'"),
    ],
)
def test_a_mistake_is_said_in_the_protocols_words(
    site: Any, key: str, body: Any, status: int, code: str, says: str
) -> None:
    before = site.counts()
    answer = site.client.post(f"{FLAGS}/{key}", json=body)
    problem = answer.json()
    assert (answer.status_code, problem["errorCode"], problem["key"]) == (status, code, key)
    assert problem["errorDetails"] == problem["detail"]
    assert says in problem["errorDetails"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert site.counts() == before


def test_a_flag_of_any_name_is_counted_under_one_route(site: Any) -> None:
    asked(site, "team/flag", targetingKey="a")
    metrics = site.client.get("/metrics").text
    assert f'route="{FLAGS}/{{key}}"' in metrics
    assert ":path}" not in metrics


@pytest.mark.parametrize("content", [b"{", b"\xff", b'{"context": NaN}', b'{"context":' + b"[" * 100_000])
def test_a_body_that_is_no_json_is_a_parse_error(site: Any, content: bytes) -> None:
    for path in (FLAGS, f"{FLAGS}/winback"):
        answer = site.client.post(path, content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "PARSE_ERROR"), answer.text


# ---------------------------------------------------------------- nothing to send


def test_whoever_gets_nothing_gets_no_value_but_a_decision(site: Any) -> None:
    found = flag(site, "members", targetingKey="gus", vip=False)
    assert "value" not in found
    assert (found["variant"], found["reason"]) == ("", "DEFAULT")
    assert found["metadata"]["because"] == "outside_audience"
    assert found["metadata"]["decisionId"]


def test_a_pause_shows_at_once_and_so_does_its_end(site: Any) -> None:
    before = flag(site, "winback", targetingKey="hal")
    steered(site, "pause")
    paused = flag(site, "winback", targetingKey="hal")
    assert (paused["variant"], paused["reason"], paused["metadata"]["because"]) == ("", "DISABLED", "campaign_paused")
    steered(site, "resume")
    assert flag(site, "winback", targetingKey="hal") == before


def test_what_people_pin_is_static(site: Any) -> None:
    person = learner(site)
    assert flag(site, "winback", targetingKey=person)["reason"] == "SPLIT"
    steered(site, "pin", variant="new-arrivals")
    pinned = flag(site, "winback", targetingKey=person)
    steered(site, "unpin")
    assert (pinned["value"]["message"]["id"], pinned["reason"]) == ("new-arrivals", "STATIC")


def test_a_consent_withdrawn_is_another_question(site: Any) -> None:
    yes, no = (flag(site, "winback", targetingKey="ida", consent={"email": given}) for given in (True, False))
    assert yes["metadata"]["decisionId"] != no["metadata"]["decisionId"]


def test_nothing_is_looked_at_again_when_more_is_known_or_an_hour_later(
    site: Any, shifted: Callable[[int], None]
) -> None:
    unknown = flag(site, "members", targetingKey="jon")
    assert flag(site, "members", targetingKey="jon") == unknown
    known = flag(site, "members", targetingKey="jon", vip=True)
    assert known["metadata"]["segment"] == "vips"
    assert known["metadata"]["decisionId"] != unknown["metadata"]["decisionId"]
    shifted(HOUR)
    later = flag(site, "members", targetingKey="jon")
    assert later["metadata"]["decisionId"] not in {unknown["metadata"]["decisionId"], known["metadata"]["decisionId"]}
    assert flag(site, "members", targetingKey="jon") == later


def test_whoever_is_held_out_of_everything_is_not_drawn_again(site: Any, shifted: Callable[[int], None]) -> None:
    people_held = next(
        person
        for person in people
        if flag(site, "members", targetingKey=person, vip=True)["metadata"]["because"] == "holdout"
    )
    first = flag(site, "members", targetingKey=people_held, vip=True)
    assert "value" not in first
    kept = site.client.get(f"/v1/decisions/{first['metadata']['decisionId']}").json()["decision"]
    in_london = datetime.fromisoformat(kept["decided_at"]).astimezone(ZoneInfo("Europe/London")).hour
    shifted(HOUR if in_london < 23 else -HOUR)  # another hour of the same day
    assert flag(site, "members", targetingKey=people_held, vip=False) == first


# ---------------------------------------------------------------- all flags


def test_all_flags_are_those_of_one_by_one(site: Any) -> None:
    single = {key: flag(site, key, **VIP) for key in ("winback", "winback:variant", "newsletter", "members:variant")}
    together = flags(site, **VIP)
    assert together.keys() == {
        one + suffix for one in ("winback", "newsletter", "members") for suffix in ("", ":variant")
    }
    assert {key: together[key] for key in single} == single


def test_all_flags_together_count_as_shown_only_when_somebody_says_so(service: Any) -> None:
    house = service.house()
    person = learner(service)
    (before, _, _) = house.trials()
    seen = flags(service, targetingKey=person)["winback"]["metadata"]["decisionId"]
    flags(service, targetingKey=person)
    assert house.trials()[0] == before
    for _ in range(2):
        assert service.client.post(f"/v1/decisions/{seen}/expose").status_code == 200
        assert house.trials()[0] == before + 1
    assert house.verify().clean


def test_a_flag_asked_for_alone_after_all_of_them_counts_as_shown(site: Any) -> None:
    house = site.house()
    person = learner(site)
    (before, _, _) = house.trials()
    seen = flags(site, targetingKey=person)["winback"]
    for _ in range(2):
        assert flag(site, "winback", targetingKey=person) == seen
        assert house.trials()[0] == before + 1
    assert house.verify().clean


LIMITS = {
    "contacts": "contact_policy: [{at_most: 1, per: P1D}]",
    "sends": "channels: {email: {sends_per_day: 100}}",
    "costs": 'channels: {email: {cost: "0.01 USD"}}',
}


@contextmanager
def limited(
    deploy: Callable[..., Deployment], serve: Callable[..., Any], files: Mapping[str, str], limit: str
) -> Iterator[Any]:
    with serve(deploy(None), {**files, "strategy.yaml": f"{files['strategy.yaml']}{limit}\n"}) as service:
        yield service


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_campaigns_that_use_something_up_are_asked_only_when_they_are_named(
    deploy: Callable[..., Deployment], serve: Callable[..., Any], files: Mapping[str, str], limit: str
) -> None:
    with limited(deploy, serve, files, limit) as service:
        before = service.counts()
        for one in flags(service, targetingKey="kim").values():
            assert one["errorCode"] == "GENERAL"
            assert "`campaigns`" in one["errorDetails"]
        assert service.counts() == before, "nothing was decided, nothing is used up"

        named = flags(service, targetingKey="kim", campaigns=["winback", "nonsense", "winback"])
        assert named.keys() == {"winback", "winback:variant", "nonsense", "nonsense:variant"}
        assert named["nonsense"]["errorCode"] == "FLAG_NOT_FOUND"
        assert named["winback"]["variant"]
        assert service.counts()["decisions"] == before["decisions"] + 1
        assert flag(service, "winback", targetingKey="kim") == named["winback"]


def test_a_budget_does_not_keep_a_page_from_campaigns_that_cost_nothing(
    deploy: Callable[..., Deployment], serve: Callable[..., Any], files: Mapping[str, str]
) -> None:
    with limited(deploy, serve, files, 'budget: {total: "5 USD", per: day}') as service:
        assert flags(service, targetingKey="kai")["newsletter"]["variant"]


def test_what_a_page_names_takes_its_contact_and_gives_it_back_when_it_was_never_shown(
    deploy: Callable[..., Deployment], serve: Callable[..., Any], files: Mapping[str, str]
) -> None:
    with limited(deploy, serve, files, LIMITS["contacts"]) as service:
        decided = flags(service, targetingKey="lea", campaigns=["winback"])["winback"]
        refused = flag(service, "newsletter", targetingKey="lea")
        assert refused["metadata"]["because"] == "contact_policy"
        assert refused["metadata"]["retryAt"]
        report = {
            "event_id": "never-shown",
            "kind": "withdrawn",
            "decision_id": decided["metadata"]["decisionId"],
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        assert service.client.post("/v1/outcomes", json=report).json()["outcomes"][0]["status"] == "accepted"
        assert flag(service, "newsletter", targetingKey="lea", requestId="again")["variant"]


def test_an_etag_says_that_nothing_has_changed_for_this_context(site: Any) -> None:
    first = asked(site, **VIP)
    tag = first.headers["etag"]

    def again(matching: str, **context: Any) -> httpx.Response:
        answer: httpx.Response = site.client.post(
            FLAGS, json={"context": {**VIP, **context}}, headers={"If-None-Match": matching}
        )
        return answer

    before = site.counts()
    for matching in (tag, f'"other", {tag}', f"W/{tag}"):
        same = again(matching)
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert site.counts() == before
    assert again('"other"').status_code == 200
    assert again("*").status_code == 200, "that asks whether there is anything, and there always is"
    assert again(tag, targetingKey="somebody-else").status_code == 200
    assert again(tag, campaigns=["winback"]).status_code == 200
    steered(site, "pause")
    changed = again(tag)
    steered(site, "resume")
    assert changed.status_code == 200
    assert again(tag).status_code == 304


def test_without_a_strategy_there_are_no_flags(
    deploy: Callable[..., Deployment], serve: Callable[..., Any], files: Mapping[str, str]
) -> None:
    only = {"strategy.yaml": files["strategy.yaml"]}
    with serve(deploy(None), only) as service:
        assert flags(service, targetingKey="mia") == {}
        assert asked(service, "winback", targetingKey="mia").json()["errorCode"] == "FLAG_NOT_FOUND"


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("sends", [True, False])
def test_every_reason_is_one_that_sdks_know(reason: Reason, sends: bool) -> None:
    """The Python SDK looks a reason up among those of the specification, and fails where there is none."""
    decision = SimpleNamespace(reason=reason)
    said = flag_reason(SimpleNamespace(decision=decision, variant="hello" if sends else None))  # type: ignore[arg-type]
    assert said in PROTOCOL_REASONS
    assert (said in {"DEFAULT", "DISABLED"}) is not sends


# ---------------------------------------------------------------- when the service cannot


def test_all_flags_together_count_as_so_many_items_of_the_keys_rate(
    deploy: Callable[..., Deployment], serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = deploy(None)
    narrow = deployment.settings.model_copy(update={"rate_per_second": 1, "rate_burst": 3})
    monkeypatch.setattr(deployment, "settings", narrow)
    with serve(deployment) as service:
        assert asked(service, targetingKey="nat").status_code == 200
        refused = asked(service, "winback", targetingKey="nat")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1


def test_a_service_that_shuts_down_says_when_to_ask_again(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def drained(_desk: Desk, _requests: Any) -> Any:
        raise Draining("the service is shutting down")

    monkeypatch.setattr(Desk, "decide", drained)
    for key in ("", "winback"):
        answer = asked(site, key, targetingKey="ned")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) == 1
        assert answer.json()["type"] == "urn:optimizer:problem:unavailable"
