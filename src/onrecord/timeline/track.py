"""One track of a recording: its packets of one window, all the way to samples on the canvas."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.rtp.header import parse_headers
from onrecord.timeline.anchor import JUMP, Anchor, Run
from onrecord.timeline.deviations import Cause, Deviations, Tally
from onrecord.timeline.payloads import ALAW, COMFORT_NOISE, EVENT, UNKNOWN, kinds_of
from onrecord.timeline.placing import LONGEST_PAYLOAD, Canvas, Payloads
from onrecord.timeline.sequence import EPOCH, Integers, Point, first_of_each, unwrap

STREAMS_KEPT = 8
"""Sources of one track that are remembered; a ninth takes the place of the oldest."""
RESUMPTIONS_KEPT = 64


class Arrivals(NamedTuple):
    """Datagrams of one track in order of arrival."""

    arrival: Integers
    """Samples since the file's time zero. Shape ``(n,)``."""
    start: Integers
    """Offset of each datagram in ``arena``."""
    size: Integers
    arena: NDArray[np.uint8]


class _Columns(NamedTuple):
    """RTP packets in order of arrival, each column of shape ``(n,)``."""

    arrival: Integers
    sequence: NDArray[np.uint16]
    timestamp: NDArray[np.uint32]
    ssrc: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    start: Integers
    samples: Integers

    def rows(self, chosen: NDArray[np.generic]) -> "_Columns":
        return _Columns(*(column[chosen] for column in self))


class _Stream:
    """One source (SSRC) of a track."""

    def __init__(self, tally: Tally, cause: Cause) -> None:
        self.anchor = Anchor(tally, cause)
        self.last: Point | None = None
        self.top: int | None = None
        """The highest order that was counted."""
        self.known: Integers = np.empty(0, np.int64)
        """Orders of the window before: what a repeat would repeat."""


class Track:
    """The state of one track between windows."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.canvas = Canvas()
        self._streams: dict[int, _Stream] = {}
        self._kinds: list[tuple[int, NDArray[np.uint8]]] = [(0, kinds_of())]
        self._resumed: list[int] = []

    def announce(self, arrival: int, payload_types: object) -> None:
        """From ``arrival`` on, payload types mean this; see :func:`payloads.kinds_of`."""
        self._kinds.append((arrival, kinds_of(payload_types)))

    def resume(self, arrival: int) -> None:
        """What comes from ``arrival`` on is tied to arrival time anew."""
        self._resumed.append(arrival)

    def place(self, arrivals: Arrivals, cut: int) -> None:
        """Put the packets of one window on the canvas.

        Args:
            arrivals: Those of the window and, after them, those of the look-ahead.
            cut: The end of the window: what arrives from here on is only looked at.
        """
        columns = self._parse(arrivals, cut)
        self.canvas.reach(cut + JUMP + LONGEST_PAYLOAD)
        payloads = Payloads(arrivals.arena)
        for ssrc, rows in _by_source(columns.ssrc):
            mine = columns if rows is None else columns.rows(rows)
            if mine.arrival[0] < cut:
                self._place_stream(self._stream(ssrc), mine, payloads, cut)
        self._forget(cut)

    def report(self) -> Deviations:
        """The deviations so far."""
        return self.tally.report()

    def _parse(self, arrivals: Arrivals, cut: int) -> _Columns:
        headers = parse_headers(arrivals.arena, arrivals.start, arrivals.size)
        columns = _Columns(
            arrivals.arrival,
            headers.sequence,
            headers.timestamp,
            headers.ssrc,
            self._kind(arrivals.arrival, headers.payload_type),
            headers.payload_start,
            headers.payload_bytes,
        )
        good = headers.valid & (headers.payload_bytes <= LONGEST_PAYLOAD)
        if not good.all():
            self.tally.invalid += int((~good & (arrivals.arrival < cut)).sum())
            columns = columns.rows(good)
        columns.kind[columns.samples == 0] = UNKNOWN
        return columns

    def _kind(self, arrival: Integers, payload_type: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if len(self._kinds) == 1:
            return self._kinds[0][1][payload_type]
        since = np.array([moment for moment, _ in self._kinds])
        tables = np.stack([table for _, table in self._kinds])
        which = np.maximum(np.searchsorted(since, arrival, side="right") - 1, 0)
        return tables[which, payload_type]

    def _stream(self, ssrc: int) -> _Stream:
        stream = self._streams.pop(ssrc, None)
        if stream is None:
            stream = _Stream(self.tally, Cause.SSRC if self._streams else Cause.START)
            if len(self._streams) >= STREAMS_KEPT:
                del self._streams[next(iter(self._streams))]
        self._streams[ssrc] = stream
        return stream

    def _place_stream(
        self, stream: _Stream, columns: _Columns, payloads: Payloads, cut: int
    ) -> None:
        at_top = stream.last is None or stream.last.order == stream.top
        unwrapped = unwrap(columns.sequence, columns.timestamp, stream.last)
        order, media = unwrapped.order, unwrapped.media
        ours = int(np.searchsorted(columns.arrival, cut))
        numbers = (columns.sequence, columns.timestamp, order, media)
        stream.last = Point(*(int(column[ours - 1]) for column in numbers))
        placed = np.arange(len(order)) < ours
        if not (unwrapped.in_order and at_top):
            self._count_disorder(stream, order[:ours])
            first = np.flatnonzero(first_of_each(order, stream.known))
            rows = first[np.argsort(order[first], kind="stable")]
            columns, order, media, placed = _chosen(rows, columns, order, media, placed)
        stream.known = order[placed]
        self._count(stream, order[placed], columns.kind[placed])
        audio = columns.kind <= ALAW
        if not audio.all():
            columns, order, media, placed = _chosen(audio, columns, order, media, placed)
        if placed.any():
            arrival = columns.arrival
            run = Run(order, media, columns.samples, arrival, arrival - media, placed)
            self._write(stream, columns, run, payloads)

    def _count_disorder(self, stream: _Stream, order: Integers) -> None:
        first = first_of_each(order, stream.known)
        self.tally.duplicates += len(order) - int(first.sum())
        highest = np.maximum.accumulate(order)
        if stream.top is not None:
            np.maximum(highest, stream.top, out=highest)
        self.tally.reordered += int((first & (order < highest)).sum())

    def _count(self, stream: _Stream, order: Integers, kind: NDArray[np.uint8]) -> None:
        """Count packets, in order, and what is missing between them."""
        kinds = np.bincount(kind, minlength=UNKNOWN + 1).tolist()
        self.tally.packets += len(order)
        self.tally.audio_packets += kinds[0] + kinds[ALAW]
        self.tally.events += kinds[EVENT]
        self.tally.comfort_noise += kinds[COMFORT_NOISE]
        self.tally.unknown += kinds[UNKNOWN]
        if not len(order):
            return
        top = int(order[0]) - 1 if stream.top is None else stream.top
        new = order[order > top]
        steps = np.diff(new, prepend=top)
        self.tally.lost += int((steps[steps < EPOCH // 2] - 1).sum()) - (len(order) - len(new))
        stream.top = max(top, int(order[-1]))

    def _write(self, stream: _Stream, columns: _Columns, run: Run, payloads: Payloads) -> None:
        """Place one stream's audio, which is in order of sequence."""
        last = stream.anchor.last_order
        late = 0 if last is None else int(np.searchsorted(run.order, last, side="right"))
        place = run.media.copy()
        place[:late] = stream.anchor.places_of_late(run.order[:late], run.media[:late])

        def loudness(first: int, end: int) -> NDArray[np.float32]:
            rows = slice(late + first, late + end)
            return payloads.loudness(columns.start[rows], columns.samples[rows], columns.kind[rows])

        fresh = run.since(late)
        if fresh.placed.any():
            resumed = np.array(self._resumed, np.int64)
            place[late:] = stream.anchor.places(fresh, resumed, loudness)
        if not run.placed.all():
            columns, place = columns.rows(run.placed), place[run.placed]
        self.tally.late += self.canvas.write(
            payloads, place, columns.start, columns.samples, columns.kind
        )

    def _forget(self, cut: int) -> None:
        """Drop payload type maps that no later packet can meet, and resumptions long past."""
        old = [i for i, (moment, _) in enumerate(self._kinds) if moment <= cut]
        del self._kinds[: old[-1] if old else 0]
        del self._resumed[:-RESUMPTIONS_KEPT]


def _chosen(
    rows: NDArray[np.generic],
    columns: _Columns,
    order: Integers,
    media: Integers,
    placed: NDArray[np.bool_],
) -> tuple[_Columns, Integers, Integers, NDArray[np.bool_]]:
    """The chosen rows of all columns."""
    return columns.rows(rows), order[rows], media[rows], placed[rows]


def _by_source(ssrc: NDArray[np.uint32]) -> list[tuple[int, NDArray[np.intp] | None]]:
    """Each source and the rows of its packets, in order of first packet; None means all rows."""
    if not len(ssrc):
        return []
    if (ssrc == ssrc[0]).all():
        return [(int(ssrc[0]), None)]
    sources, first = np.unique(ssrc, return_index=True)
    return [(int(s), np.flatnonzero(ssrc == s)) for s in sources[np.argsort(first)]]
