"""Where the recipient key is kept, so that no crash in the middle of a rotation can lose it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from optimizer.errors import ConfigurationError
from optimizer.services.keys.pseudonyms import KEY_BYTES, fingerprint


class RecipientKeys:
    """The recipient key in force, and the next one while a rotation is under way.

    The database says, by its fingerprint, which key is in force. A rotation first writes the next key into a draft
    that carries its fingerprint in its name, then commits, then puts the draft in the place of the old key. Whenever
    that is interrupted, the key that the database asks for is in one of the two files.

    Args:
        path: the file; drafts lie beside it.
        given: keys that the environment gave: then no file is read or written.
    """

    def __init__(self, path: Path, given: Sequence[bytes] = ()) -> None:
        self._path = path
        self._given = given

    def find(self, wanted: str) -> bytes | None:
        """The key with this fingerprint; None when it is not here."""
        if self._given:
            return next((key for key in self._given if fingerprint(key) == wanted), None)
        for _ in range(2):  # whoever puts the draft in its place meanwhile has done it by the second look
            for path in (self._path, self._draft(wanted)):
                key = _read(path)
                if key is not None and fingerprint(key) == wanted:
                    return key
        return None

    def prepare(self, in_force: str, random: bytes) -> bytes:
        """The next key, kept for good; call it when no other rotation can be under way.

        Args:
            in_force: fingerprint of the key in force, empty before the first rotation.
            random: `KEY_BYTES` of entropy, the next key unless the environment gives it.

        Raises:
            ConfigurationError: the environment gives no next key, or the file cannot be written.
        """
        if self._given:
            new = [key for key in self._given if fingerprint(key) != in_force]
            if len(new) != 1:
                raise ConfigurationError(
                    f"OPTIMIZER_RECIPIENT_KEY: found {len(new)} keys that are not in force; allowed one, after a comma "
                    "behind the one in force"
                )
            return new[0]
        draft = self._draft(fingerprint(random))
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left_over in self._path.parent.glob(f"{self._path.name}.*"):
                if left_over != self._draft(in_force):
                    left_over.unlink(missing_ok=True)
            _write(draft, random)
        except OSError as error:
            raise ConfigurationError(f"cannot keep the recipient key in {draft}: {error.strerror}") from error
        return random

    def settle(self, in_force: str) -> None:
        """Put the draft of the key in force in its place, and destroy the key before it."""
        draft = self._draft(in_force)
        if self._given or not draft.exists():
            return
        try:
            before = self._path.open("r+b") if self._path.exists() else None
            draft.replace(self._path)
            _flush(self._path.parent)
            if before is not None:  # the file that had this name: nobody can open it any more
                with before:
                    before.write(b"0" * (2 * KEY_BYTES))
                    before.flush()
                    os.fsync(before.fileno())
        except FileNotFoundError:
            return  # another process has just done it
        except OSError as error:
            raise ConfigurationError(f"cannot keep the recipient key in {self._path}: {error.strerror}") from error

    def _draft(self, of: str) -> Path:
        return self._path.with_name(f"{self._path.name}.{of}")


def parsed_keys(text: str) -> list[bytes]:
    """Keys as `OPTIMIZER_RECIPIENT_KEY` gives them: one, or two with a comma between them.

    Raises:
        ValueError: these are no such keys.
    """
    keys = [bytes.fromhex(part.strip()) for part in text.split(",")]
    if len(keys) > 2 or any(len(key) != KEY_BYTES for key in keys):
        raise ValueError(text)
    return keys


def _read(path: Path) -> bytes | None:
    try:
        (key,) = parsed_keys(path.read_text())
    except (OSError, ValueError):
        return None
    return key


def _write(path: Path, key: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key.hex())
        file.flush()
        os.fsync(file.fileno())
    _flush(path.parent)


def _flush(folder: Path) -> None:
    """A new name in a folder is only durable once the folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
