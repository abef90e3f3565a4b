"""The arena: a mapped file that the kernel writes received datagrams into, and their columns.

Because the file is mapped and shared, whatever a SIGKILL interrupts, the datagrams that had been
received are in the file: :mod:`onrecord.media.salvage` takes them from there. Only a datagram
whose ``recv`` had not yet returned can be missing: it has left the socket and has no size yet.
Little-endian::

    0         header, 4096 bytes: magic, version, capacity, pitch, slot bytes, ticks (u32 each)
    4096      meta u32[capacity]      stream << 16 | size of the datagram in that slot; 0 = none
    ...       tick_at i64[ticks]      monotonic time of each sweep that is in the arena
    ...       tick_first u32[ticks]   first slot that the sweep fills
    ...       count u32, pad u32      how many sweeps there are
    ...       data, capacity * pitch + slot bytes

Slots begin every PITCH bytes, which is what a 20 ms G.711 packet takes, but each may be written
SLOT_BYTES far: a larger datagram runs into the slots behind it, and the next one is put behind
that. So memory is as dense as with small slots and an Ethernet frame's datagram still fits.
A datagram of SLOT_BYTES may have been cut off: the fold counts it as oversize.
"""

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

PITCH = 192
SLOT_BYTES = 1536
CAPACITY = 65_536
TICKS = 16_384
TICK_MARGIN = 1024
"""So many marks fit whenever :meth:`Arena.has_room` says so."""
STREAM_SHIFT = 16
LEG_SHIFT = STREAM_SHIFT + 1
"""A leg has two streams, which are neighbours."""
SIZE_MASK = 0xFFFF
FILE_NAME = "arena"

_MAGIC = 0x4152_4E41
_VERSION = 1
_HEADER = struct.Struct("<6I")
_HEADER_BYTES = 4096
_GROW = 4096


class ArenaError(Exception):
    """The file is no arena of this version."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Datagrams of an arena in the order of receipt; columns of shape ``(n,)``."""

    slot: NDArray[np.int64]
    stream: NDArray[np.int64]
    size: NDArray[np.uint16]
    arrival_ns: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "Rows":
        """The rows that a mask or an index chooses."""
        return Rows(
            self.slot[chosen], self.stream[chosen], self.size[chosen], self.arrival_ns[chosen]
        )


@dataclass(frozen=True, slots=True)
class _Layout:
    """Offsets of an arena's columns, bytes."""

    capacity: int
    ticks: int

    @property
    def meta(self) -> int:
        return _HEADER_BYTES

    @property
    def tick_at(self) -> int:
        return self.meta + 4 * self.capacity

    @property
    def tick_first(self) -> int:
        return self.tick_at + 8 * self.ticks

    @property
    def count(self) -> int:
        return self.tick_first + 4 * self.ticks

    @property
    def data(self) -> int:
        return self.count + 8

    @property
    def total(self) -> int:
        return self.data + self.capacity * PITCH + SLOT_BYTES


class ArenaView:
    """Numpy views of an arena's columns, live or left behind."""

    def __init__(self, buffer: mmap.mmap | bytes) -> None:
        """Look at an arena.

        Raises:
            ArenaError: it is none, or of another version.
        """
        if len(buffer) < _HEADER_BYTES:
            raise ArenaError("too short")
        magic, version, capacity, pitch, slot_bytes, ticks = _HEADER.unpack_from(buffer)
        layout = _Layout(capacity, ticks)
        known = (_MAGIC, _VERSION, PITCH, SLOT_BYTES, len(buffer))
        if (magic, version, pitch, slot_bytes, layout.total) != known:
            raise ArenaError("not an arena of this version")
        self.layout = layout
        self.meta = np.frombuffer(buffer, np.uint32, capacity, layout.meta)
        self._tick_at = np.frombuffer(buffer, np.int64, ticks, layout.tick_at)
        self._tick_first = np.frombuffer(buffer, np.uint32, ticks, layout.tick_first)
        self._count = np.frombuffer(buffer, np.uint32, 1, layout.count)
        self.flat = np.frombuffer(buffer, np.uint8, capacity * PITCH + SLOT_BYTES, layout.data)
        self.slots = as_strided(self.flat, (capacity, SLOT_BYTES), (PITCH, 1), writeable=False)
        """Row ``i`` is what slot ``i`` may hold; rows overlap. Shape ``(capacity, SLOT_BYTES)``."""

    def rows(self, used: int | None = None) -> Rows:
        """The datagrams in the first ``used`` slots, by default in all."""
        return self._rows(self.meta[:used].nonzero()[0])

    def rows_of(self, leg_index: int, used: int) -> Rows:
        """Those of both streams of one leg."""
        meta = self.meta[:used]
        return self._rows(((meta >> LEG_SHIFT == leg_index) & (meta != 0)).nonzero()[0])

    def _rows(self, slot: NDArray[np.int64]) -> Rows:
        held = self.meta[slot]
        count = int(self._count[0])
        sweep = np.searchsorted(self._tick_first[:count], slot, side="right") - 1
        arrival = self._tick_at[sweep] if count else np.zeros(len(slot), np.int64)
        size = (held & SIZE_MASK).astype(np.uint16)
        return Rows(slot, (held >> STREAM_SHIFT).astype(np.int64), size, arrival)


class Arena:
    """A live arena, filled from the first slot on and emptied by the fold.

    The receive loop uses ``slots``, ``meta`` and ``used`` directly: it writes a datagram into
    ``slots[used]``, then ``meta[used]``, which makes it count, and moves ``used`` on.
    """

    def __init__(self, folder: Path) -> None:
        """Make the file in ``folder``, which must not have one.

        Raises:
            OSError: it cannot be made, or the disk has no room for it.
        """
        layout = _Layout(CAPACITY, TICKS)
        fd = os.open(folder / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            # A hole would be filled on a page fault, which a full disk answers with SIGBUS.
            os.posix_fallocate(fd, 0, layout.total)
            self._map = mmap.mmap(fd, layout.total)
        finally:
            os.close(fd)
        header = (_MAGIC, _VERSION, CAPACITY, PITCH, SLOT_BYTES, TICKS)
        _HEADER.pack_into(self._map, 0, *header)
        self.view = ArenaView(self._map)
        self.used = 0
        whole = memoryview(self._map)
        self._data = whole[layout.data :]
        self.meta = whole[layout.meta : layout.tick_at].cast("I")
        self._tick_at = whole[layout.tick_at : layout.tick_first].cast("q")
        self._tick_first = whole[layout.tick_first : layout.count].cast("I")
        self._count = whole[layout.count : layout.data].cast("I")
        self.slots: list[memoryview] = []
        self._grow()

    def has_room(self, slots: int) -> bool:
        """Whether ``slots`` small or ``slots / 8`` large datagrams fit; makes their views."""
        while self.used + slots > len(self.slots) and len(self.slots) < CAPACITY:
            self._grow()
        return self.used + slots <= len(self.slots) and self._count[0] <= TICKS - TICK_MARGIN

    def mark(self, now_ns: int) -> None:
        """What is received from here on arrived at ``now_ns``."""
        self.mark_slot(self.used, now_ns)

    def mark_slot(self, slot: int, at_ns: int) -> None:
        """What is in ``slot`` and behind it arrived at ``at_ns``; slots must not go back."""
        count = self._count[0]
        if count and self._tick_first[count - 1] == slot:
            count -= 1
        self._tick_first[count] = slot
        self._tick_at[count] = at_ns
        self._count[0] = count + 1

    def put(self, key: int, datagram: bytes) -> None:
        """Add a datagram that was not received into a slot: one that is sent."""
        size = len(datagram)
        self.slots[self.used][:size] = datagram
        self.took(key, size)

    def took(self, key: int, size: int) -> None:
        """The slot at ``used`` holds a datagram of ``size`` bytes of stream ``key >> 16``."""
        self.meta[self.used] = key | size
        self.used += 1 if size <= PITCH else -(-size // PITCH)

    def rows(self) -> Rows:
        """All datagrams that no fold has taken."""
        return self.view.rows(self.used)

    def rows_of(self, leg_index: int) -> Rows:
        """Those of both streams of one leg."""
        return self.view.rows_of(leg_index, self.used)

    def forget(self, rows: Rows) -> None:
        """Take rows out; what they held is in the spools."""
        self.view.meta[rows.slot] = 0

    def reset(self) -> None:
        """Empty it."""
        self.view.meta[: self.used] = 0
        self._count[0] = 0
        self.used = 0

    def _grow(self) -> None:
        # Views are made when they are first needed: an idle process stays small.
        first = len(self.slots)
        starts = range(first * PITCH, (first + _GROW) * PITCH, PITCH)
        self.slots.extend(self._data[start : start + SLOT_BYTES] for start in starts)
