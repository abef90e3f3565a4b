"""What the media loop does later: timers, which run between its ticks."""

import heapq
import itertools
from collections.abc import Callable

Timer = Callable[[int], int | None]
"""Called when due, with the time; returns when it is due next, or None for never. Monotonic ns."""


class Timers:
    """Those that are armed; what is due at one time runs in the order in which it was armed."""

    def __init__(self) -> None:
        self._armed: list[tuple[int, int, Timer]] = []
        self._serial = itertools.count()

    def at(self, due_ns: int, timer: Timer) -> None:
        """Arm a timer."""
        heapq.heappush(self._armed, (due_ns, next(self._serial), timer))

    @property
    def first_ns(self) -> int | None:
        """When the next one is due; None: none is armed."""
        return self._armed[0][0] if self._armed else None

    def run(self, now_ns: int) -> None:
        """Run what is due."""
        armed = self._armed
        while armed and armed[0][0] <= now_ns:
            _, serial, timer = heapq.heappop(armed)
            due_ns = timer(now_ns)
            if due_ns is not None:
                heapq.heappush(armed, (due_ns, serial, timer))
