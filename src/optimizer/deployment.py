"""The only place that reads clock, entropy and environment; it wires settings, storage and services together."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from optimizer.domain.instants import Duration, Instant
from optimizer.errors import ConfigurationError, DocumentError, Finding
from optimizer.services.clock import Clock
from optimizer.services.keys.api_keys import RANDOM_BYTES, Scope, new_key
from optimizer.services.keys.key_care import create_key, rotate_key
from optimizer.services.keys.pseudonyms import KEY_BYTES, RECIPIENT_KEY, Rotation, fingerprint, rotate
from optimizer.services.keys.rates import Rate
from optimizer.services.keys.recipient_keys import RecipientKeys, parsed_keys
from optimizer.services.learning.catching_up import catch_up, is_behind
from optimizer.services.live import Live
from optimizer.settings import Settings
from optimizer.storage.access import StoredKey
from optimizer.storage.read_only import ReadOnlyStore
from optimizer.storage.store import Store
from optimizer.strategy.workspace import Workspace, read_workspace

STATE_FOLDER = ".optimizer"
MOST_DOCUMENTS = 1_000
IDS_AT_ONCE = 256


def _steady() -> int:
    """Microseconds by a clock that nobody sets, and that goes on while the machine sleeps where there is such a one."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000


CLOCK = Clock(lambda: time.time_ns() // 1_000, _steady)


def now() -> Instant:
    """The instant, by the process's clock; see `services.clock`."""
    return CLOCK.now()


_IDS: list[str] = []  # made in advance: to ask the system for each costs more than all else that is done with it
os.register_at_fork(after_in_child=_IDS.clear)


def random_id() -> str:
    """A new random identifier of 32 hexadecimal digits."""
    try:
        return _IDS.pop()
    except IndexError:
        digits = secrets.token_hex(16 * IDS_AT_ONCE)
        first, *others = (digits[start : start + 32] for start in range(0, len(digits), 32))
        _IDS.extend(others)
        return first


def actor(settings: Settings) -> str:
    """Who is doing this, for the audit trail."""
    try:
        return settings.actor or getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        return f"uid {os.getuid()}"


def load_documents(folder: Path) -> dict[str, str]:
    """The workspace's documents as text, by path relative to the folder.

    Raises:
        DocumentError: no strategy there, a file that cannot be read or is not UTF-8 text, or one whose name ends in
            .yml and so would be overlooked.
    """
    strategy = folder / "strategy.yaml"
    if not strategy.is_file():
        found, allowed = f"nothing in {folder}", "a strategy; `optimizer init` makes one"
        if (other := strategy.with_suffix(".yml")).is_file():
            found, allowed = other.name, f"the name {strategy.name}"
        raise DocumentError([Finding(strategy.name, 1, 1, "file", found, allowed)])
    # Hidden ones are what editors and file systems keep beside a document.
    beside = sorted(path for path in (folder / "campaigns").glob("*") if not path.name.startswith("."))
    paths = [strategy, *(path for path in beside if path.suffix == ".yaml")]
    files, findings = {}, []
    for path in beside:
        if path.suffix != ".yaml" and path.suffix.lower() in {".yaml", ".yml"}:
            name = path.relative_to(folder).as_posix()
            findings.append(Finding(name, 1, 1, "file", path.name, f"a name that ends in .yaml: {path.stem}.yaml"))
    for path in paths[:MOST_DOCUMENTS]:
        name = path.relative_to(folder).as_posix()
        try:
            files[name] = path.read_bytes().decode("utf-8")
        except OSError as error:
            findings.append(Finding(name, 1, 1, "file", error.strerror or "an error", "a file that can be read"))
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
        fits: told the fingerprint of the secret before a new ledger is tied to it; raises where it must not be.

    Attributes:
        worker: the process's name on leases; no other has it.
        draining: whether the process is about to stop, and wants no new work.

    Raises:
        ConfigurationError: the database cannot be opened, or the secret is not the one its hashes were made with.
    """

    def __init__(self, folder: Path, settings: Settings, fits: Callable[[str], None] = lambda _: None) -> None:
        self.folder = folder
        self.settings = settings
        self.actor = actor(settings)
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.draining = False
        state = folder / STATE_FOLDER
        if settings.database_url is None or settings.secret is None:
            _make_private(state)
        url = f"sqlite:///{(state / 'ledger.db').resolve()}"
        if settings.database_url is not None:
            url = settings.database_url.get_secret_value()
        self.store = Store(url)
        self.store.migrate()
        secret = _secret(state / "secret", settings)
        fits(_fingerprint(secret))
        self._check_secret(secret)
        self.recipient_keys = RecipientKeys(state / "recipient-key", _given_keys(settings))
        self.live = Live(secret, self.recipient_keys.find)
        self._check_recipient_key()
        self._catch_up()

    def create_key(
        self, name: str, scopes: list[Scope], *, expires_at: Instant | None = None, rate: Rate | None = None
    ) -> str:
        """Make an API key; this is the only time it can be seen."""
        key = self._new_key()
        with self.store.writing() as ledger:
            create_key(
                ledger, key, name=name, scopes=scopes, actor=self.actor, now=now(), expires_at=expires_at, rate=rate
            )
        return key

    def rotate_key(self, name: str, overlap: Duration, *, expires_at: Instant | None = None) -> tuple[str, StoredKey]:
        """Make a key that takes the place of those of this name; this is the only time it can be seen."""
        key = self._new_key()
        with self.store.writing(alone=True) as ledger:
            stored = rotate_key(
                ledger, key, name=name, overlap=overlap, actor=self.actor, now=now(), expires_at=expires_at
            )
        return key, stored

    def rotate_recipient_key(self, progress: Callable[[int], None] = lambda _: None) -> Rotation:
        """Store every recipient under a new key and destroy the old one; nobody else writes meanwhile.

        Raises:
            ConfigurationError: there is no new key, or it cannot be kept.
        """
        with self.store.writing(alone=True) as ledger:
            before = self.live.at(ledger).pseudonyms
            # Kept for good before the commit: whatever is interrupted, the key that is in force can be found.
            key = self.recipient_keys.prepare(ledger.revisions.read(RECIPIENT_KEY), secrets.token_bytes(KEY_BYTES))
            done = rotate(ledger, before, key, actor=self.actor, now=now(), progress=progress)
        self.recipient_keys.settle(fingerprint(key))
        return done

    def drain(self) -> None:
        """Say that the process is about to stop."""
        self.draining = True

    def close(self) -> None:
        """Give the database connections back."""
        self.store.close()

    def _new_key(self) -> str:
        return new_key(self.settings.environment, secrets.token_bytes(RANDOM_BYTES))

    def _catch_up(self) -> None:
        with self.store.reading() as ledger:
            CLOCK.compare(ledger.leases.clock())
            behind = is_behind(ledger)
        if behind:
            with self.store.writing(alone=True) as ledger:
                catch_up(ledger, self.live)

    def _check_recipient_key(self) -> None:
        with self.store.reading() as ledger:
            in_force = ledger.revisions.read(RECIPIENT_KEY)
        if in_force and self.recipient_keys.find(in_force) is None:
            raise ConfigurationError(
                f"recipient key: found none with fingerprint {in_force}; allowed the key of the last rotation, in "
                f"{STATE_FOLDER}/recipient-key or OPTIMIZER_RECIPIENT_KEY, else no recipient would be recognised"
            )
        self.recipient_keys.settle(in_force)

    def _check_secret(self, secret: bytes) -> None:
        mine = _fingerprint(secret)
        with self.store.writing() as ledger:
            known = ledger.revisions.value("secret", mine)
        if known != mine:
            raise _wrong_secret()


class ReadOnlyDeployment:
    """A ledger that is opened to be read: nothing is made, migrated, caught up or written.

    Args:
        folder: the workspace.
        settings: what the environment says.

    Raises:
        ConfigurationError: there is no ledger yet, another release wrote it, or the secret is not its own.
        Unavailable: the database cannot be read now.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        state = folder / STATE_FOLDER
        url = f"sqlite:///{(state / 'ledger.db').resolve()}"
        if settings.database_url is not None:
            url = settings.database_url.get_secret_value()
        self.store = ReadOnlyStore(url)
        try:
            self.live = self._live(state, settings)
        except BaseException:
            self.store.close()
            raise

    def _live(self, state: Path, settings: Settings) -> Live:
        self.store.check_version()
        if settings.secret is None and not (state / "secret").is_file():
            raise ConfigurationError(f"secret: found none in {state}; allowed the OPTIMIZER_SECRET of this ledger")
        secret = _secret(state / "secret", settings)
        with self.store.reading() as ledger:
            CLOCK.compare(ledger.leases.clock())
            if ledger.revisions.read("secret") != _fingerprint(secret):
                raise _wrong_secret()
            if is_behind(ledger):
                raise ConfigurationError(
                    "ledger: found statistics of an earlier release; allowed those of this one, to which "
                    "`optimizer serve` or any other command brings them"
                )
        return Live(secret, RecipientKeys(state / "recipient-key", _given_keys(settings)).find)

    def close(self) -> None:
        """Give the database connections back."""
        self.store.close()


def _fingerprint(secret: bytes) -> str:
    return sha256(b"optimizer secret fingerprint" + secret).hexdigest()[:16]


def _wrong_secret() -> ConfigurationError:
    return ConfigurationError(
        "secret: found one that differs from the one this ledger's hashes were made with; allowed the same "
        f"OPTIMIZER_SECRET (or {STATE_FOLDER}/secret) as before, else no recipient would be recognised"
    )


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot keep state in {folder}: {error.strerror}") from error


def _given_keys(settings: Settings) -> list[bytes]:
    if settings.recipient_key is None:
        return []
    try:
        return parsed_keys(settings.recipient_key.get_secret_value())
    except ValueError:
        raise ConfigurationError(
            "OPTIMIZER_RECIPIENT_KEY: found something else than a key; allowed 32 hexadecimal digits, or two such keys "
            "with a comma between them"
        ) from None


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
