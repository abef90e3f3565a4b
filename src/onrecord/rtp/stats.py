"""Figures of one leg's media, as its webhooks and metrics report them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LegStats:
    """Counts since the leg was opened."""

    packets_received: int = 0
    packets_lost: int = 0
    """Expected less received (RFC 3550 §6.4.1), never below zero."""
    packets_sent: int = 0
    jitter_max_ms: float = 0.0
    """The largest interarrival jitter (RFC 3550 §6.4.1) seen at a fold."""
    first_packet_ns: int | None = None
    """Monotonic arrival of the first packet; None when none came."""
    round_trip_ms: float | None = None
    """The last round-trip time that RTCP gave."""
    packets_sent_lost: int = 0
    """How many of those sent the peer's last report missed (RFC 3550 §6.4.1); 0 without a report."""
