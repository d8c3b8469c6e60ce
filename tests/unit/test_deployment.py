import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from optimizer.deployment import STATE_FOLDER, Deployment, load_documents
from optimizer.errors import ConfigurationError, DocumentError
from optimizer.settings import Settings, read_settings

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OPTIMIZER_"):
            monkeypatch.delenv(name)


def test_state_is_private_and_the_secret_is_made_once(tmp_path: Path) -> None:
    first = Deployment(tmp_path, Settings())
    again = Deployment(tmp_path, Settings())
    state = tmp_path / STATE_FOLDER
    assert first.live.secret == again.live.secret
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "secret").stat().st_mode) == 0o600
    assert sorted(path.name for path in state.iterdir() if not path.name.startswith("ledger.db")) == ["secret"]


def test_processes_that_start_at_once_share_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        secrets = {d.live.secret for d in pool.map(lambda _: Deployment(tmp_path, Settings()), range(8))}
    assert len(secrets) == 1


def test_with_database_and_secret_given_nothing_is_written_into_the_workspace(tmp_path: Path) -> None:
    workspace, elsewhere = tmp_path / "workspace", tmp_path / "elsewhere.db"
    workspace.mkdir()
    settings = Settings(database_url=SecretStr(f"sqlite:///{elsewhere}"), secret=SecretStr(SECRET))
    assert Deployment(workspace, settings).live.secret == SECRET.encode()
    assert list(workspace.iterdir()) == []


def test_a_ledger_is_not_opened_with_another_secret(tmp_path: Path) -> None:
    Deployment(tmp_path, Settings(secret=SecretStr(SECRET)))
    with pytest.raises(ConfigurationError, match=r"secret: found one that differs.*; allowed the same") as refused:
        Deployment(tmp_path, Settings(secret=SecretStr(SECRET[::-1])))
    assert SECRET[::-1] not in str(refused.value)


@pytest.mark.parametrize("secret", ["short", "x" * 65])
def test_a_secret_of_the_wrong_length_is_refused_without_showing_it(tmp_path: Path, secret: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"OPTIMIZER_SECRET: found {len(secret)} bytes; allowed 32 to 64"
    ) as e:
        Deployment(tmp_path, Settings(secret=SecretStr(secret)))
    assert secret not in str(e.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql://root:hunter2@host/db", "found mysql; allowed sqlite:////path/ledger.db or postgresql://"),
        ("sqlite://", "found sqlite; allowed"),
        ("nonsense", "allowed sqlite:////path/ledger.db or postgresql://"),
        ("postgresql://me:hunter2@127.0.0.1:1/db", "cannot open the ledger postgresql+psycopg://me:***@127.0.0.1:1/db"),
        ("postgresql://me:hunter2@127.0.0.1:port/db", "found a port that is no number; allowed one, such as 5432"),
        ("postgresql://me:a@hunter2@127.0.0.1/db", "found a second @; allowed %40 for one within a name or password"),
        ("postgresql://me:a@b/hunter2@127.0.0.1/db", "found a second @; allowed %40 for one within a name or password"),
        (
            "postgresql://127.0.0.1:1/db?user=me&password=hunter2",
            "cannot open the ledger postgresql+psycopg://127.0.0.1:1",
        ),
        ("sqlite:////nowhere/at/all/ledger.db", "cannot open the ledger sqlite:////nowhere/at/all/ledger.db"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(tmp_path: Path, url: str, shown: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Deployment(tmp_path, Settings(database_url=SecretStr(url), secret=SecretStr(SECRET)))
    assert shown in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_setting_that_is_not_usable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTIMIZER_ENVIRONMENT", "Live!")
    with pytest.raises(ConfigurationError, match="OPTIMIZER_ENVIRONMENT: found"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RATE_PER_SECOND", "many", "found 'many'; allowed a whole number from 1 to "),
        ("RATE_BURST", "1e9", "found '1e9'; allowed a whole number from 1 to "),
        ("ACCESS_LOG_SHARE", "5%", "found '5%'; allowed a number from 0 to 1: 0.01 for 1 %"),
        ("METRICS_OPEN", "maybe", "found 'maybe'; allowed true or false"),
        ("ENVIRONMENT", "Live!", "found 'Live!'; allowed 1 to 16 lower-case letters and digits"),
        ("ACTOR", "ann\x1b[31m", r"found 'ann\x1b[31m'; allowed a name of at most 200 visible characters"),
        ("ACTOR", "ann\n2 bob", r"found 'ann\n2 bob'; allowed a name of at most 200 visible characters"),
        ("ACTOR", "a" * 201, f"found '{'a' * 60}'; allowed a name of at most 200 visible characters"),
        ("WEBHOOKS", "{mailgun: hunter2}", "found no JSON; allowed a JSON object, in one line"),
    ],
)
def test_what_a_setting_was_and_may_be_is_said_unless_it_is_a_secret(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"OPTIMIZER_{name}", value)
    with pytest.raises(ConfigurationError) as refused:
        read_settings()
    assert f"OPTIMIZER_{name}: {said}" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_document_that_is_not_utf8_is_a_finding_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "strategy.yaml").write_bytes(b"strategy: a\nwhy: caf\xe9\n")
    with pytest.raises(DocumentError, match=r"^strategy\.yaml:2:9: file: found byte 0xe9; allowed text in UTF-8$"):
        load_documents(tmp_path)


def test_a_document_that_would_be_overlooked_or_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    campaigns = tmp_path / "campaigns"
    campaigns.mkdir()
    (tmp_path / "strategy.yaml").write_text("strategy: a\n")
    for name in ("old.yml", "LOUD.YAML", ".#winback.yaml", "notes.txt"):
        (campaigns / name).write_text("campaign: x\n")
    (campaigns / "gone.yaml").symlink_to("nowhere")
    (campaigns / "folder.yaml").mkdir()
    with pytest.raises(DocumentError) as refused:
        load_documents(tmp_path)
    assert sorted((finding.file, finding.found, finding.allowed) for finding in refused.value.findings) == [
        ("campaigns/LOUD.YAML", "LOUD.YAML", "a name that ends in .yaml: LOUD.yaml"),
        ("campaigns/folder.yaml", "Is a directory", "a file that can be read"),
        ("campaigns/gone.yaml", "No such file or directory", "a file that can be read"),
        ("campaigns/old.yml", "old.yml", "a name that ends in .yaml: old.yaml"),
    ]


def test_a_strategy_of_another_ending_is_named(tmp_path: Path) -> None:
    (tmp_path / "strategy.yml").write_text("strategy: a\n")
    with pytest.raises(DocumentError, match=r"found strategy\.yml; allowed the name strategy\.yaml"):
        load_documents(tmp_path)


def test_a_folder_without_a_strategy_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="allowed a strategy; `optimizer init` makes one"):
        load_documents(tmp_path)


def test_an_unreadable_state_folder_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / STATE_FOLDER).write_text("a file where a folder should be")
    with pytest.raises(ConfigurationError, match="cannot keep state in"):
        Deployment(tmp_path, Settings())
