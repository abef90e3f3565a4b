"""Units and the text forms of times. Names elsewhere carry their unit: ``_ns``, ``_ms``, ``_bytes``."""

from datetime import UTC, datetime

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


def iso_micros(utc_ns: int) -> str:
    """``2026-02-03T04:05:06.000007Z``: the form of webhooks."""
    moment = datetime.fromtimestamp(utc_ns // NS_PER_S, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{utc_ns % NS_PER_S // 1000:06d}Z"


def iso_millis(utc_ns: int) -> str:
    """``2026-02-03T04:05:06.007Z``: the form of resources."""
    moment = datetime.fromtimestamp(utc_ns // NS_PER_S, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{utc_ns % NS_PER_S // NS_PER_MS:03d}Z"


def parse_iso(text: str) -> int:
    """UTC nanoseconds of an ISO 8601 time; a time without an offset is read as UTC.

    Raises:
        ValueError: ``text`` is not such a time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * NS_PER_S + moment.microsecond * 1000
