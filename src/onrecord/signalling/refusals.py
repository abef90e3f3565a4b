"""Counting and logging of what is refused, so that a flood fills no log."""

import structlog

from onrecord.core.units import NS_PER_S
from onrecord.metrics import SIP_REJECTED

_QUIET_NS = NS_PER_S


class Refusals:
    """Counts every refusal; logs one line per reason and second, with how many it stands for."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()
        self._silent_until: dict[str, int] = {}
        self._unlogged: dict[str, int] = {}

    def add(self, reason: str, source: str, now_ns: int) -> None:
        """Something from ``source`` (``host:port``) was refused; ``reason`` is one of a few words."""
        SIP_REJECTED.labels(reason=reason).inc()
        count = self._unlogged.get(reason, 0) + 1
        if now_ns < self._silent_until.get(reason, now_ns):
            self._unlogged[reason] = count
            return
        self._silent_until[reason] = now_ns + _QUIET_NS
        self._unlogged[reason] = 0
        self._log.warning("sip_refused", reason=reason, source=source, count=count)
