"""The only place that reads clock, entropy and environment; it wires settings, storage and services together."""

from __future__ import annotations

import getpass
import os
import secrets
import time
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from optimizer.domain.instants import Instant
from optimizer.errors import ConfigurationError, DocumentError, Finding
from optimizer.services.catching_up import catch_up, is_behind
from optimizer.services.keys import RANDOM_BYTES, Scope, create_key, new_key
from optimizer.services.live import Live
from optimizer.storage.store import Store
from optimizer.strategy.workspace import Workspace, read_workspace

STATE_FOLDER = ".optimizer"
MOST_DOCUMENTS = 1_000


class Settings(BaseSettings):
    """What the environment may say; every name is prefixed ``OPTIMIZER_``."""

    model_config = SettingsConfigDict(env_prefix="OPTIMIZER_", extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(
        default=None,
        description="Where the ledger lives; by default SQLite in the workspace's .optimizer folder.",
    )
    secret: Annotated[SecretStr | None, NoDecode] = Field(
        default=None,
        description="Key of every hash, 32 to 64 characters; by default a file in the workspace's .optimizer folder.",
    )
    environment: str = Field(
        default="live",
        pattern=r"^[a-z0-9]{1,16}$",
        description="Word inside new API keys: opt_<environment>_…",
    )
    actor: str | None = Field(default=None, description="Name written into the audit trail; by default the login.")


def read_settings() -> Settings:
    """The settings the environment gives.

    Raises:
        ConfigurationError: a variable has a value that is not allowed.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"OPTIMIZER_{str(e['loc'][0]).upper()}: found a value that is not usable: {e['msg']}"
            for e in error.errors()
        )
        raise ConfigurationError(problems) from None


def now() -> Instant:
    """The instant, read from the system's clock."""
    return time.time_ns() // 1_000


def random_id() -> str:
    """A new random identifier of 32 hexadecimal digits."""
    return secrets.token_hex(16)


def actor(settings: Settings) -> str:
    """Who is doing this, for the audit trail."""
    try:
        return settings.actor or getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        return f"uid {os.getuid()}"


def load_documents(folder: Path) -> dict[str, str]:
    """The workspace's documents as text, by path relative to the folder.

    Raises:
        DocumentError: no strategy there, or a file that is not UTF-8 text.
    """
    paths = [folder / "strategy.yaml", *sorted((folder / "campaigns").glob("*.yaml"))]
    if not paths[0].is_file():
        raise DocumentError(
            [
                Finding(
                    "strategy.yaml",
                    1,
                    1,
                    "file",
                    f"nothing in {folder}",
                    "a strategy; `optimizer init` makes one",
                )
            ]
        )
    files, findings = {}, []
    for path in paths[:MOST_DOCUMENTS]:
        name = path.relative_to(folder).as_posix()
        try:
            files[name] = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            line = before.count(b"\n") + 1
            column = len(before) - (before.rfind(b"\n") + 1) + 1
            byte = f"byte 0x{error.object[error.start]:02x}"
            findings.append(Finding(name, line, column, "file", byte, "text in UTF-8"))
    if findings:
        raise DocumentError(findings)
    return files


def load_workspace(folder: Path) -> Workspace:
    """The checked documents of a workspace.

    Raises:
        DocumentError: with every mistake found.
    """
    return read_workspace(load_documents(folder))


class Deployment:
    """One process's store and loaded state.

    Args:
        folder: the workspace.
        settings: what the environment says.

    Raises:
        ConfigurationError: the database cannot be opened, or the secret is not the one its hashes were made with.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.actor = actor(settings)
        state = folder / STATE_FOLDER
        if settings.database_url is None or settings.secret is None:
            _make_private(state)
        url = f"sqlite:///{(state / 'ledger.db').resolve()}"
        if settings.database_url is not None:
            url = settings.database_url.get_secret_value()
        self.store = Store(url)
        self.store.migrate()
        secret = _secret(state / "secret", settings)
        self._check_secret(secret)
        self.live = Live(secret)
        self._catch_up()

    def create_key(self, name: str, scopes: list[Scope]) -> str:
        """Make an API key; this is the only time it can be seen."""
        key = new_key(self.settings.environment, secrets.token_bytes(RANDOM_BYTES))
        with self.store.writing() as ledger:
            create_key(ledger, key, name=name, scopes=scopes, actor=self.actor, now=now())
        return key

    def close(self) -> None:
        """Give the database connections back."""
        self.store.close()

    def _catch_up(self) -> None:
        with self.store.reading() as ledger:
            behind = is_behind(ledger)
        if behind:
            with self.store.writing(alone=True) as ledger:
                catch_up(ledger, self.live)

    def _check_secret(self, secret: bytes) -> None:
        fingerprint = sha256(b"optimizer secret fingerprint" + secret).hexdigest()[:16]
        with self.store.writing() as ledger:
            known = ledger.revisions.value("secret", fingerprint)
        if known != fingerprint:
            raise ConfigurationError(
                "secret: found one that differs from the one this ledger's hashes were made with; allowed the same "
                f"OPTIMIZER_SECRET (or {STATE_FOLDER}/secret) as before, else no recipient would be recognised"
            )


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot keep state in {folder}: {error.strerror}") from error


def _secret(path: Path, settings: Settings) -> bytes:
    if settings.secret is not None:
        secret = settings.secret.get_secret_value().encode()
        if not 32 <= len(secret) <= 64:
            raise ConfigurationError(f"OPTIMIZER_SECRET: found {len(secret)} bytes; allowed 32 to 64")
        return secret
    try:
        # Exclusive creation: when two processes start at once, both end up with the file that one of them wrote.
        # It is written under another name first, so that nobody can read half of it.
        if not path.exists():
            draft = path.with_name(f"secret.{secrets.token_hex(8)}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text().strip().encode()
    except OSError as error:
        raise ConfigurationError(f"cannot keep the secret in {path}: {error.strerror}") from error
