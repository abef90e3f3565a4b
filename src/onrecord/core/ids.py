"""Identifiers: their types, and how new ones are made (contract: opaque tokens and UUIDs)."""

import base64
import secrets
import uuid
from typing import NewType

LegId = NewType("LegId", str)
"""One leg of a call: a lower-case UUID, ``call_leg_id`` on the wire."""

SessionId = NewType("SessionId", str)
"""The legs that belong to one phone call: a UUID, ``call_session_id`` on the wire."""

CallControlId = NewType("CallControlId", str)
"""The opaque token that controls one leg: ``v3:`` and 54 URL-safe base64 characters."""

ApplicationId = NewType("ApplicationId", str)
"""A call control application: 19 decimal digits, ``connection_id`` on the wire."""

RecordingId = NewType("RecordingId", str)
"""One recording: a UUID."""

TranscriptionId = NewType("TranscriptionId", str)
"""One transcription of a recording: a UUID."""

EventId = NewType("EventId", str)
"""One webhook event: a UUID that stays the same over all attempts."""

NodeId = NewType("NodeId", str)
"""One machine of the installation: 1 to 16 letters, digits, ``-`` or ``_``."""

_TOKEN_BYTES = 40
_NODE_BYTES = 16


def new_uuid() -> str:
    """A random UUID, lower case."""
    return str(uuid.uuid4())


def new_application_id() -> ApplicationId:
    """Nineteen random decimal digits; the first is never zero."""
    return ApplicationId(str(secrets.randbelow(9 * 10**18) + 10**18))


def new_call_control_id(node: NodeId) -> CallControlId:
    """A ``v3:`` token that carries its owning node, so that any node can route a command."""
    name = node.encode().ljust(_NODE_BYTES, b"\0")
    raw = name + secrets.token_bytes(_TOKEN_BYTES - _NODE_BYTES)
    return CallControlId("v3:" + base64.urlsafe_b64encode(raw).decode().rstrip("="))


def node_of(call_control_id: str) -> NodeId | None:
    """The node that a token names, or None for text that is not such a token; never raises."""
    version, _, text = call_control_id.partition(":")
    if version != "v3" or not text.isascii():
        return None
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        name = raw[:_NODE_BYTES].rstrip(b"\0").decode("ascii")
    except ValueError:
        return None
    return NodeId(name) if len(raw) == _TOKEN_BYTES and name else None
