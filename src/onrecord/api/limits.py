"""How many requests one API key may make: a token bucket for each key (contract section 12)."""

from dataclasses import dataclass

from onrecord.core.clock import Clock
from onrecord.core.units import NS_PER_S


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_ns: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a key may still do."""

    allowed: bool
    limit: int
    """Requests that may be made at once."""
    remaining: int
    reset_secs: int
    """Until ``remaining`` is ``limit`` again, if nothing is asked meanwhile."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """As headers of every answer."""
        return [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset_secs),
        ]


class Limits:
    """Refills each bucket with ``per_second`` requests up to ``burst``; keys must be valid ones."""

    def __init__(self, per_second: float, burst: int, clock: Clock) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key: str) -> Standing:
        """Count one request of ``key``; one that is not allowed is not counted."""
        now_ns = self._clock.monotonic_ns()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now_ns)
        refilled = bucket.tokens + (now_ns - bucket.at_ns) * self._per_second / NS_PER_S
        tokens, bucket.at_ns = min(refilled, self._burst), now_ns
        allowed = tokens >= 1
        bucket.tokens = tokens - 1 if allowed else tokens
        missing = self._burst - bucket.tokens
        reset_secs = -int(-missing // self._per_second)
        return Standing(allowed, self._burst, int(bucket.tokens), reset_secs)
