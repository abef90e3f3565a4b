"""One run of the media process, seen from the control process: its socket, its folder, its end."""

import asyncio
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from onrecord.core.ids import new_uuid
from onrecord.core.settings import Settings
from onrecord.media.channel import Channel, Message
from onrecord.media.process import ProcessConfig

ARENA_FOLDER = "arena"
_EXIT_SECONDS = 5.0


class MediaChild:
    """A media process that runs, or has ended."""

    def __init__(
        self,
        program: subprocess.Popen[bytes],
        folder: Path,
        channel: Channel,
        on_message: Callable[[Message], None],
        on_end: Callable[["MediaChild"], None],
    ) -> None:
        self.folder = folder
        self.pid = program.pid
        self._program = program
        self._channel = channel
        self._on_message = on_message
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._writes = False
        self._gone = False
        self._loop.add_reader(channel.sock, self._read)

    @classmethod
    async def spawn(
        cls,
        settings: Settings,
        on_message: Callable[[Message], None],
        on_end: Callable[["MediaChild"], None],
    ) -> "MediaChild":
        """Start one. Its first message says that it is ready.

        Raises:
            OSError: there is no room for another process or its folder.
        """
        folder = settings.data.absolute() / ARENA_FOLDER / new_uuid()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            program = await asyncio.to_thread(_run, settings, folder, theirs)
        return cls(program, folder, Channel(ours), on_message, on_end)

    def send(self, message: Mapping[str, Any], sockets: Sequence[socket.socket] = ()) -> None:
        """Send, or keep until there is room; what is sent to a process that is gone is lost."""
        if self._gone:
            return
        try:
            self._channel.send(message, sockets)
        except ConnectionError:
            self._end()
            return
        self._watch_writes()

    def kill(self) -> None:
        """End it at once; its end is reported as any other."""
        self._program.kill()

    async def wait(self) -> None:
        """Until it has exited; one that does not is killed."""
        self._end(report=False)
        try:
            await asyncio.to_thread(self._program.wait, _EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._program.kill()
            await asyncio.to_thread(self._program.wait)

    def _read(self) -> None:
        try:
            while (received := self._channel.receive()) is not None:
                self._on_message(received[0])
        except EOFError:
            self._end()

    def _watch_writes(self) -> None:
        if self._channel.has_unsent and not self._writes:
            self._loop.add_writer(self._channel.sock, self._write)
        elif not self._channel.has_unsent and self._writes:
            self._loop.remove_writer(self._channel.sock)
        self._writes = self._channel.has_unsent

    def _write(self) -> None:
        try:
            self._channel.flush()
        except ConnectionError:
            self._end()
            return
        self._watch_writes()

    def _end(self, *, report: bool = True) -> None:
        """Close our end, which ends a process that still runs."""
        if self._gone:
            return
        self._gone = True
        self._loop.remove_reader(self._channel.sock)
        self._loop.remove_writer(self._channel.sock)
        self._channel.close()
        if report:
            self._on_end(self)


def _run(settings: Settings, folder: Path, control: socket.socket) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True)
    # The lock lives as long as the process that inherits it: no salvage touches a live arena.
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _start(settings, folder, control.fileno(), lock)
    finally:
        os.close(lock)


def _start(
    settings: Settings, folder: Path, control_fd: int, lock_fd: int
) -> subprocess.Popen[bytes]:
    config = ProcessConfig(
        control_fd=control_fd,
        folder=folder,
        data=settings.data.absolute(),
        tick_ms=settings.tick_ms,
        fold_ms=settings.fold_ms,
        idle_packet_ms=settings.idle_packet_ms,
        relearn_ms=round(settings.rtp_relearn_secs * 1000),
        log_level=settings.log_level,
        log_format=settings.log_format,
    )
    command = [sys.executable, "-m", "onrecord.media.process", *config.arguments()]
    # One thread each is all that numpy could use here; its pools would only take memory.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, pass_fds=[control_fd, lock_fd], env=environment)  # noqa: S603
