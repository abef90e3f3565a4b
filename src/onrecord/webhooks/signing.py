"""Signatures of webhooks: Ed25519 (RFC 8032) over ``timestamp|body`` (contract section 10). Pure."""

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TIMESTAMP_HEADER = "Telnyx-Timestamp"
SIGNATURE_HEADER = "Telnyx-Signature-Ed25519"


class Signer:
    """Signs with one private key.

    Args:
        private_key: 32 raw bytes.

    Raises:
        ValueError: the key has another length.
    """

    def __init__(self, private_key: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(private_key)

    @property
    def public_key(self) -> bytes:
        """32 raw bytes, of which receivers are told the base64."""
        return self._key.public_key().public_bytes_raw()

    def headers(self, body: bytes, utc_secs: int) -> dict[str, str]:
        """The two headers that let a receiver check ``body``; the base64 is strict and padded."""
        signature = self._key.sign(b"%d|%b" % (utc_secs, body))
        return {
            TIMESTAMP_HEADER: str(utc_secs),
            SIGNATURE_HEADER: base64.b64encode(signature).decode("ascii"),
        }
