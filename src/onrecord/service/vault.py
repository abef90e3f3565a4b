"""Encrypts what others entrusted to us, with a key that is not in the database (AES-256-GCM).

A copy of the database alone gives nothing away. Without the key file what was sealed is lost.
"""

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from onrecord.core.errors import OnrecordError

KEY_BYTES = 32
NONCE_BYTES = 12


class VaultError(OnrecordError):
    """The key file is not the one that something was sealed with, or is no key file."""


class Vault:
    """``file`` is made when something is sealed for the first time; only its owner can read it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def seal(self, plain: bytes, owner: str) -> bytes:
        """``plain`` encrypted; only ``open`` with the same ``owner`` gives it back. Blocks.

        Raises:
            VaultError: the key file is broken.
            OSError: it cannot be read or written.
        """
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._key()).encrypt(nonce, plain, owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """What was sealed for ``owner``. Blocks.

        Raises:
            VaultError: it was sealed with another key or for another owner.
            OSError: the key file cannot be read.
        """
        nonce, text = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return AESGCM(self._key()).decrypt(nonce, text, owner.encode())
        except InvalidTag as error:
            raise VaultError(f"{self._file} is not the key that this was sealed with") from error

    def _key(self) -> bytes:
        try:
            key = self._file.read_bytes()
        except FileNotFoundError:
            self._make()
            key = self._file.read_bytes()
        if len(key) != KEY_BYTES:
            raise VaultError(f"{self._file} must hold {KEY_BYTES} bytes; restore it from a copy")
        return key

    def _make(self) -> None:
        """Whole or not at all; the first of two processes wins."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, os.urandom(KEY_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.link(part, self._file)
        except FileExistsError:
            return
        finally:
            part.unlink()
        folder = os.open(self._file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
