"""The page about security: its limits are those of the code, its tests and commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
import uvicorn
import yaml
from typer.testing import CliRunner
from uvicorn.middleware.proxy_headers import _TrustedHosts

from optimizer.cli.main import app
from optimizer.services import group_commit
from optimizer.services.keys import api_keys
from optimizer.settings import Settings
from optimizer.web import json_route, limits
from optimizer.web.fast import heads
from optimizer.web.headers import SECURITY_HEADERS
from optimizer.web.shapes import requests

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "security.md").read_text()
LIMITS = {
    "head of a request, in bytes": heads.MOST_HEAD_BYTES,
    "body, in bytes": limits.MOST_BODY_BYTES,
    "items of a batch": requests.MOST_ITEMS,
    "attributes of an item": requests.MOST_ATTRIBUTES,
    "levels of nesting in a body": json_route.MOST_LEVELS,
    "items waiting to be written in one worker": group_commit.MOST_WAITING,
    "items a second of a key, each worker": Settings.model_fields["rate_per_second"].default,
    "items at once of a key after a rest, each worker": Settings.model_fields["rate_burst"].default,
    "unknown keys a second from one address, each worker": api_keys.WRONG_KEYS.per_second,
    "unknown keys at once from one address after a rest, each worker": api_keys.WRONG_KEYS.burst,
    "addresses remembered for that, each worker": api_keys.MOST_ADDRESSES,
    "reads of the ledger a second for unknown keys, each worker": api_keys.LOOK_UPS.per_second,
}


def section(title: str) -> str:
    return GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_limit_is_that_of_the_code_and_none_is_left_out() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([\d,]+) \|", section("Limits"), re.MULTILINE)
    assert {name: int(value.replace(",", "")) for name, value in rows} == LIMITS


def test_a_revoked_key_works_no_longer_than_it_says() -> None:
    (seconds,) = re.findall(r"within (\d+) seconds: every worker reads the keys anew every second", GUIDE)
    assert api_keys.REFRESH_SECONDS == 1.0 < int(seconds)


def test_every_threat_names_tests_that_exist() -> None:
    threats = [line for line in section("Threats").splitlines() if line.startswith("| ")][1:]
    assert len(threats) > 15
    for threat in threats:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", threat)
        assert named, threat
        for path, test in named:
            assert f"def {test}(" in (ROOT / path).read_text(), f"{path}::{test}"


@pytest.mark.parametrize("command", re.findall(r"^\$ optimizer (.+)$", GUIDE, re.MULTILINE))
def test_every_command_can_be_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPTIMIZER_DATABASE_URL", "OPTIMIZER_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    run = CliRunner()
    assert run.invoke(app, ["init", "shop"]).exit_code == 0
    monkeypatch.chdir(tmp_path / "shop")
    first = ["key", "create", "--name", "shop", "--scope", "decide"]
    assert run.invoke(app, first).exit_code == 0
    assert run.invoke(app, command.split()).exit_code == 0


def test_every_option_and_setting_named_exists() -> None:
    commands = typer.main.get_command(app).commands["key"].commands  # type: ignore[attr-defined]
    options = {option for one in commands.values() for parameter in one.params for option in parameter.opts}
    for option in re.findall(r"`optimizer key \w+[^`]*?(--[a-z-]+)", GUIDE):
        assert option in options
    settings = {f"OPTIMIZER_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"OPTIMIZER_[A-Z_]+", GUIDE)) <= settings


def test_every_header_is_named_as_it_is_sent() -> None:
    text = section("Headers")
    for name, value in SECURITY_HEADERS:
        if name != b"content-security-policy":
            title = "-".join(part.capitalize() for part in name.decode().split("-"))
            assert f"`{title}: {value.decode()}`" in text


def test_whose_word_on_addresses_is_taken_is_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    believed = uvicorn.Config("none", log_config=None).forwarded_allow_ips
    assert {f"`{address}`" for address in str(believed).split(",")} <= set(re.findall("`[^`]+`", section("Limits")))
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "")
    assert "`FORWARDED_ALLOW_IPS=` without a value believes nobody" in " ".join(GUIDE.split())
    assert "127.0.0.1" not in _TrustedHosts(uvicorn.Config("none", log_config=None).forwarded_allow_ips)


def test_every_place_it_calls_is_named() -> None:
    text = section("What there is to protect")
    assert "OPTIMIZER_RECEIVERS" in text
    assert "OPTIMIZER_WEBHOOKS" in text
    assert "calls nobody" not in GUIDE


def test_the_kubernetes_part_is_yaml_and_asks_for_what_the_image_is() -> None:
    part = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)[0])
    dockerfile = (ROOT / "Dockerfile").read_text()
    uid = part["securityContext"]["runAsUser"]
    assert f"USER {uid}:{part['securityContext']['runAsGroup']}" in dockerfile
    (container,) = part["containers"]
    assert f"EXPOSE {container['livenessProbe']['httpGet']['port']}" in dockerfile
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_image_is_built_without_secrets_and_run_without_rights() -> None:
    steps = [line.split(maxsplit=1) for line in (ROOT / "Dockerfile").read_text().splitlines() if line[:1].isupper()]
    runs = steps[max(place for place, (step, _) in enumerate(steps) if step == "FROM") :]
    assert ["USER", "10001:10001"] in runs
    after = [step for step, _ in runs[runs.index(["USER", "10001:10001"]) :]]
    assert not {"RUN", "COPY", "ADD", "USER"} & set(after[1:]), "nothing is made or taken once the rights are given up"
    assert not [step for step, _ in steps if step in {"ARG", "ADD"}]
    assert not [said for step, said in steps if step == "ENV" and re.search(r"SECRET|PASSWORD|TOKEN|KEY", said)]
    assert "--require-hashes" in (ROOT / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*", "only what is named gets near the image"
