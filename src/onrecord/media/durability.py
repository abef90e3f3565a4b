"""Makes what was written durable once a second, beside the tick loop."""

import os
import threading
import time
from pathlib import Path

import structlog

from onrecord.media.sockets import sync_file_system

SYNC_SECONDS = 1.0

log = structlog.get_logger()


class Syncer:
    """A thread that calls ``syncfs``, which holds no interpreter lock while it waits for the disk."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        self._wanted = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="syncfs", daemon=True)
        self._thread.start()

    def want(self, wanted: bool) -> None:
        """Whether anything is being recorded."""
        if wanted:
            self._wanted.set()
        else:
            self._wanted.clear()

    def close(self) -> None:
        """End the thread after a sync that it is in."""
        self._ending.set()
        self._wanted.set()
        self._thread.join()
        os.close(self._fd)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wanted.wait()
            began = time.monotonic()
            try:
                sync_file_system(self._fd)
            except OSError as error:
                log.error("sync_failed", error=str(error))  # noqa: TRY400 - the disk's fault
            self._ending.wait(max(began + SYNC_SECONDS - time.monotonic(), 0.05))
