"""The fold: what the arena holds goes to statistics and, as facts, to the spools it belongs to.

It decides nothing about audio. A datagram that is no RTP is counted and left out.
"""

import errno
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from onrecord.media.arena import (
    PITCH,
    SIZE_MASK,
    SLOT_BYTES,
    STREAM_SHIFT,
    Arena,
    ArenaView,
    Rows,
)
from onrecord.rtp.header import RtpHeaders, parse_headers
from onrecord.rtp.reception import Batch, ReceptionTable
from onrecord.spool.format import INBOUND, OUTBOUND, encode_fact, encode_packets
from onrecord.spool.writer import SpoolWriter

JOURNAL_NAME = "streams"
MAX_STREAMS = 1 << 16

_JOURNAL_LIMIT = 10_000
"""Lines after which the journal is written anew."""
_LONGEST_EVENT = 64
"""Bytes of a datagram with telephone-events (RFC 4733 §2.3), extensions and SRTP's tag included."""
_MOST_EVENT_TYPES = 2
"""A leg may announce telephone-events once for each clock rate of its codecs."""
_NO_TYPE = 255
"""No packet has this payload type."""
_RTCP_TYPES = range(72, 77)
"""RTCP sent to the RTP port reads as these payload types (RFC 5761 §4)."""

log = structlog.get_logger()


def tracks_of(track: str) -> tuple[int, ...]:
    """Which tracks a recording of ``both``, ``inbound`` or ``outbound`` keeps."""
    return {"both": (INBOUND, OUTBOUND), "inbound": (INBOUND,), "outbound": (OUTBOUND,)}[track]


@dataclass(slots=True)
class Recording:
    """A recording that is being captured."""

    id: str
    leg_index: int
    tracks: tuple[int, ...]
    writer: SpoolWriter
    started_ns: int
    failed: bool = False
    """The last write did not succeed: reported once per run of failures."""
    paused: bool = False
    """Nothing of its streams is kept."""
    live: bool = False
    """Somebody follows its spool while it grows."""
    quiet: bool = True
    """Nothing was written since the last :meth:`Capture.fold_live`."""

    @property
    def streams(self) -> Iterator[tuple[int, int]]:
        """Each stream that it keeps, with its track."""
        return ((2 * self.leg_index + track, track) for track in self.tracks)


@dataclass(frozen=True, slots=True)
class Block:
    """The datagrams of one stream in a fold; arrays as in :class:`onrecord.spool.format.Packets`."""

    stream: int
    arrival_ns: NDArray[np.int64]
    size: NDArray[np.uint16]
    data: NDArray[np.uint8]


def read_headers(view: ArenaView, rows: Rows) -> RtpHeaders:
    """The RTP headers of the rows; ``valid`` is False too for RTCP and what may be cut off."""
    headers = parse_headers(view.flat, rows.slot * PITCH, rows.size.astype(np.int64))
    kinds = headers.payload_type
    keep = (kinds < _RTCP_TYPES.start) | (kinds >= _RTCP_TYPES.stop) | ~headers.marker
    return headers._replace(valid=headers.valid & keep & (rows.size < SLOT_BYTES))


def blocks(view: ArenaView, rows: Rows) -> Iterator[Block]:
    """The rows' datagrams, copied out of the arena, by stream and within it as they arrived.

    ``rows`` must be sorted by stream.
    """
    if not len(rows.slot):
        return
    (first,) = np.concatenate([[True], rows.stream[1:] != rows.stream[:-1]]).nonzero()
    # To a multiple of four, which leaves 172 bytes, the usual packet, as they are.
    width = (np.maximum.reduceat(rows.size, first).astype(np.int64) + 3) // 4 * 4
    data = view.slots[:, : int(width.max())][rows.slot]
    bounds = [*first.tolist(), len(rows.slot)]
    widths, streams = width.tolist(), rows.stream[first].tolist()
    for index, stream in enumerate(streams):
        part = slice(bounds[index], bounds[index + 1])
        yield Block(stream, rows.arrival_ns[part], rows.size[part], data[part, : widths[index]])


@dataclass(slots=True)
class Counts:
    """What happened to datagrams since the process began."""

    received: int = 0
    """Valid RTP."""
    written: int = 0
    """Rows written to spools; one row may go to several."""
    folds: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """By reason: ``oversize``, ``not_rtp``, ``foreign``, ``early``, ``storage``, ``send``, ``codec``."""


class Kept(NamedTuple):
    """Where the datagrams of a stream belong."""

    since_ns: int
    """Those that arrived later than this do; monotonic."""
    spools: list[tuple[str, int]]
    """Path of each spool, and the track that the stream is in it."""


class Journal:
    """Which spools each stream belongs to, kept beside the arena for the salvage."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL_NAME
        self._current: dict[int, Kept] = {}
        self._lines = 0
        self._fd = self._open(self._path)

    def put(self, stream: int, kept: Kept) -> None:
        """From now on the stream's datagrams are kept like this."""
        if kept.spools:
            self._current[stream] = kept
        else:
            self._current.pop(stream, None)
        try:
            if self._lines >= _JOURNAL_LIMIT + len(self._current):
                self._rewrite()
            else:
                _write_whole(self._fd, _line(stream, kept))
                self._lines += 1
        except OSError as error:
            # Only a salvage needs it, so capture goes on; the next entry writes all of it anew.
            log.warning("journal_not_written", error=str(error))
            self._lines = _JOURNAL_LIMIT + MAX_STREAMS

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _rewrite(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fd = self._open(fresh)
        try:
            _write_whole(fd, b"".join(_line(*entry) for entry in self._current.items()))
            fresh.rename(self._path)
        except OSError:
            os.close(fd)
            raise
        os.close(self._fd)
        self._fd, self._lines = fd, len(self._current)

    @staticmethod
    def _open(path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)


def _write_whole(fd: int, data: bytes) -> None:
    if os.write(fd, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _line(stream: int, kept: Kept) -> bytes:
    return json.dumps([stream, kept.since_ns, kept.spools]).encode() + b"\n"


def read_journal(folder: Path) -> dict[int, Kept]:
    """How each stream was kept when the process ended; a torn last line is passed over."""
    found: dict[int, Kept] = {}
    for line in (folder / JOURNAL_NAME).read_bytes().splitlines():
        try:
            stream, since_ns, spools = json.loads(line)
        except ValueError:
            continue
        found[stream] = Kept(since_ns, [(path, track) for path, track in spools])
    return found


class Capture:
    """Owns the arena's content, the open spools and the reception statistics."""

    def __init__(self, folder: Path) -> None:
        """Make arena and journal in ``folder``.

        Raises:
            OSError: they cannot be made.
        """
        self.arena = Arena(folder)
        self.counts = Counts()
        self.reception = ReceptionTable(MAX_STREAMS // 2)
        self.recordings: dict[str, Recording] = {}
        self.digit_heard: Callable[[int, int, int, bytes], None] = lambda *_: None
        """Called with leg index, SSRC, timestamp and payload of each telephone-event received."""
        self._journal = Journal(folder)
        self._event_types = np.full((MAX_STREAMS, _MOST_EVENT_TYPES), _NO_TYPE, np.uint8)
        self._listened = 0
        self._by_stream: dict[int, list[tuple[Recording, int]]] = {}
        self._recorded = np.zeros(MAX_STREAMS, np.bool_)
        self._since = np.zeros(MAX_STREAMS, np.int64)
        self._of_leg: defaultdict[int, list[Recording]] = defaultdict(list)
        self._live: dict[str, Recording] = {}
        self._is_live = np.zeros(MAX_STREAMS, np.bool_)

    def listen_for(self, leg_index: int, payload_types: Sequence[int]) -> None:
        """Tell the telephone-events that the leg receives under these payload types from now on."""
        chosen = [*payload_types, *[_NO_TYPE] * _MOST_EVENT_TYPES][:_MOST_EVENT_TYPES]
        self._event_types[2 * leg_index + INBOUND] = chosen

    def listen(self) -> None:
        """Fold the legs that have received telephone-events since the last time: a digit cannot wait."""
        arena = self.arena
        first, self._listened = self._listened, arena.used
        held = arena.view.meta[first : arena.used]
        size = held & SIZE_MASK
        # Audio is longer: its slots, which are out of the processor's caches by now, are not looked at.
        (slot,) = ((size > 0) & (size <= _LONGEST_EVENT)).nonzero()
        if not len(slot):
            return
        stream = held[slot] >> STREAM_SHIFT
        kinds = arena.view.flat[(slot + first) * PITCH + 1] & 0x7F
        events = self._are_events(stream, kinds)
        if events.any():
            for leg_index in np.unique(stream[events] >> 1).tolist():
                self.fold_leg(leg_index)

    def is_recorded(self, stream: int) -> bool:
        """Whether a recording keeps the stream."""
        return stream in self._by_stream

    def start(
        self, recording: Recording, kind: str, fact: Mapping[str, object], since_ns: int
    ) -> None:
        """Keep what its streams receive after ``since_ns``; the fact says so in its spool.

        Raises:
            OSError: the fact could not be written; nothing is kept.
        """
        records = [encode_fact(kind, recording.started_ns, fact)]
        if kind == "media_replaced":
            # The process before may have died between a pause, or a resume, and its answer.
            state = "pause" if recording.paused else "resume"
            records.append(encode_fact(state, recording.started_ns, {}))
        recording.writer.append(b"".join(records))
        self.recordings[recording.id] = recording
        self._of_leg[recording.leg_index].append(recording)
        if recording.live:
            self._live[recording.id] = recording
        if not recording.paused:
            self._attach(recording, since_ns)

    def pause(self, recording: Recording, at_ns: int) -> None:
        """Keep nothing of its streams from now on; a fact says so.

        Raises:
            OSError: the fact could not be written; the recording goes on.
        """
        self.fold_leg(recording.leg_index)
        recording.writer.append(encode_fact("pause", at_ns, {}))
        recording.paused = True
        self._detach(recording)

    def resume(self, recording: Recording, at_ns: int) -> None:
        """Keep its streams again from now on; a fact says so.

        Raises:
            OSError: the fact could not be written; the recording stays paused.
        """
        recording.writer.append(encode_fact("resume", at_ns, {}))
        recording.paused = False
        self._attach(recording, at_ns)

    def stop(self, recording: Recording, at_ns: int, reason: str) -> None:
        """Write what is left of it and a stop fact, and close its spool.

        Raises:
            OSError: the fact could not be written; the recording has ended all the same.
        """
        self.fold_leg(recording.leg_index)
        del self.recordings[recording.id]
        self._of_leg[recording.leg_index].remove(recording)
        self._live.pop(recording.id, None)
        if not recording.paused:
            self._detach(recording)
        try:
            recording.writer.append(encode_fact("stop", at_ns, {"reason": reason}))
        finally:
            recording.writer.close()

    def note(self, leg_index: int, kind: str, at_ns: int, fact: Mapping[str, object]) -> None:
        """Write a fact to every recording of a leg, behind what it received before."""
        recordings = self.of_leg(leg_index)
        if not recordings:
            return
        self.fold_leg(leg_index)
        record = encode_fact(kind, at_ns, fact)
        for recording in recordings:
            self._append(recording, [record], 0)

    def tell(self, recording: Recording, kind: str, at_ns: int, fact: Mapping[str, object]) -> None:
        """Write a fact to one recording."""
        self._append(recording, [encode_fact(kind, at_ns, fact)], 0)

    def of_leg(self, leg_index: int) -> list[Recording]:
        """The recordings of a leg."""
        return list(self._of_leg.get(leg_index, ()))

    def fold(self) -> None:
        """Move everything out of the arena."""
        rows = self.arena.rows()
        self._take(rows)
        self.arena.reset()
        self._listened = 0
        self.counts.folds += 1

    def fold_live(self, now_ns: int) -> None:
        """Move out what is listened to; a spool that gets nothing of it is told the time.

        So whoever follows it can tell silence from what has not been written yet.
        """
        if not self._live:
            return
        rows = self.arena.rows()
        rows = rows.only(self._is_live[rows.stream])
        self._take(rows)
        self.arena.forget(rows)
        for recording in self._live.values():
            if recording.quiet and not recording.paused:
                self._append(recording, [encode_fact("clock", now_ns)], 0)
            recording.quiet = True

    def fold_leg(self, leg_index: int) -> None:
        """Move one leg's rows out, so that what changes now does not touch what came before."""
        rows = self.arena.rows_of(leg_index)
        self._take(rows)
        self.arena.forget(rows)

    def close(self) -> None:
        """Fold, and close every file; no fact says that the recordings ended."""
        self.fold()
        for recording in self.recordings.values():
            recording.writer.close()
        self._journal.close()

    def _take(self, rows: Rows) -> None:
        if not len(rows.slot):
            return
        rows = rows.only(np.argsort(rows.stream, kind="stable"))
        headers = read_headers(self.arena.view, rows)
        self._count(rows, headers)
        self._tell_digits(rows, headers)
        kept = self._recorded[rows.stream] & (rows.arrival_ns > self._since[rows.stream])
        self._write(rows.only(headers.valid & kept))

    def _count(self, rows: Rows, headers: RtpHeaders) -> None:
        inbound = (rows.stream & 1) == INBOUND
        received = headers.valid & inbound
        oversize = int(np.count_nonzero(rows.size >= SLOT_BYTES))
        invalid = int(np.count_nonzero(~headers.valid)) - oversize
        self.counts.received += int(np.count_nonzero(received))
        self.counts.dropped.update(oversize=oversize, not_rtp=invalid)
        batch = Batch(
            stream=rows.stream[received] >> 1,
            ssrc=headers.ssrc[received],
            sequence=headers.sequence[received],
            timestamp=headers.timestamp[received],
            arrival_ns=rows.arrival_ns[received],
        )
        self.reception.update(batch)

    def _are_events(
        self, stream: NDArray[np.integer], payload_type: NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        kinds = self._event_types[stream]
        fits: NDArray[np.bool_] = (kinds[:, 0] == payload_type) | (kinds[:, 1] == payload_type)
        return fits

    def _tell_digits(self, rows: Rows, headers: RtpHeaders) -> None:
        events = headers.valid & self._are_events(rows.stream, headers.payload_type)
        for row in events.nonzero()[0].tolist():
            at, size = int(headers.payload_start[row]), int(headers.payload_bytes[row])
            self.digit_heard(
                int(rows.stream[row]) >> 1,
                int(headers.ssrc[row]),
                int(headers.timestamp[row]),
                self.arena.view.flat[at : at + size].tobytes(),
            )

    def _write(self, rows: Rows) -> None:
        """One write per recording: both tracks of a leg are neighbours in the sorted rows."""
        waiting: dict[str, tuple[Recording, list[bytes], int]] = {}
        for block in blocks(self.arena.view, rows):
            encoded: dict[int, bytes] = {}
            for recording, track in self._by_stream[block.stream]:
                if track not in encoded:
                    encoded[track] = encode_packets(track, block.arrival_ns, block.size, block.data)
                _, records, n = waiting.get(recording.id, (recording, [], 0))
                records.append(encoded[track])
                waiting[recording.id] = (recording, records, n + len(block.size))
        for recording, records, n in waiting.values():
            self._append(recording, records, n)

    def _append(self, recording: Recording, records: list[bytes], rows: int) -> None:
        try:
            recording.writer.append(b"".join(records))
        except OSError as error:
            self.counts.dropped["storage"] += rows
            if not recording.failed:
                log.exception("spool_write_failed", recording_id=recording.id, error=str(error))
            recording.failed = True
        else:
            self.counts.written += rows
            recording.failed = recording.quiet = False

    def _attach(self, recording: Recording, since_ns: int) -> None:
        if any(stream in self._by_stream for stream, _ in recording.streams):
            self.fold_leg(recording.leg_index)  # what is of the others alone
        for stream, track in recording.streams:
            if stream not in self._by_stream:
                self._since[stream] = since_ns
            self._by_stream.setdefault(stream, []).append((recording, track))
            self._changed(stream)

    def _detach(self, recording: Recording) -> None:
        for stream, track in recording.streams:
            self._by_stream[stream].remove((recording, track))
            self._changed(stream)

    def _changed(self, stream: int) -> None:
        kept = self._by_stream.get(stream, [])
        if not kept:
            self._by_stream.pop(stream, None)
        self._recorded[stream] = bool(kept)
        self._is_live[stream] = any(recording.live for recording, _ in kept)
        spools = [(str(recording.writer.path), track) for recording, track in kept]
        self._journal.put(stream, Kept(int(self._since[stream]), spools))
