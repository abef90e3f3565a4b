"""Reads a spool: the records that are whole, in order, and where bytes are that are none."""

import mmap
from collections.abc import Iterator
from pathlib import Path

from onrecord.spool.format import Begin, Fact, Packets, Record, Torn, decode_records

__all__ = ["Begin", "Fact", "Packets", "Record", "SpoolRecords", "Torn", "read_records"]


class SpoolRecords:
    """One pass over a spool's records; ``torn`` grows while it is iterated."""

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self.torn: list[Torn] = []
        """Runs of bytes that are no whole record: the tail of a write that a crash cut off."""
        self._records = self._whole(data)

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        return next(self._records)

    def _whole(self, data: bytes | mmap.mmap) -> Iterator[Record]:
        for record in decode_records(data):
            if isinstance(record, Torn):
                self.torn.append(record)
            else:
                yield record


def read_records(source: Path | bytes) -> SpoolRecords:
    """An iterator over the whole records of a spool file, or of its bytes.

    What is no whole record is left out and noted in ``torn``; content never raises. A file is
    mapped, not copied: arrays of :class:`Packets` are views of the map, which they keep alive,
    and stay valid after the file's name is gone.

    Raises:
        OSError: the file cannot be read.
    """
    return SpoolRecords(source if isinstance(source, bytes) else _mapped(source))


def _mapped(path: Path) -> bytes | mmap.mmap:
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return b""  # an empty file cannot be mapped
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
