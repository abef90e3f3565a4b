"""Keeps a media process alive: one that dies or hangs is replaced, and what it had received is salvaged."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from onrecord.core.settings import Settings
from onrecord.media.channel import Message
from onrecord.media.child import MediaChild
from onrecord.media.salvage import salvage_arena
from onrecord.media.sockets import allow_descriptors, stamp_arrivals

log = structlog.get_logger()

START_SECONDS = 10.0
SILENT_SECONDS = 10.0
"""A media process that reports nothing for so long hangs and is replaced."""
RESTART_SECONDS = (0.0, 0.0, 0.25, 0.5, 1.0, 2.0)
"""Waits before the next media process while one after another dies young."""

_YOUNG_SECONDS = 10.0


class Supervisor:
    """Of one media process after another."""

    def __init__(
        self,
        settings: Settings,
        *,
        heard: Callable[[Message], None],
        died: Callable[[], None],
        replaces: Callable[[], None],
        restore: Callable[[MediaChild], None],
    ) -> None:
        """All are called on the event loop.

        ``heard``: the process has said something. ``died``: it is gone. ``replaces``: another is about to
        begin. ``restore``: it ticks, knows nothing, and is to be told all that its predecessor knew.
        """
        self._settings = settings
        self._on_message = heard
        self._on_death = died
        self._on_replacement = replaces
        self._restore = restore
        self._child: MediaChild | None = None
        self._up = asyncio.Event()
        """The present media process ticks, or nobody need wait for it."""
        self._dead = asyncio.Event()
        self._ready = False
        self._heard_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._stamping: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """Of the media process."""
        return self._child.pid if self._child else None

    @property
    def is_ready(self) -> bool:
        """A media process runs that has been told all."""
        return self._ready

    async def start(self) -> None:
        """Start the first media process; after a failure :meth:`close` is still to be called.

        Raises:
            TimeoutError: it did not come up.
            OSError: there is no room for it.
        """
        allow_descriptors()
        # While any socket wants stamps the kernel stamps all that comes, so that datagrams that
        # wait for a media process tell when they came although their sockets did not ask then.
        self._stamping = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stamp_arrivals(self._stamping, wanted=True)
        await self._spawn()
        await asyncio.wait_for(self._up.wait(), START_SECONDS)
        self._begin()
        self._tasks = [asyncio.create_task(work()) for work in (self._supervise, self._watch)]

    async def close(self) -> None:
        """End the media process, which writes what it holds."""
        self._ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._child is not None:
            await self._child.wait()
            await asyncio.to_thread(salvage_arena, self._child.folder, self._spools)
            self._child = None
        if self._stamping is not None:
            self._stamping.close()

    def send(self, message: Mapping[str, Any], sockets: Sequence[socket.socket] = ()) -> None:
        """Send to the process if it is ready; one that is not gets all that counts when it is."""
        if self._ready and self._child is not None:
            self._child.send(message, sockets)

    async def _spawn(self) -> None:
        self._up.clear()
        self._dead.clear()
        self._heard_at = time.monotonic()
        self._child = await MediaChild.spawn(self._settings, self._heard, self._died)

    def _begin(self) -> None:
        if self._child is None:
            return
        self._restore(self._child)
        self._ready = True

    def _heard(self, message: Message) -> None:
        self._heard_at = time.monotonic()
        if "ready" in message:
            self._up.set()
        else:
            self._on_message(message)

    def _died(self, child: MediaChild) -> None:
        log.error("media_process_died", pid=child.pid)
        self._ready = False
        self._on_death()
        self._up.set()  # nobody waits for it any longer
        self._dead.set()

    async def _supervise(self) -> None:
        """Replace each media process that dies; ever later while they die young."""
        born, young = time.monotonic(), 0
        while True:
            await self._dead.wait()
            young = young + 1 if time.monotonic() - born < _YOUNG_SECONDS else 0
            await asyncio.sleep(RESTART_SECONDS[min(young, len(RESTART_SECONDS) - 1)])
            born = time.monotonic()
            try:
                await self._replace()
            except OSError as error:
                log.exception("media_process_not_started", error=str(error))
                self._dead.set()

    async def _replace(self) -> None:
        old, self._child = self._child, None
        self._on_replacement()
        if old is not None:
            old.kill()
            await old.wait()
        await asyncio.gather(self._spawn(), self._salvage(old))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._up.wait(), START_SECONDS)
        if self._dead.is_set():
            return
        if self._up.is_set():
            self._begin()
        else:
            self._kill()

    async def _watch(self) -> None:
        """Kill a media process that hangs; its death is then handled as any other."""
        while True:
            await asyncio.sleep(1)
            if self._ready and time.monotonic() - self._heard_at > SILENT_SECONDS:
                log.error("media_process_hangs")
                self._kill()

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    async def _salvage(self, old: MediaChild | None) -> None:
        if old is None:
            return
        try:
            await asyncio.to_thread(salvage_arena, old.folder, self._spools)
        except OSError as error:
            # The arena is kept; the salvage at the next start of the server tries again.
            log.exception("salvage_failed", error=str(error))

    @property
    def _spools(self) -> Path:
        return self._settings.data.absolute() / "spool"
