"""Reads a spool: the records that are whole, in order, and where bytes are that are none."""

import itertools
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from onrecord.spool.datagrams import Datagrams, datagrams_at
from onrecord.spool.format import (
    ALIGNMENT,
    Begin,
    Fact,
    Packets,
    Record,
    Torn,
    decode_at,
    decode_records,
    next_record,
    record_bytes,
)

__all__ = [
    "Begin",
    "Datagrams",
    "Fact",
    "Packets",
    "Record",
    "SpoolRecords",
    "SpoolTail",
    "Torn",
    "read_records",
]

PIECE_BYTES: Final = 1 << 20


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


class SpoolTail:
    """Reads a spool that may still grow, from its begin and then on from where it was.

    It is read a mebibyte at a time, not mapped: whatever its length, no more than what the caller
    holds on to is in memory. Arrays of :class:`Packets` are views of such a piece.
    """

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            OSError: the file cannot be read.
        """
        self.torn: list[Torn] = []
        """Runs of bytes that are no whole record and that whole ones follow, or the end."""
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._offset = 0

    def records(self, *, ended: bool) -> Iterator[Record]:
        """The whole records that were not given yet; content never raises.

        Args:
            ended: Nothing is written any more: bytes at the end that are no whole record are torn.
                Otherwise they are taken for a write that goes on, and looked at again the next time.

        Raises:
            OSError: the file cannot be read.
        """
        while piece := self._piece():
            view, at = memoryview(piece), 0
            while (found := decode_at(view, at)) is not None:
                self._offset += found[1] - at
                record, at = found
                yield record
            if not at and not self._pass_over(ended):
                return

    def batches(
        self, *, ended: bool, pieces: int | None = None
    ) -> Iterator[Begin | Fact | Datagrams]:
        """As :meth:`records`, with all packets between two other records, or of one piece, at once.

        No more than so many ``pieces``, if that is given: a mebibyte, or what there is.
        """
        for _ in itertools.count() if pieces is None else range(pieces):
            if not (piece := self._piece()):
                return
            view, at = memoryview(piece), 0
            while (found := datagrams_at(piece, at) or _other_at(view, at)) is not None:
                self._offset += found[1] - at
                record, at = found
                yield record
            if not at and not self._pass_over(ended):
                return

    def rewind(self) -> None:
        """Begin anew with the first record."""
        self._offset = 0
        self.torn.clear()

    def close(self) -> None:
        """Close the file, if it is open; what was read stays valid."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    @property
    def behind_bytes(self) -> int:
        """How much of the file, as it is now, was not given yet."""
        return self._size() - self._offset

    def _piece(self) -> bytes:
        """The next bytes: a mebibyte, or the whole of a longer record, or what there is."""
        piece = os.pread(self._fd, PIECE_BYTES, self._offset)
        wanted = record_bytes(piece) or 0
        if len(piece) < wanted <= self._size() - self._offset:
            return os.pread(self._fd, wanted, self._offset)
        return piece

    def _size(self) -> int:
        return os.fstat(self._fd).st_size

    def _pass_over(self, ended: bool) -> bool:
        """Go on behind bytes that are no record; False when there is nothing to go on with."""
        size = self._size()
        with mmap.mmap(self._fd, size, access=mmap.ACCESS_READ) as whole:
            found = next_record(whole, self._offset + ALIGNMENT)
        if found >= size and not ended:
            return False
        self.torn.append(Torn(self._offset, found - self._offset))
        self._offset = found
        return True


def _other_at(piece: memoryview, offset: int) -> tuple[Begin | Fact, int] | None:
    """The record at ``offset`` if it is not of packets, and where the next one starts."""
    found = decode_at(piece, offset)
    if found is None or isinstance(found[0], Packets):
        return None
    return found[0], found[1]
