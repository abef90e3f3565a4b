"""API keys: made, shown once, checked, revoked. Only a key's SHA-256 is stored.

A key has 256 random bits, so a plain digest is enough: there is nothing to guess.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import replace

import structlog

from onrecord.calls.records import ApiKey
from onrecord.core.clock import Clock
from onrecord.core.ids import new_uuid
from onrecord.core.units import NS_PER_MS, NS_PER_S
from onrecord.service.ports import Store, Unit
from onrecord.wire import errors

PREFIX = "KEY"
HINT_CHARS = 8
FRESH_NS = 2 * NS_PER_S
"""How long a key that is revoked by another process may still be taken."""
MISS_FRESH_NS = 200 * NS_PER_MS
"""How old the known keys may be when one is refused: bounds the reads that wrong keys can cause."""

_log = structlog.get_logger()


class Keys:
    """The keys of the installation; ``fixed`` (a setting) is valid beside them."""

    def __init__(self, store: Store, clock: Clock, fixed: str | None = None) -> None:
        self._store = store
        self._clock = clock
        self._fixed = None if fixed is None else _digest(fixed)
        self._known: Sequence[bytes] = ()
        self._read_ns: int | None = None
        self._reading = asyncio.Lock()

    async def check(self, presented: str) -> bool:
        """True for a valid key; mostly without the database. Never raises on the text."""
        digest = _digest(presented)
        if self._fixed is not None and hmac.compare_digest(digest, self._fixed):
            return True
        await self._refresh(FRESH_NS)
        if self._holds(digest):
            return True
        await self._refresh(MISS_FRESH_NS)
        return self._holds(digest)

    async def create(self, name: str) -> tuple[ApiKey, str]:
        """A new key, and its text, which cannot be had again."""
        text = PREFIX + secrets.token_urlsafe(32)
        key = ApiKey(new_uuid(), _digest(text), text[:HINT_CHARS], name, self._clock.utc_ns())
        await self._store.write(lambda unit: unit.add_key(key))
        self._read_ns = None
        _log.info("key_created", key=key.id, name=name)
        return key, text

    async def list(self) -> Sequence[ApiKey]:
        """All keys, the revoked ones too."""
        return await self._store.read(lambda unit: unit.keys())

    async def revoke(self, key_id: str) -> ApiKey:
        """The key is refused from now on; by other processes within two seconds.

        Raises:
            CallerError: 404, there is no such key.
        """
        key = await self._store.write(lambda unit: self._revoke(unit, key_id))
        self._read_ns = None
        _log.info("key_revoked", key=key_id)
        return key

    async def ensure_first(self) -> str | None:
        """The text of a key made now because there was none at all; else None."""
        if self._fixed is not None or await self.list():
            return None
        return (await self.create("first"))[1]

    def _revoke(self, unit: Unit, key_id: str) -> ApiKey:
        keys = unit.keys()
        key = next((key for key in keys if key.id == key_id), None)
        if key is None:
            raise errors.not_found("API key")
        if key.revoked_ns is None:
            key = replace(key, revoked_ns=self._clock.utc_ns())
            unit.save_key(key)
        return key

    def _holds(self, digest: bytes) -> bool:
        """Compare with every key, so that the time tells nothing of which one is near."""
        return sum(hmac.compare_digest(digest, known) for known in self._known) > 0

    async def _refresh(self, at_most_ns: int) -> None:
        if self._is_fresh(at_most_ns):
            return
        async with self._reading:
            if self._is_fresh(at_most_ns):
                return
            asked_ns = self._clock.monotonic_ns()
            keys = await self.list()
            self._known = [key.digest for key in keys if key.revoked_ns is None]
            self._read_ns = asked_ns

    def _is_fresh(self, at_most_ns: int) -> bool:
        return (
            self._read_ns is not None and self._clock.monotonic_ns() - self._read_ns <= at_most_ns
        )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
