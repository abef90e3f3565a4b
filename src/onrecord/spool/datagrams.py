"""The datagrams of many PACKETS records at once, for whoever folds a whole spool.

A record holds half a second of one track: taken one by one, what each record costs would be half of what
a fold costs.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.spool.format import ALIGNMENT, COUNTS, HEADER_BYTES, PACKETS, frame_at


class Datagrams(NamedTuple):
    """Columns for ``n`` datagrams of either track, in the order in which they were stored."""

    track: NDArray[np.uint8]
    """0 inbound, 1 outbound."""
    arrival_ns: NDArray[np.int64]
    """Monotonic, of the tick that read the datagram."""
    start: NDArray[np.int64]
    """Offset of each datagram in ``arena``; ascending."""
    size: NDArray[np.int64]
    """Its bytes."""
    arena: NDArray[np.uint8]
    """What was read of the spool."""


Head = tuple[int, int, int, int, int]
"""Of one whole PACKETS record: its offset, track, count and pitch, and where the next record starts."""


def datagrams_at(piece: bytes, offset: int) -> tuple[Datagrams, int] | None:
    """The datagrams of all PACKETS records that follow on one another, and where they end.

    Args:
        piece: A part of a spool that begins at a multiple of 8; ``arena`` is a view of it.
        offset: Where the first of the records starts.

    Returns:
        None if there is no whole PACKETS record at ``offset``. Never raises on content.
    """
    view, heads = memoryview(piece), []
    while (head := _head(view, offset)) is not None:
        heads.append(head)
        offset = head[-1]
    if not heads:
        return None
    return _gathered(piece, heads)


def _head(piece: memoryview, offset: int) -> Head | None:
    frame = frame_at(piece, offset)
    if frame is None or frame.kind != PACKETS or frame.end - frame.start < COUNTS.size:
        return None
    n, pitch = COUNTS.unpack_from(piece, frame.start)
    if COUNTS.size + 8 * n + 2 * n + (-2 * n) % ALIGNMENT + n * pitch != frame.end - frame.start:
        return None
    return offset, frame.track, n, pitch, frame.next


def _gathered(piece: bytes, heads: list[Head]) -> tuple[Datagrams, int] | None:
    offset, track, n, pitch, end = np.array(heads, np.int64).T
    first = np.cumsum(n) - n
    row = np.arange(first[-1] + n[-1]) - np.repeat(first, n)
    arrival_at = offset + HEADER_BYTES + COUNTS.size
    size_at = arrival_at + 8 * n
    rows_at = size_at + 2 * n + (-2 * n) % ALIGNMENT
    pitches = np.repeat(pitch, n)
    size = _words(piece, "<u2").take(np.repeat(size_at // 2, n) + row).astype(np.int64)
    long = size > pitches
    if long.any():
        # The record that says so is none, whatever its checksum.
        whole = int(np.searchsorted(first, np.argmax(long), side="right")) - 1
        return _gathered(piece, heads[:whole]) if whole else None
    columns = Datagrams(
        np.repeat(track, n).astype(np.uint8),
        _words(piece, "<i8").take(np.repeat(arrival_at // 8, n) + row).astype(np.int64, copy=False),
        np.repeat(rows_at, n) + row * pitches,
        size,
        np.frombuffer(piece, np.uint8),
    )
    return columns, int(end[-1])


def _words(piece: bytes, kind: str) -> NDArray[np.generic]:
    """The piece as whole words."""
    word = np.dtype(kind)
    return np.frombuffer(piece, word, len(piece) // word.itemsize)
