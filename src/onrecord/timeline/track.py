"""One track of a recording: its packets of one window, all the way to samples on a canvas."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.resampling import context_samples, resample
from onrecord.rtp.header import parse_headers
from onrecord.timeline.anchor import JUMP, Anchor, Run
from onrecord.timeline.concealment import LONGEST, conceal
from onrecord.timeline.decoding import Packets, Sound, Voices
from onrecord.timeline.deviations import Cause, Deviations, Tally
from onrecord.timeline.gaps import GapLog, Moments, Steps
from onrecord.timeline.mediatime import MediaTime
from onrecord.timeline.payloads import (
    COMFORT_NOISE,
    EVENT,
    L16_8,
    NAMES,
    SAMPLES_PER_UNIT,
    UNKNOWN,
    kinds_of,
    units_of,
)
from onrecord.timeline.placing import LONGEST_PAYLOAD, Canvas, Payloads, Samples
from onrecord.timeline.sequence import EPOCH, Integers, Point, first_of_each, steps, unwrap
from onrecord.timeline.splicing import Splicer
from onrecord.timeline.twins import Twins

STREAMS_KEPT = 8
"""Sources of one track that are remembered; a ninth takes the place of the oldest."""
RESUMPTIONS_KEPT = 64
_RATE = 8000


class Arrivals(NamedTuple):
    """Datagrams of one track in order of arrival."""

    arrival: Integers
    """Units since the file's time zero. Shape ``(n,)``."""
    start: Integers
    """Offset of each datagram in ``arena``."""
    size: Integers
    arena: NDArray[np.uint8]


class _Columns(NamedTuple):
    """RTP packets, each column of shape ``(n,)``: in order of arrival, later in that of sequence."""

    arrival: Integers
    sequence: NDArray[np.uint16]
    timestamp: NDArray[np.uint32]
    ssrc: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    start: Integers
    size: Integers
    units: Integers

    def rows(self, chosen: NDArray[np.generic] | slice) -> "_Columns":
        return _Columns(*(column[chosen] for column in self))  # type: ignore[arg-type]


class _Numbered(NamedTuple):
    """Columns beside those of packets: their numbers without wraps."""

    order: Integers
    media: Integers
    """Ticks of the RTP clock."""
    rank: Integers
    """How many packets of the stream came before, in order of sequence."""
    placed: NDArray[np.bool_]
    """False for packets of the look-ahead."""

    def rows(self, chosen: NDArray[np.generic] | slice) -> "_Numbered":
        return _Numbered(*(column[chosen] for column in self))  # type: ignore[arg-type]


class _Before(NamedTuple):
    """The last audio packet of a stream that was placed."""

    order: int
    rank: int
    media: int
    units: int
    kind: int

    @classmethod
    def first_of(cls, numbered: _Numbered, media: Integers, kind: NDArray[np.uint8]) -> "_Before":
        """What seems to come before the first packet of a stream."""
        first = (numbered.order, numbered.rank, media, kind)
        order, rank, at, codec = (int(column[0]) for column in first)
        return cls(order - 1, rank - 1, at, 0, codec)


class _Stream:
    """One source (SSRC) of a track."""

    def __init__(self, tally: Tally, cause: Cause, layer: int) -> None:
        self.layer = layer
        self.anchor = Anchor(tally, cause)
        self.media = MediaTime()
        self.voices = Voices(tally)
        self.last: Point | None = None
        self.top: int | None = None
        """The highest order that was counted."""
        self.known: Integers = np.empty(0, np.int64)
        """Orders of the window before: what a repeat would repeat."""
        self.ahead: Integers = np.empty(0, np.int64)
        """Those of them that came in its look-ahead."""
        self.ranked = 0
        self.before: _Before | None = None


class Track:
    """The state of one track between windows."""

    def __init__(self, moments: Moments) -> None:
        self.tally = Tally()
        self.gaps = GapLog(moments)
        self.best = 1
        """Samples a unit of the best codec that was placed."""
        self._moments = moments
        self._canvases = {(1, 0): Canvas()}
        """By samples a unit, and layer: what two senders say at once is mixed."""
        self._streams: dict[tuple[int, int], _Stream] = {}
        self._twins: dict[int, Twins] = {}
        self._kinds: list[tuple[int, NDArray[np.uint8]]] = [(0, kinds_of())]
        self._resumed: list[int] = []
        self._reach = 0
        """Where the audio that was placed ends."""

    @property
    def end(self) -> int:
        """Position after the last sample that was placed."""
        return max(canvas.end for canvas in self._canvases.values())

    @property
    def blank(self) -> bool:
        """Nothing was placed in what is not finished."""
        return all(canvas.blank for canvas in self._canvases.values())

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
        for canvas in self._canvases.values():
            canvas.reach(cut + JUMP + LONGEST_PAYLOAD)
        payloads = Payloads(arrivals.arena)
        for ssrc, rows in _by_source(columns.ssrc):
            mine = columns if rows is None else columns.rows(rows)
            for sender, packets in self._by_sender(ssrc, mine, cut):
                if packets.arrival[0] < cut:
                    self._place_stream(self._stream(ssrc, sender), packets, payloads, cut)
        self._forget(cut)

    def mute(self, begin: int, end: int) -> None:
        """Make silence of what is not finished from ``begin`` to ``end``."""
        for canvas in self._canvases.values():
            canvas.mute(begin, end)

    def skip(self, end: int) -> None:
        """Finish what lies before ``end`` of a blank track."""
        for canvas in self._canvases.values():
            canvas.skip(end)

    def take(self, end: int, factor: int) -> Samples:
        """The samples up to ``end``, ``factor`` a unit, which are finished by this. Shape ``(n,)``."""
        if len(self._canvases) == 1 and factor == 1:
            return self._canvases[1, 0].take(end)
        begin = self._canvases[1, 0].base
        total: NDArray[np.float32] | None = None
        for canvas in self._canvases.values():
            if canvas.quiet:
                canvas.skip(end)
                continue
            if canvas.factor == factor:
                part = canvas.take(end).astype(np.float32)
            else:
                rates = canvas.factor * _RATE, factor * _RATE
                part = resample(canvas.take(end, context_samples(*rates)), *rates)
            total = part if total is None else total + part
        if total is None:
            return np.zeros((end - begin) * factor, np.int16)
        limited: Samples = np.round(total).clip(-32768, 32767).astype(np.int16)
        return limited

    def report(self, end: int | None = None) -> Deviations:
        """The deviations so far; with the gap behind the last audio if the file ends at ``end``."""
        if end is not None:
            self.gaps.finish(self._reach, end)
            self._reach = max(self._reach, end)
        return self.tally.report(self.gaps.listed(), self.gaps.totals())

    def _parse(self, arrivals: Arrivals, cut: int) -> _Columns:
        headers = parse_headers(arrivals.arena, arrivals.start, arrivals.size)
        kind = self._kind(arrivals.arrival, headers.payload_type)
        columns = _Columns(
            arrivals.arrival,
            headers.sequence,
            headers.timestamp,
            headers.ssrc,
            kind,
            headers.payload_start,
            headers.payload_bytes,
            units_of(kind, arrivals.arena, headers.payload_start, headers.payload_bytes),
        )
        good = headers.valid & (headers.payload_bytes <= LONGEST_PAYLOAD)
        if not good.all():
            self.tally.invalid += int((~good & (arrivals.arrival < cut)).sum())
            columns = columns.rows(good)
        columns.kind[columns.units == 0] = UNKNOWN
        return columns

    def _kind(self, arrival: Integers, payload_type: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if len(self._kinds) == 1:
            return self._kinds[0][1][payload_type]
        since = np.array([moment for moment, _ in self._kinds])
        tables = np.stack([table for _, table in self._kinds])
        which = np.maximum(np.searchsorted(since, arrival, side="right") - 1, 0)
        return tables[which, payload_type]

    def _by_sender(self, ssrc: int, columns: _Columns, cut: int) -> Iterator[tuple[int, _Columns]]:
        """The packets of each of the senders that one source turns out to be."""
        ours = int(np.searchsorted(columns.arrival, cut))
        twins = self._twins.setdefault(ssrc, Twins())
        found = twins.split(columns.sequence, columns.timestamp, ours) if ours else None
        if found is None:
            yield 0, columns
            return
        for sender in np.unique(found).tolist():
            yield sender, columns.rows(found == sender)

    def _stream(self, ssrc: int, sender: int) -> _Stream:
        stream = self._streams.pop((ssrc, sender), None)
        if stream is None:
            others = list(self._streams.values())
            layer = 1 - others[-1].layer if others else 0
            cause = Cause.SSRC if others else Cause.START
            stream = _Stream(self.tally, cause, layer)
            if len(others) >= STREAMS_KEPT:
                del self._streams[next(iter(self._streams))]
        self._streams[ssrc, sender] = stream
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
        every = np.arange(len(order))
        numbered = _Numbered(order, media, every + stream.ranked, every < ours)
        if not (unwrapped.in_order and at_top):
            self._count_disorder(stream, order[:ours])
            first = np.flatnonzero(first_of_each(order, stream.known))
            rows = first[np.argsort(order[first], kind="stable")]
            columns, numbered = columns.rows(rows), numbered.rows(rows)
            stream.ahead = numbered.order[_overtaken(numbered.placed)]
            numbered = numbered._replace(rank=every[: len(rows)] + stream.ranked)
        placed = _rows_of(numbered.placed)
        stream.known = numbered.order[placed]
        stream.ranked += len(stream.known)
        self._count(stream, columns.kind[placed], columns.arrival[placed], stream.known)
        audio = columns.kind < EVENT
        if not audio.all():
            columns, numbered = columns.rows(audio), numbered.rows(audio)
        if numbered.placed.any():
            self._write(stream, columns, numbered, payloads)

    def _count_disorder(self, stream: _Stream, order: Integers) -> None:
        first = first_of_each(order, np.setdiff1d(stream.known, stream.ahead))
        self.tally.duplicates += len(order) - int(first.sum())
        highest = np.maximum.accumulate(order)
        if stream.top is not None:
            np.maximum(highest, stream.top, out=highest)
        self.tally.reordered += int((first & (order < highest)).sum())

    def _count(
        self, stream: _Stream, kind: NDArray[np.uint8], arrival: Integers, order: Integers
    ) -> None:
        """Count packets, in order, and what is missing between them."""
        kinds = np.bincount(kind, minlength=UNKNOWN + 1).tolist()
        self.tally.packets += len(order)
        self.tally.audio_packets += sum(kinds[:EVENT])
        self.tally.events += kinds[EVENT]
        self.tally.comfort_noise += kinds[COMFORT_NOISE]
        self.tally.unknown += kinds[UNKNOWN]
        if not len(order):
            return
        top = int(order[0]) - 1 if stream.top is None else stream.top
        stream.top = max(top, int(order[-1]))
        if int(order[0]) == top + 1 and int(order[-1]) == top + len(order):
            return
        new = order > top
        missing = steps(order[new], top) - 1
        missing[missing >= EPOCH // 2] = 0
        self._forgive(arrival[new], missing)
        self.tally.lost += int(missing.sum()) - (len(order) - int(new.sum()))
        self.tally.bursts += int(np.count_nonzero(missing))

    def _forgive(self, arrival: Integers, missing: Integers) -> None:
        """What was sent during a pause was left out on purpose."""
        for _, end in self._moments.pauses:
            if end is not None and len(missing) and arrival[0] - JUMP <= end <= arrival[-1]:
                missing[int(np.argmax(arrival >= end))] = 0

    def _write(
        self, stream: _Stream, columns: _Columns, numbered: _Numbered, payloads: Payloads
    ) -> None:
        """Place one stream's audio, which is in order of sequence."""
        order, placed = numbered.order, numbered.placed
        media = stream.media.units(order, numbered.media, columns.kind, columns.units, placed)
        last = stream.anchor.last_order
        late = 0 if last is None else int(np.searchsorted(order, last, side="right"))
        place = media.copy()
        place[:late] = stream.anchor.places_of_late(order[:late], media[:late])

        packets = Packets(columns.start, columns.size, columns.units, columns.kind, placed)
        sound = Sound(stream.voices, payloads, packets)
        run = Run(order, media, columns.units, columns.arrival, columns.arrival - media, placed)
        fresh = run.since(late)
        if fresh.placed.any():
            resumed = np.array(self._resumed, np.int64)
            splicer = Splicer(sound, late, columns.units, _follows(run, columns.kind))
            place[late:] = stream.anchor.places(fresh, resumed, splicer)
        self._put(stream, sound, columns.kind, place, np.flatnonzero(placed))
        if fresh.placed.any():
            self._hide(stream, late, columns.kind, place)
            rows = late + np.flatnonzero(fresh.placed)
            columns, numbered = columns.rows(rows), numbered.rows(rows)
            self._between(stream, columns, numbered, place[rows], media[rows])

    def _put(
        self,
        stream: _Stream,
        sound: Sound,
        kind: NDArray[np.uint8],
        place: Integers,
        rows: NDArray[np.intp],
    ) -> None:
        """Write some packets to the canvas of each rate."""
        if kind.max() <= L16_8:
            self.tally.late += sound.write(self._canvas(1, stream.layer), place, rows)
            return
        factors = SAMPLES_PER_UNIT[kind[rows]]
        for factor in np.unique(factors).tolist():
            mine = rows[factors == factor]
            self.tally.late += sound.write(self._canvas(factor, stream.layer), place, mine)
            self.best = max(self.best, factor)

    def _hide(self, stream: _Stream, late: int, kind: NDArray[np.uint8], place: Integers) -> None:
        """Put the blended audio where a run was moved."""
        for seam in stream.anchor.seams:
            row, length = late + seam.row, abs(seam.shift)
            begin = int(place[row]) - max(seam.shift, 0)
            canvas = self._canvas(int(SAMPLES_PER_UNIT[kind[row]]), stream.layer)
            fits = canvas.fits(np.array([begin]), np.array([length]))[0]
            if fits and not self._moments.paused(begin - LONGEST_PAYLOAD, begin + length):
                canvas.put(begin, seam.blend)
                self.tally.blended += length

    def _canvas(self, factor: int, layer: int) -> Canvas:
        if (factor, layer) not in self._canvases:
            first = self._canvases[1, 0]
            canvas = Canvas(factor)
            canvas.skip(first.base)
            canvas.reach(first.base + first.room)
            self._canvases[factor, layer] = canvas
        return self._canvases[factor, layer]

    def _between(
        self,
        stream: _Stream,
        columns: _Columns,
        numbered: _Numbered,
        place: Integers,
        media: Integers,
    ) -> None:
        """Look at what lies between the packets of a run that were placed: gaps, losses, codecs."""
        before, kind, units = stream.before, columns.kind, columns.units
        ends = place + units
        self._measure(columns.arrival - media)
        if before is None or not self._follows(before, numbered.order, kind, place, ends):
            opening = before is None
            if before is None:
                before = _Before.first_of(numbered, media, kind)
            found = self._steps(before, columns, numbered, place, media)
            self.gaps.observe(found, first_of_source=opening)
            self._conceal(found, before.units, columns, stream.layer)
            for row in {*([0] if opening else []), *np.flatnonzero(found.new_kind).tolist()}:
                self.tally.uses(int(place[row]), NAMES[kind[row]])
        self._reach = max(self._reach, int(ends.max()))
        numbers = (numbered.order, numbered.rank, media, units, kind)
        stream.before = _Before(*(int(column[-1]) for column in numbers))

    def _follows(
        self,
        before: _Before,
        order: Integers,
        kind: NDArray[np.uint8],
        place: Integers,
        ends: Integers,
    ) -> bool:
        """Nothing lies between these packets, or between them and the one before: most often so."""
        return (
            int(order[-1]) == before.order + len(order)
            and int(place[0]) <= self._reach
            and int(kind.min()) == int(kind.max()) == before.kind
            and np.array_equal(place[1:], ends[:-1])
        )

    def _steps(
        self,
        before: _Before,
        columns: _Columns,
        numbered: _Numbered,
        place: Integers,
        media: Integers,
    ) -> Steps:
        ends = place + columns.units
        begin = np.maximum.accumulate(np.concatenate([[self._reach], ends[:-1]]))
        lost = steps(numbered.order, before.order) - steps(numbered.rank, before.rank)
        lost[lost >= EPOCH // 2] = 0
        between = steps(media, before.media) - _shifted(columns.units, before.units)
        new_kind = steps(columns.kind, before.kind) != 0
        return Steps(begin, place - begin, lost, new_kind, between <= 0)

    def _conceal(self, found: Steps, units_before: int, columns: _Columns, layer: int) -> None:
        """Fill the gaps that are short losses and nothing else."""
        short = (found.lost > 0) & (found.units > 0) & (found.units <= LONGEST)
        short &= found.units <= found.lost * _shifted(columns.units, units_before) + 1
        if not short.any():
            return
        for row in np.flatnonzero(short).tolist():
            begin = int(found.begin[row])
            if self._moments.paused(begin - LONGEST, begin + LONGEST):
                short[row] = False
        factors = SAMPLES_PER_UNIT[columns.kind]
        for factor in np.unique(factors[short]).tolist():
            rows = short & (factors == factor)
            canvas = self._canvas(factor, layer)
            self.tally.concealed += conceal(canvas, found.begin[rows], found.units[rows])

    def _measure(self, delay: Integers) -> None:
        """Jitter: how delays of packets that follow on one another differ."""
        changes = np.abs(delay[1:] - delay[:-1])
        near = changes <= JUMP
        if not near.all():
            changes = changes[near]
        self.tally.jitter_sum += int(changes.sum())
        self.tally.jitter_count += len(changes)

    def _forget(self, cut: int) -> None:
        """Drop payload type maps that no later packet can meet, and resumptions long past."""
        old = [i for i, (moment, _) in enumerate(self._kinds) if moment <= cut]
        del self._kinds[: old[-1] if old else 0]
        del self._resumed[:-RESUMPTIONS_KEPT]
        for ssrc in [*self._twins][:-STREAMS_KEPT]:
            del self._twins[ssrc]


def _overtaken(placed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Let packets of the look-ahead be placed that belong before one of the window; true for those.

    A decoder with state hears them in their order then, and there is no gap where they lie.
    """
    overtaken = ~placed
    overtaken[placed.nonzero()[0][-1:].max(initial=0) :] = False
    placed |= overtaken
    return overtaken


def _follows(run: Run, kind: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a packet goes on where the one before ends, at the same rate, both of them placed."""
    follows = np.zeros(len(run.order), np.bool_)
    follows[1:] = (
        (run.order[1:] - run.order[:-1] == 1)
        & (run.media[1:] - run.media[:-1] == run.samples[:-1])
        & (SAMPLES_PER_UNIT[kind[1:]] == SAMPLES_PER_UNIT[kind[:-1]])
        & run.placed[1:]
        & run.placed[:-1]
    )
    return follows


def _shifted(values: Integers, before: int) -> Integers:
    """The value before each, for the first one ``before``."""
    return np.concatenate([[before], values[:-1]])


def _rows_of(chosen: NDArray[np.bool_]) -> NDArray[np.bool_] | slice:
    """The same rows; as a slice, which copies nothing, if they are the first ones."""
    n = int(np.count_nonzero(chosen))
    return slice(n) if chosen[:n].all() else chosen


def _by_source(ssrc: NDArray[np.uint32]) -> list[tuple[int, NDArray[np.intp] | None]]:
    """Each source and the rows of its packets, in order of first packet; None means all rows."""
    if not len(ssrc):
        return []
    if (ssrc == ssrc[0]).all():
        return [(int(ssrc[0]), None)]
    sources, first = np.unique(ssrc, return_index=True)
    return [(int(s), np.flatnonzero(ssrc == s)) for s in sources[np.argsort(first)]]
