"""Reception statistics of many sources, one fold's batch at a time (RFC 3550 A.1, A.3, A.8).

A *stream* is a row of the table: what one leg receives. A stream is at any time one *run* of one
SSRC whose sequence numbers follow each other; another SSRC, or a jump of MAX_DROPOUT or more
forwards or more than MAX_MISORDER back, begins a new run. The figures of runs that ended are
kept in the stream's sums.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from onrecord.core.units import NS_PER_S
from onrecord.rtp.rtcp import ReportBlock
from onrecord.rtp.stats import LegStats

MAX_DROPOUT = 3000
MAX_MISORDER = 100

_GAIN = 1 / 16
"""Of the jitter filter (RFC 3550 §6.4.1)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Valid RTP packets of one fold: all of a stream together, in order of arrival.

    Columns of shape ``(n,)``, one row per packet.
    """

    stream: NDArray[np.int64]
    """Row of the table; equal values are adjacent."""
    ssrc: NDArray[np.uint32]
    sequence: NDArray[np.uint16]
    timestamp: NDArray[np.uint32]
    arrival_ns: NDArray[np.int64]
    """Monotonic."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The packet of a stream that arrived last."""

    ssrc: int
    sequence: int
    arrival_ns: int
    """Monotonic."""

    def continues(self, ssrc: int, sequence: int) -> bool:
        """Whether a packet may be a later one of the same run."""
        return ssrc == self.ssrc and 0 < (sequence - self.sequence & 0xFFFF) < MAX_DROPOUT


@dataclass(slots=True)
class _Columns:
    """State of ``capacity`` streams, one array per figure."""

    clock_rate: NDArray[np.int64]
    live: NDArray[np.bool_]
    """A packet has been received."""
    ssrc: NDArray[np.uint32]
    base: NDArray[np.int64]
    """First extended sequence number of the run."""
    highest: NDArray[np.int64]
    last: NDArray[np.int64]
    """Extended sequence number of the packet that arrived last."""
    timestamp: NDArray[np.uint32]
    arrival_ns: NDArray[np.int64]
    first_ns: NDArray[np.int64]
    received: NDArray[np.int64]
    expected_before: NDArray[np.int64]
    """Of all runs that ended."""
    jitter: NDArray[np.float64]
    """Timestamp units."""
    jitter_max_ms: NDArray[np.float64]
    reported_expected: NDArray[np.int64]
    reported_received: NDArray[np.int64]


def _empty(capacity: int) -> _Columns:
    kinds: dict[str, str] = {"live": "?", "ssrc": "u4", "timestamp": "u4"}
    kinds |= {"jitter": "f8", "jitter_max_ms": "f8"}
    return _Columns(
        **{f.name: np.zeros(capacity, kinds.get(f.name, "i8")) for f in fields(_Columns)}
    )


class ReceptionTable:
    """The statistics of streams ``0`` to ``capacity - 1``."""

    def __init__(self, capacity: int) -> None:
        self._columns = _empty(capacity)

    def reset(self, stream: int, clock_rate: int) -> None:
        """Begin anew on a stream, whose timestamps count ``clock_rate`` a second."""
        for field in fields(_Columns):
            getattr(self._columns, field.name)[stream] = 0
        self._columns.clock_rate[stream] = clock_rate

    def set_clock_rate(self, stream: int, clock_rate: int) -> None:
        """The clock rate of what comes from now on."""
        self._columns.clock_rate[stream] = clock_rate

    def update(self, batch: Batch) -> None:
        """Count a fold's packets in."""
        if not len(batch.stream):
            return
        runs = _runs(self._columns, batch)
        _count_sequences(self._columns, batch, runs)
        _filter_jitter(self._columns, batch, runs)
        _remember(self._columns, batch, runs)

    def figures(self, stream: int) -> LegStats:
        """What was received; ``packets_sent`` and ``round_trip_ms`` are not known here."""
        c = self._columns
        received = int(c.received[stream])
        return LegStats(
            packets_received=received,
            packets_lost=max(self._expected(stream) - received, 0),
            jitter_max_ms=float(c.jitter_max_ms[stream]),
            first_packet_ns=int(c.first_ns[stream]) if c.live[stream] else None,
        )

    def last(self, stream: int) -> Heard | None:
        """The packet that arrived last; None before any."""
        c = self._columns
        if not c.live[stream]:
            return None
        sequence = int(c.last[stream]) & 0xFFFF
        return Heard(int(c.ssrc[stream]), sequence, int(c.arrival_ns[stream]))

    def report(self, stream: int, last_sr: int, delay_since_last_sr: int) -> ReportBlock | None:
        """The block for a report that is sent now; starts a new interval. None before any packet."""
        c = self._columns
        if not c.live[stream]:
            return None
        expected, received = self._expected(stream), int(c.received[stream])
        expected_now = expected - int(c.reported_expected[stream])
        lost_now = expected_now - (received - int(c.reported_received[stream]))
        c.reported_expected[stream], c.reported_received[stream] = expected, received
        return ReportBlock(
            ssrc=int(c.ssrc[stream]),
            fraction_lost=min((lost_now << 8) // expected_now, 255) if lost_now > 0 else 0,
            cumulative_lost=max(min(expected - received, 0x7FFFFF), -0x800000),
            highest_sequence=int(c.highest[stream]),
            jitter=int(c.jitter[stream]),
            last_sr=last_sr,
            delay_since_last_sr=delay_since_last_sr,
        )

    def _expected(self, stream: int) -> int:
        c = self._columns
        if not c.live[stream]:
            return 0
        run = int(c.highest[stream]) - int(c.base[stream]) + 1
        return int(c.expected_before[stream]) + run


@dataclass(frozen=True, slots=True)
class _Runs:
    """How a batch falls into runs."""

    opens: NDArray[np.bool_]
    """Per packet: it begins a run that the table does not know."""
    step: NDArray[np.int64]
    """Per packet: sequence distance to the packet before it in its run; 0 where it opens one."""
    start: NDArray[np.int64]
    """Per piece of a run: its first packet in the batch."""
    stream: NDArray[np.int64]
    """Per piece: its stream."""
    heads: NDArray[np.bool_]
    """Per piece: first of its stream in the batch."""
    tails: NDArray[np.bool_]
    """Per piece: last of its stream in the batch."""


def _runs(c: _Columns, batch: Batch) -> _Runs:
    stream = batch.stream
    head = np.concatenate([[True], stream[1:] != stream[:-1]])
    before_ssrc, before_sequence = np.roll(batch.ssrc, 1), np.roll(batch.sequence, 1)
    of_head = stream[head]
    before_ssrc[head] = c.ssrc[of_head]
    before_sequence[head] = c.last[of_head].astype(np.uint16)
    step = (batch.sequence - before_sequence).view(np.int16).astype(np.int64)
    opens = (batch.ssrc != before_ssrc) | (step >= MAX_DROPOUT) | (step < -MAX_MISORDER)
    opens[head] |= ~c.live[of_head]
    (start,) = (opens | head).nonzero()
    piece_stream = stream[start]
    heads = head[start]
    return _Runs(
        opens=opens,
        step=np.where(opens, 0, step),
        start=start,
        stream=piece_stream,
        heads=heads,
        tails=np.concatenate([heads[1:], [True]]),
    )


def _count_sequences(c: _Columns, batch: Batch, runs: _Runs) -> None:
    """Expected packets (A.3) from the first and the highest extended sequence of each run."""
    start, stream = runs.start, runs.stream
    goes_on = ~runs.opens[start]
    lengths = np.diff(np.append(start, len(batch.stream)))
    anchor = np.where(goes_on, c.last[stream], batch.sequence[start].astype(np.int64))
    walked = np.cumsum(runs.step)
    offset = anchor - walked[start] + runs.step[start]
    extended = walked + np.repeat(offset, lengths)
    base = np.where(goes_on, c.base[stream], extended[start])
    highest = np.maximum.reduceat(extended, start)
    highest = np.where(goes_on, np.maximum(highest, c.highest[stream]), highest)

    left = stream[runs.heads & ~goes_on & c.live[stream]]
    c.expected_before[left] += c.highest[left] - c.base[left] + 1
    ended = ~runs.tails
    np.add.at(c.expected_before, stream[ended], (highest - base + 1)[ended])

    tail = stream[runs.tails]
    c.base[tail], c.highest[tail] = base[runs.tails], highest[runs.tails]
    c.last[tail] = extended[np.append(start[1:], len(extended))[runs.tails] - 1]
    first = start[runs.heads]
    c.received[tail] += np.diff(np.append(first, len(batch.stream)))


def _filter_jitter(c: _Columns, batch: Batch, runs: _Runs) -> None:
    """A.8 over each run: J becomes J + (|D| - J) / 16 at each packet, in closed form."""
    start, stream = runs.start, runs.stream
    lengths = np.diff(np.append(start, len(batch.stream)))
    before_arrival, before_timestamp = np.roll(batch.arrival_ns, 1), np.roll(batch.timestamp, 1)
    first = start[runs.heads]
    of_head = stream[runs.heads]
    before_arrival[first], before_timestamp[first] = c.arrival_ns[of_head], c.timestamp[of_head]
    rate = c.clock_rate[batch.stream]
    arrived = (batch.arrival_ns - before_arrival) * (rate / NS_PER_S)
    sampled = (batch.timestamp - before_timestamp).view(np.int32)
    distance = np.where(runs.opens, 0.0, np.abs(arrived - sampled))

    ends = np.repeat(start + lengths, lengths)
    age = ends - 1 - np.arange(len(batch.stream))
    weighted = distance * _GAIN * (1 - _GAIN) ** age
    jitter = np.where(runs.opens[start], 0.0, c.jitter[stream]) * (1 - _GAIN) ** lengths
    jitter += np.add.reduceat(weighted, start)
    tail = stream[runs.tails]
    c.jitter[tail] = jitter[runs.tails]
    in_ms = c.jitter[tail] * 1000 / np.maximum(c.clock_rate[tail], 1)
    c.jitter_max_ms[tail] = np.maximum(c.jitter_max_ms[tail], in_ms)


def _remember(c: _Columns, batch: Batch, runs: _Runs) -> None:
    """The last packet of each stream, and the arrival of the first ever."""
    first = runs.start[runs.heads]
    of_head = runs.stream[runs.heads]
    fresh = ~c.live[of_head]
    c.first_ns[of_head[fresh]] = batch.arrival_ns[first[fresh]]
    c.live[of_head] = True
    last = np.append(first[1:], len(batch.stream)) - 1
    c.ssrc[of_head] = batch.ssrc[last]
    c.timestamp[of_head] = batch.timestamp[last]
    c.arrival_ns[of_head] = batch.arrival_ns[last]
