"""What an application does with webhooks: verify, keep, wait for the one that is needed."""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from onrecord.core.clock import Clock
from onrecord.core.units import NS_PER_S
from onrecord.demo.receiver import Delivery

TOLERANCE_SECS = 300
"""Official libraries refuse timestamps that are further off."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One delivery, read."""

    type: str
    payload: Mapping[str, Any]
    attempt: int
    event_id: str
    verified: bool
    """The signature is that of the account's key over this body, and fresh."""


def verified(key: Ed25519PublicKey, delivery: Delivery, now_ns: int) -> bool:
    """Whether the signature over ``timestamp|body`` holds and is fresh; never raises."""
    timestamp = delivery.headers.get("telnyx-timestamp", "")
    text = delivery.headers.get("telnyx-signature-ed25519", "")
    try:
        signature = base64.b64decode(text, validate=True)
        key.verify(signature, timestamp.encode() + b"|" + delivery.body)
        age_secs = now_ns / NS_PER_S - int(timestamp)
    except (ValueError, InvalidSignature):
        return False
    return abs(age_secs) <= TOLERANCE_SECS


def read(key: Ed25519PublicKey, delivery: Delivery, now_ns: int) -> Webhook:
    """The webhook in a delivery.

    Raises:
        ValueError: the body is not a webhook event.
    """
    try:
        document = json.loads(delivery.body)
        data = document["data"]
        return Webhook(
            type=str(data["event_type"]),
            payload=dict(data["payload"]),
            attempt=int(document["meta"]["attempt"]),
            event_id=str(data["id"]),
            verified=verified(key, delivery, now_ns),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("a webhook that is not an event") from error


@dataclass(slots=True)
class Inbox:
    """The webhooks that have come, first attempts and repeats alike."""

    key: Ed25519PublicKey
    clock: Clock
    on_webhook: Callable[[Webhook], None]
    webhooks: list[Webhook] = field(default_factory=list)
    unreadable: int = 0
    waiting_for: str = ""
    """What ``wait`` waits for, in words; empty when nothing."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, delivery: Delivery) -> None:
        """Take a delivery; never raises."""
        try:
            webhook = read(self.key, delivery, self.clock.utc_ns())
        except ValueError:
            self.unreadable += 1
            return
        self.webhooks.append(webhook)
        self.on_webhook(webhook)
        self._changed.set()

    async def wait(self, event_type: str, what: str, **payload: object) -> Webhook:
        """The first webhook of this type with these payload members; ``what`` says why, for people."""
        self.waiting_for = f"{event_type} ({what})"
        while True:
            for webhook in self.webhooks:
                if webhook.type == event_type and payload.items() <= webhook.payload.items():
                    self.waiting_for = ""
                    return webhook
            self._changed.clear()
            await self._changed.wait()
