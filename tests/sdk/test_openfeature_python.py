"""OpenFeature's own Python SDK and OFREP provider, unmodified, against a live service."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from openfeature.track import TrackingEventDetails

from optimizer.deployment import Deployment
from optimizer.errors import Draining
from optimizer.services.keys.api_keys import Scope
from optimizer.web.desk import Desk

pytestmark = pytest.mark.slow

DEFAULT = {"message": {"subject": "Welcome back"}}
ANN = EvaluationContext("ann", {"country": "US", "browser": "x", "tags": ["a", "b"]})


@pytest.fixture
def client_of() -> Iterator[Callable[..., OpenFeatureClient]]:
    """A client of a service, as an application makes it: ``client_of(service, key)``."""

    def make(service: Any, key: str | None = None, hook: Any = None) -> OpenFeatureClient:
        headers = {"Authorization": f"Bearer {key or service.key}"}
        provider = OFREPProvider(service.url, headers_factory=lambda: headers, timeout=20)
        if hook is not None:
            provider.track = hook.track  # type: ignore[method-assign]
        api.set_provider(provider, "shop")
        client = api.get_client("shop")
        if hook is not None:
            client.add_hooks([hook])
        return client

    yield make
    api.clear_providers()


@pytest.fixture
def hooks(
    page_file: Callable[[str, str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    """The module that the page has its readers write."""
    (tmp_path / "optimizer_hook.py").write_text(page_file("openfeature", "optimizer_hook.py"))
    monkeypatch.syspath_prepend(tmp_path)
    import optimizer_hook  # type: ignore[import-not-found]

    yield optimizer_hook
    del sys.modules["optimizer_hook"]


def learned(service: Any, found: Any) -> tuple[int, float]:
    """Trials of the variant of an evaluation in its segment, and its mean, as the report has them after learning."""
    campaign, segment = found.flag_metadata["campaign"], found.flag_metadata["segment"]
    assert service.client.post(f"/v1/campaigns/{campaign}/learn").status_code == 200
    (there,) = (
        one
        for one in service.client.get(f"/v1/campaigns/{campaign}/report").json()["segments"]
        if one["segment"] == segment
    )
    (of_variant,) = (one for one in there["variants"] if one["variant"] == found.variant)
    return of_variant["rate"]["trials"], of_variant["believed"]["value"]


def test_from_decision_to_learning(site: Any, client_of: Callable[..., OpenFeatureClient], hooks: ModuleType) -> None:
    hook = hooks.OptimizerHook(site.url, site.key)
    client = client_of(site, hook=hook)
    person, found = next(
        (person, found)
        for person in (EvaluationContext(f"p{n}", {"country": "US"}) for n in range(100))
        if (found := client.get_object_details("winback", DEFAULT, person)).flag_metadata["group"] == "learning"
    )
    before, mean_before = learned(site, found)
    assert before > 0, "asking for one flag is a decision that counts"

    for _ in range(10):
        client.track("purchase", person, TrackingEventDetails(49.9, {"currency": "USD"}))
    hook.close()

    decided = site.client.get(f"/v1/decisions/{found.flag_metadata['decisionId']}").json()
    assert decided["decision"]["variant"] == found.variant
    assert decided["decision"]["message"] == found.value["message"]
    assert decided["reward"] == 1.0
    assert [one["kind"] for one in decided["outcomes"]].count("purchase") == 10
    assert [one["kind"] for one in decided["outcomes"]].count("exposed") == 1
    after, mean_after = learned(site, found)
    assert after == before
    assert mean_after > mean_before
    assert site.house().verify().clean


def test_what_an_application_sees(site: Any, client_of: Callable[..., OpenFeatureClient]) -> None:
    client = client_of(site)
    words = client.get_object_details("winback", DEFAULT, ANN)
    assert words.error_code is None
    assert words.reason == Reason.SPLIT
    assert words.value["message"]["id"] == words.variant
    assert {"decisionId", "propensity", "segment", "group"} <= words.flag_metadata.keys()
    assert isinstance(words.flag_metadata["propensity"], float)
    text = client.get_string_details("winback:variant", "none", ANN)
    assert (text.value, text.variant) == (words.variant, words.variant)
    assert text.flag_metadata == words.flag_metadata


def test_nothing_to_send_is_the_default_of_the_code_and_no_error(
    site: Any, client_of: Callable[..., OpenFeatureClient]
) -> None:
    client = client_of(site)
    nobody = EvaluationContext("outsider", {"vip": False})
    for found in (
        client.get_object_details("members", DEFAULT, nobody),
        client.get_string_details("members:variant", "none", nobody),
    ):
        assert found.error_code is None, found.error_message
        assert found.value in (DEFAULT, "none")
        assert found.reason == Reason.DEFAULT
        assert found.flag_metadata["because"] == "outside_audience"


def test_a_paused_campaign_is_disabled(site: Any, client_of: Callable[..., OpenFeatureClient]) -> None:
    client = client_of(site)
    site.client.post("/v1/campaigns/winback/pause", json={"note": "because"})
    found = client.get_object_details("winback", DEFAULT, ANN)
    site.client.post("/v1/campaigns/winback/resume", json={"note": "because"})
    assert (found.value, found.reason, found.error_code) == (DEFAULT, Reason.DISABLED, None)


@pytest.mark.parametrize(
    ("flag", "context", "code", "says"),
    [
        ("winbak", ANN, ErrorCode.FLAG_NOT_FOUND, "allowed members, newsletter, winback"),
        ("winback", EvaluationContext(), ErrorCode.TARGETING_KEY_MISSING, "targetingKey"),
        ("winback", EvaluationContext(None, {"country": "US"}), ErrorCode.TARGETING_KEY_MISSING, "targetingKey"),
        ("winback", EvaluationContext("ann", {"country": "FR"}), ErrorCode.INVALID_CONTEXT, "allowed one of: US, GB"),
        ("winback:variant", ANN, ErrorCode.TYPE_MISMATCH, "Expected type"),
    ],
)
def test_a_mistake_has_a_code_a_sentence_and_the_default(
    site: Any,
    client_of: Callable[..., OpenFeatureClient],
    flag: str,
    context: EvaluationContext,
    code: ErrorCode,
    says: str,
) -> None:
    found = client_of(site).get_object_details(flag, DEFAULT, context)
    assert (found.value, found.reason, found.error_code) == (DEFAULT, Reason.ERROR, code)
    assert says in (found.error_message or "")


def test_a_wrong_key_and_one_that_may_not(site: Any, client_of: Callable[..., OpenFeatureClient]) -> None:
    powerless = site.deployment.create_key("reader", [Scope.ANALYSE])
    for key, says in (("opt_live_wrong", "unauthorized"), (powerless, "forbidden")):
        found = client_of(site, key).get_object_details("winback", DEFAULT, ANN)
        assert (found.value, found.error_code, found.error_message) == (DEFAULT, ErrorCode.GENERAL, says)


def test_a_key_that_asks_too_much_is_told_when_to_ask_again_and_keeps_to_it(
    deploy: Callable[..., Deployment],
    serve: Callable[..., Any],
    client_of: Callable[..., OpenFeatureClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployment = deploy(None)
    narrow = deployment.settings.model_copy(update={"rate_per_second": 1, "rate_burst": 1})
    monkeypatch.setattr(deployment, "settings", narrow)
    with serve(deployment) as service:
        client = client_of(service)
        found = [client.get_object_details("winback", DEFAULT, ANN)]
        assert found[0].error_code is None
        while found[-1].error_code is None:  # a token a second: the next may have come
            found.append(client.get_object_details("winback", DEFAULT, ANN))
        limited = [found[-1], client.get_object_details("winback", DEFAULT, ANN)]
        assert all((one.value, one.error_code) == (DEFAULT, ErrorCode.GENERAL) for one in limited)
        assert "Rate limited, retry after: " in (limited[0].error_message or "")
        assert "paused due to TooManyRequests until" in (limited[1].error_message or "")


def test_a_service_that_shuts_down_costs_the_default_only(
    site: Any, client_of: Callable[..., OpenFeatureClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(site)

    async def drained(_desk: Desk, _requests: Any) -> Any:
        raise Draining("the service is shutting down")

    with monkeypatch.context() as shutting_down:
        shutting_down.setattr(Desk, "decide", drained)
        found = client.get_object_details("winback", DEFAULT, ANN)
    assert (found.value, found.error_code) == (DEFAULT, ErrorCode.GENERAL)
    assert "shutting down" in (found.error_message or "")
    assert client.get_object_details("winback", DEFAULT, ANN).error_code is None
