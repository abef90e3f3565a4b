"""Writes a spool: made whole or not at all, then only ever appended to."""

import os
from pathlib import Path

from onrecord.spool.format import ALIGNMENT, encode_begin
from onrecord.spool.header import SpoolHeader


def create_spool(path: Path, header: SpoolHeader) -> None:
    """Make the file with its BEGIN record; it is durable only after :func:`sync_spool`.

    Raises:
        FileExistsError: the recording has a spool already.
        OSError: it could not be written; no file is left behind.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        _write_whole(fd, encode_begin(header))
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(fd)


def sync_spool(path: Path) -> None:
    """Make the file and its name durable; blocks for the disk.

    Raises:
        OSError: the disk refused.
    """
    for target in (path, path.parent):
        fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class SpoolWriter:
    """Appends records to a spool that exists, each call in one write.

    A write that the disk cuts short is taken back, so that the file always ends with a whole
    record. A tail that a crash tore is left as it is: records go on behind it, at the next
    multiple of 8, and the reader passes over it.
    """

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            OSError: the file is missing or cannot be written.
        """
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._end = os.fstat(self._fd).st_size
        if self._end % ALIGNMENT:
            self.append(bytes(-self._end % ALIGNMENT))

    def append(self, records: bytes) -> None:
        """Write whole records, already encoded, one after another.

        Raises:
            OSError: nothing of ``records`` is in the file.
        """
        try:
            _write_whole(self._fd, records)
        except OSError:
            os.ftruncate(self._fd, self._end)
            raise
        self._end += len(records)

    def close(self) -> None:
        """Close the file; it is not synced."""
        os.close(self._fd)


def _write_whole(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])
