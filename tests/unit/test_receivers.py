"""Where notices may be posted, and what they may be signed with."""

from __future__ import annotations

import base64
import json

import pytest

from optimizer.errors import ConfigurationError
from optimizer.settings import read_settings

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


def read(monkeypatch: pytest.MonkeyPatch, **receiver: object) -> str:
    """The URL that was understood."""
    monkeypatch.setenv("OPTIMIZER_RECEIVERS", json.dumps({"ops": receiver}))
    return read_settings().receivers["ops"].url.get_secret_value()


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/a",
        "http://localhost:8080/",
        "http://127.0.0.1/x",
        "http://127.8.9.1:1/",
        "http://[::1]:99/x",
        "https://10.0.0.5/",
    ],
)
def test_https_and_this_very_machine_are_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert read(monkeypatch, url=url, secret=SECRET) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/T0KEN",
        "http://127.0.0.1.example.com/T0KEN",
        "http://localhost.example.com/T0KEN",
        "http://10.0.0.5/T0KEN",
        "ftp://localhost/T0KEN",
        "file:///etc/T0KEN",
        "//hooks.example.com/T0KEN",
        "T0KEN",
        "https:///T0KEN",
        "http://[::1/T0KEN",
    ],
)
def test_any_other_url_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(ConfigurationError, match="OPTIMIZER_RECEIVERS: found a value that is not usable") as refused:
        read(monkeypatch, url=url, secret=SECRET)
    assert "T0KEN" not in str(refused.value)


@pytest.mark.parametrize(
    "secret", ["hush", "whsec_", "whsec_!!!", "whsec_" + base64.b64encode(b"T0KEN short").decode()]
)
def test_a_secret_that_is_none_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    with pytest.raises(ConfigurationError, match="whsec_ and 24 to 64 random bytes in base64") as refused:
        read(monkeypatch, url="https://hooks.example.com/", secret=secret)
    assert secret == "whsec_" or secret not in str(refused.value)


def test_a_secret_that_is_changed_is_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    other = "whsec_" + base64.b64encode(bytes([1]) * 24).decode()
    read(monkeypatch, url="https://hooks.example.com/", secret=[other, SECRET])
    assert read_settings().receivers["ops"].secrets == (other, SECRET)
    for wrong in ([], [SECRET, "T0KEN"]):
        with pytest.raises(ConfigurationError, match="or a list of such") as refused:
            read(monkeypatch, url="https://hooks.example.com/", secret=wrong)
        assert "T0KEN" not in str(refused.value)


def test_a_chat_needs_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, url="https://hooks.slack.com/services/T/B/x").startswith("https://hooks.slack.com")
