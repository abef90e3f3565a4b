"""The clocks of the process. Three clocks are kept apart: monotonic, media (RTP) and UTC.

Pure packages never ask what time it is: they take ``now_ns``. Edges ask a :class:`Clock`.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Where an edge reads the time."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back; comparable between processes of one boot."""
        ...

    def utc_ns(self) -> int:
        """Nanoseconds since 1970-01-01T00:00:00Z."""
        ...


class SystemClock:
    """The operating system's clocks."""

    def monotonic_ns(self) -> int:
        """``CLOCK_MONOTONIC``, nanoseconds."""
        return time.monotonic_ns()

    def utc_ns(self) -> int:
        """``CLOCK_REALTIME``, nanoseconds."""
        return time.time_ns()
