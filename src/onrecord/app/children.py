"""Child processes of the control process: they end with it, and are started anew when they die."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable

import structlog

from onrecord.app.figures import Figured
from onrecord.core.settings import Settings

log = structlog.get_logger()

FIRST_WAIT_SECS = 0.2
LONGEST_WAIT_SECS = 30.0
CALM_SECS = 60.0
STOP_SECS = 10.0


class Child:
    """One supervised role. Its standard input stays open as long as we live: end of file ends it."""

    def __init__(
        self,
        role: str,
        module: str,
        settings: Settings,
        public_url: str,
        *,
        on_start: Callable[["Child"], None] = lambda _: None,
        on_line: Callable[[bytes], None] | None = None,
    ) -> None:
        """``on_start``: called each time that it was started. ``on_line``: takes each line that it
        writes; without it those are its figures.
        """
        self.role = role
        self._on_start = on_start
        self._module = module
        first = {
            "settings": settings.model_dump(mode="json", exclude={"api_key"}),
            "public_url": public_url,
        }
        self._first_line = json.dumps(first).encode() + b"\n"
        self._figured = Figured()
        self._on_line = on_line or self._figured.take
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and keep it running until ``close``."""
        process = await self._spawn()
        self._watch = asyncio.create_task(self._supervise(process), name=f"supervise {self.role}")

    async def close(self) -> None:
        """Ask it to end, and end it by force after a while."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.communicate(), STOP_SECS)
        except TimeoutError:
            log.warning("child_not_ending", child=self.role)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def tell(self, line: str) -> None:
        """Write one line to its standard input; lost while it does not run."""
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing():
            return
        process.stdin.write(line.encode() + b"\n")

    @property
    def alive(self) -> bool:
        """Whether it runs at the moment."""
        return self._process is not None and self._process.returncode is None

    async def _spawn(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        # The arrays are small: threads of the linear algebra library would only wait for each other.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module, stdin=pipe, stdout=pipe, env=environment
        )
        if process.stdin is None:
            raise RuntimeError("a child without standard input cannot be told to end")
        process.stdin.write(self._first_line)
        # A child that died at once is seen by the supervision.
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()
        log.info("child_started", child=self.role, child_pid=process.pid)
        self._process = process
        self._on_start(self)
        return process

    async def _supervise(self, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        wait = FIRST_WAIT_SECS
        while True:
            began = loop.time()
            await self._follow(process)
            log.error("child_ended", child=self.role, code=await process.wait())
            if loop.time() - began > CALM_SECS:
                wait = FIRST_WAIT_SECS
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_SECS)
            process = await self._spawn()

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        self._figured.restart()
        while process.stdout is not None and (line := await process.stdout.readline()):
            self._on_line(line)
