"""The installation's own identity: the Ed25519 key pair that signs webhooks."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from onrecord.service.ports import Store, Unit

SECRET = "webhook_signing_key"  # noqa: S105 -- the secret's name, not the secret


class Account:
    """The key pair is made once and kept in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._private: bytes | None = None

    async def private_key(self) -> bytes:
        """The 32 raw bytes (seed, RFC 8032 §5.1.5) that webhooks are signed with."""
        if self._private is None:
            self._private = await self._store.write(_kept_or_made)
        return self._private

    async def public_key(self) -> bytes:
        """The 32 raw bytes that receivers verify with."""
        private = Ed25519PrivateKey.from_private_bytes(await self.private_key())
        return private.public_key().public_bytes_raw()


def _kept_or_made(unit: Unit) -> bytes:
    kept = unit.secret(SECRET)
    if kept is None:
        kept = Ed25519PrivateKey.generate().private_bytes_raw()
        unit.put_secret(SECRET, kept)
    return kept
