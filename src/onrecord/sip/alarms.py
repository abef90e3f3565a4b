"""Deadlines by name: set, cleared, and taken out in the order in which they fall due."""

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)


class Alarms(Generic[Name]):
    """At most one deadline for each name; setting it again moves it."""

    def __init__(self) -> None:
        self._at: dict[Name, tuple[int, int]] = {}
        self._heap: list[tuple[int, int, Name]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._at)

    def set(self, name: Name, at_ns: int) -> None:
        """Fall due at ``at_ns`` (monotonic)."""
        self._count += 1
        self._at[name] = (at_ns, self._count)
        heapq.heappush(self._heap, (at_ns, self._count, name))

    def clear(self, name: Name) -> None:
        """Forget ``name``; what is not set is cleared already."""
        self._at.pop(name, None)

    def next(self) -> int | None:
        """The earliest deadline."""
        while self._heap:
            at_ns, count, name = self._heap[0]
            if self._at.get(name) == (at_ns, count):
                return at_ns
            heapq.heappop(self._heap)
        return None

    def due(self, now_ns: int) -> Iterator[Name]:
        """Take out what is due, also what is set for now or earlier while this is iterated."""
        while (at_ns := self.next()) is not None and at_ns <= now_ns:
            _, _, name = heapq.heappop(self._heap)
            del self._at[name]
            yield name
