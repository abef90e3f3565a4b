"""Offer and answer (RFC 3264): what two sides agreed on, and how an answer is made from an offer."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class MediaDirection(StrEnum):
    """Direction attribute of a stream, seen from us (RFC 3264 §5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class RtpAddress:
    """Where a side receives RTP; its RTCP is ``rtcp_port``."""

    host: str
    """An IP address in text."""
    port: int
    rtcp_port: int


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec of a session (RFC 3551 §6, RFC 4566 rtpmap)."""

    name: str
    """Encoding name, upper case: ``PCMU``, ``PCMA``, ``TELEPHONE-EVENT``."""
    clock_rate: int = 8000
    channels: int = 1


@dataclass(frozen=True, slots=True)
class Media:
    """What was agreed for one leg's audio."""

    remote: RtpAddress
    payload_types: Mapping[int, Codec]
    """What the peer may send us, by payload type."""
    send_payload_type: int
    """What we send, in the peer's numbering."""
    send_codec: Codec
    direction: MediaDirection
    telephone_event_payload_type: int | None = None
    """For digits that we send (RFC 4733); None when the peer takes none."""
    ptime_ms: int = 20
