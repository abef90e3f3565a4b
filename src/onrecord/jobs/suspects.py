"""Jobs during which the worker process died: counted on disk before they run again.

A recording that kills its worker (a fault in a codec library, memory) must not do so for ever.
"""

import os
from pathlib import Path

MOST_DEATHS = 10


class DeathCount:
    """How often in a row the process died during one job; kept in a file of its own."""

    def __init__(self, folder: Path, job: str) -> None:
        self._folder = folder
        self._path = folder / f"{job}.deaths"

    def begin(self) -> bool:
        """Count one more run, durably. False: the process died too often, do not run it.

        Raises:
            OSError: the count cannot be written.
        """
        count = self._read() + 1
        if count >= MOST_DEATHS:
            return False
        part = self._path.with_suffix(".part")
        with part.open("w") as file:
            file.write(str(count))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)
        self._sync_folder()
        return True

    def end(self) -> None:
        """The process survived: forget the count."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> int:
        try:
            return int(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
