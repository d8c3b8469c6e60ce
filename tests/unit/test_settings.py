"""Settings that are wrong are told by the name they have in the environment, in our words."""

from __future__ import annotations

import pytest

from optimizer.errors import ConfigurationError
from optimizer.settings import read_settings

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize("url", ["collector:4318", "collector", "grpc://collector:4317", "http://"])
def test_a_collector_that_nothing_could_be_sent_to_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(ENDPOINT, url)
    with pytest.raises(ConfigurationError, match=f"^{ENDPOINT}: found .*allowed a URL that begins with http://"):
        read_settings()


@pytest.mark.parametrize("url", ["", "http://collector:4318", "https://otlp.example.com/v1"])
def test_a_collector_over_http_is_taken_and_an_empty_one_is_none(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(ENDPOINT, url)
    assert read_settings().traces_to == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPTIMIZER_WEBHOOKS", '{"pigeon": "x"}'),
        ("OPTIMIZER_RECEIVERS", '{"ops": {"url": "http://hooks.example.com/"}}'),
        (ENDPOINT, "collector"),
    ],
)
def test_what_is_wrong_is_said_in_our_words_alone(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        read_settings()
    assert "Value error" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OPTIMIZER_DATABSE_URL", "OPTIMIZER_DATABASE_URL"),
        ("OPTIMIZER_RATE_PER_SECONDS", "OPTIMIZER_RATE_PER_SECOND"),
        ("optimizer_secrets", "OPTIMIZER_SECRET"),
    ],
)
def test_a_misspelt_setting_is_told_and_its_value_is_not(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "hush-hush")
    with pytest.raises(ConfigurationError) as raised:
        read_settings()
    assert str(raised.value) == f"{name.upper()}: found a setting that there is not; allowed {meant}"


@pytest.mark.parametrize(
    "name", ["OPTIMIZER_WORKSPACE", "OPTIMIZER_URL", "OPTIMIZER_PORT_8080_TCP", "OPTIMIZER_SERVICE_HOST", "SECRETS"]
)
def test_what_others_call_like_our_settings_is_theirs(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "tcp://10.0.0.1:8080")
    assert read_settings().environment == "live"
