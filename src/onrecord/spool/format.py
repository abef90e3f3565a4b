"""The spool's bytes: records of facts, each with its own checksum. Pure: no files, no clocks.

A spool is a run of records; integers are little-endian; each record starts at a multiple of 8::

     0               2       3       4       5                       8
    +---------------+-------+-------+-------+-----------------------+
    | magic 0x5EC0  |version| kind  | track | reserved, zero        |
    +---------------+-------+-------+-------+-----------------------+
    | body_bytes u32                | crc32 u32                     |
    +-------------------------------+-------------------------------+
    | body, body_bytes long ...     | zero to 7 bytes of zero ...   |
    +-------------------------------+-------------------------------+

The CRC-32 (of zlib) covers the first 12 bytes and the body. Kinds:

=== ======= ===========================================================================
  1 BEGIN   JSON of a :class:`~onrecord.spool.header.SpoolHeader`; the first record
  2 PACKETS datagrams of one track, in order of arrival
  3 FACT    JSON object with ``kind`` and ``at_ns`` (monotonic) and what the kind adds
=== ======= ===========================================================================

The body of PACKETS (track 0 inbound, 1 outbound)::

    +-------------------------------+-------------------------------+
    | n u32                         | pitch u32                     |
    +-------------------------------+-------------------------------+
    | arrival_ns i64[n], monotonic                                  |
    +---------------------------------------------------------------+
    | size u16[n], then zeros to a multiple of 8                    |
    +---------------------------------------------------------------+
    | n rows of pitch bytes: the datagram, then anything            |
    +---------------------------------------------------------------+

A reader that meets bytes which are no whole record looks for the next whole one. So a writer
may go on after a torn write, and nothing that a crash left is ever cut off or written over.
"""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from mmap import mmap
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.spool.header import SpoolHeader

MAGIC = 0x5EC0
VERSION = 1
ALIGNMENT = 8
HEADER_BYTES = 16

BEGIN = 1
PACKETS = 2
FACT = 3

INBOUND = 0
OUTBOUND = 1

COUNTS = struct.Struct("<II")
"""n and pitch, with which the body of a PACKETS record begins."""

_HEADER = struct.Struct("<HBBBxxxII")
_MAGIC_BYTES = struct.pack("<H", MAGIC)
_COVERED_BYTES = 12
"""So many bytes of the header are covered by the checksum."""
_PADDING = tuple(bytes(n) for n in range(ALIGNMENT))


@dataclass(frozen=True, slots=True)
class Begin:
    """The first record: whose recording this is."""

    header: SpoolHeader


@dataclass(frozen=True, slots=True)
class Packets:
    """Datagrams of one track in order of arrival; the arrays are read-only views of the spool."""

    track: int
    """0 inbound, 1 outbound."""
    arrival_ns: NDArray[np.int64]
    """Monotonic, of the tick that read the datagram. Shape ``(n,)``."""
    size: NDArray[np.uint16]
    """Bytes of each datagram. Shape ``(n,)``."""
    data: NDArray[np.uint8]
    """Row ``i`` holds ``size[i]`` bytes of datagram, then bytes without meaning. ``(n, pitch)``."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to the recording."""

    kind: str
    """``start``, ``codecs``, ``hold``, ``resume_media``, ``pause``, ``resume``, ``beep``, ``media_replaced``, ``clock``,
    ``stop``."""
    at_ns: int
    """Monotonic."""
    data: Mapping[str, object]
    """What the kind adds."""


Record = Begin | Packets | Fact


class Frame(NamedTuple):
    """A whole record: one whose checksum is right."""

    kind: int
    track: int
    start: int
    """Offset of the body."""
    end: int
    """Behind the body."""
    next: int
    """Where the next record starts."""


@dataclass(frozen=True, slots=True)
class Torn:
    """Bytes that are no whole record."""

    offset: int
    size_bytes: int


def encode_begin(header: SpoolHeader) -> bytes:
    """A BEGIN record."""
    return _record(BEGIN, 0, json.dumps(asdict(header), separators=(",", ":")).encode())


def encode_fact(kind: str, at_ns: int, data: Mapping[str, object] | None = None) -> bytes:
    """A FACT record; ``data`` is what JSON can hold."""
    body = {**(data or {}), "kind": kind, "at_ns": at_ns}
    return _record(FACT, 0, json.dumps(body, separators=(",", ":")).encode())


def encode_packets(
    track: int,
    arrival_ns: NDArray[np.int64],
    size: NDArray[np.uint16],
    data: NDArray[np.uint8],
) -> bytes:
    """A PACKETS record; shapes as in :class:`Packets`, ``data`` C-contiguous or it is copied."""
    n, pitch = data.shape
    sizes = size.tobytes()
    body = (
        COUNTS.pack(n, pitch),
        arrival_ns.tobytes(),
        sizes,
        _PADDING[-len(sizes) % ALIGNMENT],
        data.tobytes(),
    )
    return _record(PACKETS, track, b"".join(body))


def _record(kind: int, track: int, body: bytes) -> bytes:
    covered = _HEADER.pack(MAGIC, VERSION, kind, track, len(body), 0)[:_COVERED_BYTES]
    crc = zlib.crc32(body, zlib.crc32(covered))
    return b"".join((covered, crc.to_bytes(4, "little"), body, _PADDING[-len(body) % ALIGNMENT]))


def decode_records(data: bytes | mmap) -> Iterator[Record | Torn]:
    """The records of a spool and, between them, what is no record; never raises on content.

    Args:
        data: A whole spool. Arrays of :class:`Packets` are views of it and keep it alive.
    """
    spool = memoryview(data)
    offset = 0
    while offset < len(spool):
        found = decode_at(spool, offset)
        if found is None:
            next_offset = next_record(data, offset + ALIGNMENT)
            yield Torn(offset, next_offset - offset)
        else:
            record, next_offset = found
            yield record
        offset = next_offset


def next_record(data: bytes | mmap, offset: int) -> int:
    """Where the next whole record starts at or after ``offset``, or the spool's end."""
    spool = memoryview(data)
    at = data.find(_MAGIC_BYTES, offset)
    while at >= 0:
        if at % ALIGNMENT == 0 and decode_at(spool, at) is not None:
            return at
        at = data.find(_MAGIC_BYTES, at + 1)
    return len(spool)


def record_bytes(head: bytes) -> int | None:
    """How long the record that begins with ``head`` says it is, padding included; None for no record."""
    if len(head) < HEADER_BYTES:
        return None
    magic, version, _, _, body_bytes, _ = _HEADER.unpack_from(head)
    if magic != MAGIC or version != VERSION:
        return None
    return HEADER_BYTES + int(body_bytes) + (-int(body_bytes)) % ALIGNMENT


def frame_at(spool: memoryview, offset: int) -> Frame | None:
    """The whole record at ``offset``, whatever its body; None when there is none."""
    start = offset + HEADER_BYTES
    if start > len(spool):
        return None
    magic, version, kind, track, body_bytes, crc = _HEADER.unpack_from(spool, offset)
    end = start + body_bytes
    padded_end = end + (-body_bytes) % ALIGNMENT
    if magic != MAGIC or version != VERSION or padded_end > len(spool):
        return None
    covered = zlib.crc32(spool[offset : offset + _COVERED_BYTES])
    if zlib.crc32(spool[start:end], covered) != crc:
        return None
    return Frame(kind, track, start, end, padded_end)


def decode_at(spool: memoryview, offset: int) -> tuple[Record, int] | None:
    """The record at ``offset`` and where the next one starts; None when there is no whole one."""
    frame = frame_at(spool, offset)
    if frame is None:
        return None
    record = _decode_body(frame.kind, frame.track, spool[frame.start : frame.end])
    return None if record is None else (record, frame.next)


def _decode_body(kind: int, track: int, body: memoryview) -> Record | None:
    if kind == PACKETS:
        return _decode_packets(track, body)
    try:
        value = json.loads(bytes(body))
        if kind == BEGIN:
            return Begin(_decode_header(value))
        if kind == FACT:
            rest = {k: v for k, v in value.items() if k not in {"kind", "at_ns"}}
            return Fact(str(value["kind"]), int(value["at_ns"]), rest)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return None


def _decode_header(value: Mapping[str, object]) -> SpoolHeader:
    """Keys that this version does not know are left out, so that it reads what a later one wrote."""
    known = {field.name for field in fields(SpoolHeader)}
    return SpoolHeader(**{k: v for k, v in value.items() if k in known})  # type: ignore[arg-type]


def _decode_packets(track: int, body: memoryview) -> Packets | None:
    if len(body) < COUNTS.size:
        return None
    n, pitch = COUNTS.unpack_from(body)
    sizes_at = COUNTS.size + 8 * n
    rows_at = sizes_at + 2 * n + (-2 * n) % ALIGNMENT
    if rows_at + n * pitch != len(body):
        return None
    size = np.frombuffer(body, np.dtype("<u2"), n, sizes_at)
    if n and int(np.maximum.reduce(size)) > pitch:
        return None
    arrival = np.frombuffer(body, np.dtype("<i8"), n, COUNTS.size)
    data = np.frombuffer(body, np.uint8, n * pitch, rows_at).reshape(n, pitch)
    return Packets(track, arrival, size, data)
