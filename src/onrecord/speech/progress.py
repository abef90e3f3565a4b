"""Progress of a transcription in a file beside the recording.

The file has one JSON list ``[key, value]`` a line; a later line counts over an earlier one with its key. A last
line that a crash cut off is ignored and written over.
"""

import json
import os
from pathlib import Path
from typing import Any


class FileProgress:
    """Satisfies ``speech.engines.Progress``. One writer at a time.

    Args:
        path: The file; it need not be there, its folder must.

    Raises:
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved: dict[str, Any] = {}
        self._whole = 0
        if path.exists():
            self._read(path.read_bytes())

    def load(self, key: str) -> Any | None:
        """What was saved under the key last; None for nothing."""
        return self._saved.get(key)

    def save(self, key: str, value: Any) -> None:
        """Append and sync.

        Raises:
            OSError: the disk refused.
        """
        line = json.dumps([key, value], ensure_ascii=False).encode() + b"\n"
        with self._path.open("r+b" if self._path.exists() else "w+b") as file:
            file.truncate(self._whole)
            file.seek(self._whole)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._whole += len(line)
        self._saved[key] = value

    def discard(self) -> None:
        """Remove the file, once the transcript is stored."""
        self._path.unlink(missing_ok=True)
        self._saved, self._whole = {}, 0

    def _read(self, content: bytes) -> None:
        for line in content.splitlines(keepends=True):
            try:
                key, value = json.loads(line)
            except ValueError:
                return
            if not line.endswith(b"\n"):
                return
            self._saved[key] = value
            self._whole += len(line)
