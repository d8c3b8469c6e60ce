"""What the environment may say: every setting, with what it means."""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from optimizer.errors import ConfigurationError
from optimizer.services.keys.api_keys import GENEROUS
from optimizer.services.keys.rates import FASTEST

_PREFIX = "OPTIMIZER_"
_OF_COMMANDS = ("workspace", "url", "key")  # which commands and clients read themselves
_LONGEST_ACTOR = 200
Secrets = Mapping[str, SecretStr | tuple[SecretStr, ...]]  # by provider


class Receiver(BaseModel):
    """Where notices are posted to, and what they are signed with; a chat's URL is a secret itself.

    While a secret is changed there are several, and every post is signed with each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr
    secret: SecretStr | tuple[SecretStr, ...] | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What posts are signed with; nothing for a chat."""
        return () if self.secret is None else _texts(self.secret)

    @field_validator("url")
    @classmethod
    def _is_safe(cls, url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.hostname and (
            parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname))
        ):
            return url
        raise ValueError("allowed https URLs, and http ones of this very machine")

    @field_validator("secret")
    @classmethod
    def _sign(cls, secret: SecretStr | tuple[SecretStr, ...] | None) -> SecretStr | tuple[SecretStr, ...] | None:
        if secret is None or (secret != () and all(map(_can_sign, _texts(secret)))):
            return secret
        raise ValueError("allowed as a secret: whsec_ and 24 to 64 random bytes in base64, or a list of such")


class Settings(BaseSettings):
    """What the environment may say; every name is prefixed ``OPTIMIZER_``."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(
        default=None,
        description="Where the ledger lives; by default SQLite in the workspace's .optimizer folder.",
    )
    secret: Annotated[SecretStr | None, NoDecode] = Field(
        default=None,
        description="Key of every hash, 32 to 64 characters; by default a file in the workspace's .optimizer folder.",
    )
    recipient_key: Annotated[SecretStr | None, NoDecode] = Field(
        default=None,
        description="Key of the stored recipients, 32 hexadecimal digits; for a rotation two, separated by a comma. "
        "By default a file in the workspace's .optimizer folder, once there has been a rotation.",
    )
    environment: str = Field(
        default="live",
        pattern=r"^[a-z0-9]{1,16}$",
        description="Word inside new API keys: opt_<environment>_…",
    )
    rate_per_second: int = Field(
        default=GENEROUS.per_second,
        ge=1,
        le=FASTEST,
        description="Items a second that a key without a rate of its own may ask of one worker.",
    )
    rate_burst: int = Field(
        default=GENEROUS.burst, ge=1, le=FASTEST, description="Items that such a key may ask for at once after a rest."
    )
    actor: str | None = Field(default=None, description="Name written into the audit trail; by default the login.")
    access_log_share: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="Share of the requests that get a line in the log; failed (5xx) and slow ones always do.",
    )
    metrics_open: bool = Field(
        default=False, description="Whether anyone may read /metrics; else a key with scope analyse is needed."
    )
    metrics_folder: Path | None = Field(
        default=None,
        description="Folder in which the workers of one host share their metrics; `serve --workers` makes one itself.",
    )
    webhooks: Secrets = Field(
        default_factory=dict,
        description="What each provider signs its webhooks with, as a JSON object by provider; a list while a secret "
        'is rotated: {"mailgun": "key-…"}.',
    )
    receivers: Mapping[str, Receiver] = Field(
        default_factory=dict,
        description="Where notices are posted, as a JSON object by the ids in `notify`: "
        '{"ops": {"url": "https://…", "secret": "whsec_…"}}; a list of secrets while one is changed.',
    )
    traces_to: str | None = Field(
        default=None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="URL of an OpenTelemetry collector that gets traces over HTTP; by default none are made.",
    )

    @field_validator("traces_to")
    @classmethod
    def _is_of_http(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "")
        if not url or (parts.scheme in {"http", "https"} and parts.hostname):
            return url
        raise ValueError("allowed a URL that begins with http:// or https://, as http://collector:4318")

    @field_validator("actor")
    @classmethod
    def _is_a_name(cls, actor: str | None) -> str | None:
        """What the audit trail shows in terminals must not steer them, nor look like another line of it."""
        if actor is not None and not (actor.isprintable() and len(actor) <= _LONGEST_ACTOR):
            raise ValueError("no name")
        return actor

    @field_validator("webhooks")
    @classmethod
    def _could_be_secrets(cls, webhooks: Secrets) -> Secrets:
        if webhooks:
            from optimizer.services.providers.credentials import check_credentials  # noqa: PLC0415 - slow to import

            check_credentials(secret_texts(webhooks))
        return webhooks


_ALLOWED = {  # of the settings that are no secret
    "actor": f"a name of at most {_LONGEST_ACTOR} visible characters",
    "environment": "1 to 16 lower-case letters and digits",
    "rate_per_second": f"a whole number from 1 to {FASTEST}",
    "rate_burst": f"a whole number from 1 to {FASTEST}",
    "access_log_share": "a number from 0 to 1: 0.01 for 1 %",
    "metrics_open": "true or false",
}


def secret_texts(secrets: Secrets) -> dict[str, tuple[str, ...]]:
    """Secrets as text, one or several a provider."""
    return {provider: _texts(those) for provider, those in secrets.items()}


def read_settings() -> Settings:
    """The settings the environment gives.

    Raises:
        ConfigurationError: a variable has a value that is not allowed, or a name that must be a slip of the finger.
    """
    _check_names(os.environ)
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(_problem(str(e["loc"][0]), e["input"], e["msg"]) for e in error.errors())
        raise ConfigurationError(problems) from None
    except SettingsError as error:  # of a setting that is JSON, and names its field
        named = re.search(r'field "(\w+)"', str(error))
        name = _PREFIX + named[1].upper() if named else "settings"
        raise ConfigurationError(f"{name}: found no JSON; allowed a JSON object, in one line") from None


def _check_names(environment: Iterable[str]) -> None:
    """A misspelt setting would be overlooked, and another ledger served; whatever else begins like ours is not ours."""
    known = [name.upper() for name in (*Settings.model_fields, *_OF_COMMANDS)]
    for name in map(str.upper, environment):
        ours = name.removeprefix(_PREFIX)
        if ours != name and ours not in known and (meant := get_close_matches(ours, known, n=1, cutoff=0.85)):
            raise ConfigurationError(f"{name}: found a setting that there is not; allowed {_PREFIX}{meant[0]}")


def _problem(field: str, found: object, said: str) -> str:
    """What is wrong with a setting; values of those that may be secret are not shown."""
    name = field if field.isupper() else _PREFIX + field.upper()  # some bear a name of others
    if field in _ALLOWED:
        return f"{name}: found {str(found)[:60]!r}; allowed {_ALLOWED[field]}"
    return f"{name}: found a value that is not usable: {said.removeprefix('Value error, ')}"


def _texts(secret: SecretStr | tuple[SecretStr, ...]) -> tuple[str, ...]:
    return tuple(one.get_secret_value() for one in (secret if isinstance(secret, tuple) else (secret,)))


def _can_sign(secret: str) -> bool:
    prefix, _, key = secret.partition("_")
    try:
        return prefix == "whsec" and 24 <= len(b64decode(key, validate=True)) <= 64
    except ValueError:
        return False


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
