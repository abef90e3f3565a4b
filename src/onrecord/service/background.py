"""What the event loop does on its own: tasks that nobody awaits, and timers.

One place, so that no task is lost to the garbage collector, every failure is logged once, and closing
waits for what was begun.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import structlog

T = TypeVar("T")

_log = structlog.get_logger()


class Handle(Protocol):
    """A timer that can be cancelled."""

    def cancel(self) -> None:
        """Nothing comes of it any more."""
        ...


class Later(Protocol):
    """``loop.call_later``."""

    def __call__(self, delay: float, callback: Callable[[], object], /) -> Handle:
        """Call back in ``delay`` seconds."""
        ...


class Background:
    """Runs coroutines on the running loop; ``later`` stands in for ``loop.call_later`` if given."""

    def __init__(self, later: Later | None = None) -> None:
        self._later = later
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, object], what: str) -> None:
        """Start ``work``; what it raises is logged under the name ``what``."""
        task = self._start(work)
        task.add_done_callback(lambda done: _report(done, what))

    async def unbroken(self, work: Coroutine[Any, Any, T]) -> T:
        """Await ``work``, which goes on to its end even if the caller is cancelled."""
        return await asyncio.shield(self._start(work))

    def after(
        self, secs: float, make: Callable[[], Coroutine[Any, Any, object]], what: str
    ) -> Handle:
        """Spawn ``make()`` in ``secs`` seconds, unless the handle is cancelled before."""
        later = self._later or asyncio.get_running_loop().call_later
        return later(secs, lambda: self.spawn(make(), what))

    async def drain(self, timeout_secs: float) -> None:
        """Wait for all tasks, those included that tasks start; after the time they are cancelled."""
        deadline = asyncio.get_running_loop().time() + timeout_secs
        while self._tasks:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                for task in self._tasks:
                    task.cancel()
                await asyncio.wait(self._tasks)
                return
            await asyncio.wait(self._tasks, timeout=left)

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _report(task: asyncio.Task[Any], what: str) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("background_failed", what=what, exc_info=error)
