"""A recording as it is heard while it runs: facts in, the samples up to a moment ago out.

The fold of :mod:`onrecord.timeline.fold` looks seconds ahead before it places a packet. Who listens
live cannot wait: a packet is placed at its media time, tied to arrival by the least delay of late, and
one whose place has been given out already goes to the next free place. What nobody sent is silence.

Time is that of the facts, never a clock: what was not stored yet has not happened. Pauses, and the
time in which no media process ran, are left out.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.payloads import (
    BadPayloadError,
    PayloadDecoder,
    Resampler,
    make_decoder,
    sample_rate,
)
from onrecord.rtp.header import parse_headers

RATE = 8000
NS_PER_SAMPLE = 125_000
HOLD_BACK = 60 * 8
"""How long after its place in time a packet may still come, samples."""
JUMP = 200 * 8
"""A packet whose delay is off by more is tied to its arrival."""
MOST_AHEAD = RATE
"""Packets that found their place taken are moved on by no more."""

Samples = NDArray[np.int16]

_CODECS = {"PCMU", "PCMA", "G722", "OPUS", "L16"}
_TICK_BYTES = {"PCMU": 1, "PCMA": 1, "G722": 1, "L16": 2}
"""Bytes for each step of the timestamp, of codecs whose payloads can be joined and decoded as one."""
_STATIC = {0: ("PCMU", RATE), 8: ("PCMA", RATE)}
_LEAK = 8
_LONGEST = RATE
_WRAP = 1 << 32
_TYPES = 128
"""Payload types (RFC 3550 §5.1)."""

_Datagrams = tuple[NDArray[np.int64], NDArray[np.integer], NDArray[np.uint8]]


class LiveTimeline:
    """One recording's tracks side by side. Nothing here raises on what packets or facts contain."""

    def __init__(self, tracks: Sequence[int]) -> None:
        self._tracks = {track: _Track() for track in tracks}
        self._waiting: list[tuple[_Track, _Datagrams]] = []
        self._base: int | None = None
        self._known = 0
        self._running = False
        self._done: list[Samples] = []
        self.ended = False
        """A fact said that the recording has stopped."""

    @property
    def known_ns(self) -> int:
        """Monotonic time up to which all is known."""
        return self._known * NS_PER_SAMPLE

    def fact(self, kind: str, at_ns: int, data: Mapping[str, object]) -> None:
        """Take in one fact."""
        at = at_ns // NS_PER_SAMPLE
        if kind != "clock":
            self._place()
        if kind in {"start", "codecs", "media_replaced"}:
            for number, track in self._tracks.items():
                track.announce(data.get(("inbound", "outbound")[number]))
        if kind in {"pause", "stop"}:
            self._known = max(self._known, at)
            self._release(self._known)
            self._running, self.ended = False, kind == "stop"
        elif kind in {"start", "resume"} or (kind == "media_replaced" and self._running):
            self._release(self._known)
            self._begin(at)
        elif self._running:
            self._known = max(self._known, at)

    def packets(
        self,
        track: int,
        arrival_ns: NDArray[np.int64],
        size: NDArray[np.integer],
        data: NDArray[np.uint8],
    ) -> None:
        """Take in datagrams of one track; shapes as in :class:`onrecord.spool.format.Packets`.

        They are held, and placed together when somebody takes: headers and payloads of many cost
        little more than those of one.
        """
        mine = self._tracks.get(track)
        if not len(arrival_ns) or not self._running:
            return
        if mine is not None:
            self._waiting.append((mine, (arrival_ns, size, data)))
        self._known = max(self._known, int(arrival_ns.max()) // NS_PER_SAMPLE)

    def take(self) -> Samples:
        """What is settled and was not taken before, 8 kHz. Shape ``(tracks, n)``."""
        self._place()
        if self._running:
            self._release(self._known - HOLD_BACK)
        done, self._done = self._done, []
        return np.concatenate([np.empty((len(self._tracks), 0), np.int16), *done], axis=1)

    def _place(self) -> None:
        waiting, self._waiting = self._waiting, []
        waiting.sort(key=lambda held: id(held[0]))
        for (track, _), held in groupby(waiting, lambda one: (one[0], one[1][2].shape[1])):
            arrival, size, data = zip(*(columns for _, columns in held), strict=True)
            track.place(
                np.concatenate(arrival) // NS_PER_SAMPLE, np.concatenate(size), np.concatenate(data)
            )

    def _begin(self, at: int) -> None:
        self._base, self._known, self._running = at, at, True
        for track in self._tracks.values():
            track.begin(at)

    def _release(self, end: int) -> None:
        if self._base is not None and self._running and end > self._base:
            n, self._base = end - self._base, end
            self._done.append(np.stack([track.take(n) for track in self._tracks.values()]))


class _Heard(NamedTuple):
    """Packets that hold sound, as columns of shape ``(n,)``."""

    kind: NDArray[np.uint8]
    ssrc: NDArray[np.uint32]
    stamp: NDArray[np.uint32]
    first: NDArray[np.int64]
    length: NDArray[np.int64]
    """Where the payload lies, bytes."""
    arrival: NDArray[np.int64]
    """Samples."""

    def payload(self, flat: NDArray[np.uint8], start: int, end: int) -> NDArray[np.uint8]:
        """The payloads of some of them, one behind the other."""
        places = zip(self.first[start:end].tolist(), self.length[start:end].tolist(), strict=True)
        return np.concatenate([flat[first : first + length] for first, length in places])


class _Track:
    """One track: its samples from ``base`` on, and where the next packet belongs."""

    def __init__(self) -> None:
        self._learn(dict(_STATIC))
        self._voices: dict[tuple[str, int], tuple[PayloadDecoder, Resampler]] = {}
        self._held = np.zeros(0, np.int16)
        self._base = 0
        self._free = 0
        self._ssrc: int | None = None
        self._timestamp = self._media = 0
        self._anchor: int | None = None

    def announce(self, codecs: object) -> None:
        """From now on payload types mean this; what does not look like it is passed over."""
        known = dict(_STATIC)
        if isinstance(codecs, Mapping):
            for number, codec in codecs.items():
                match codec:
                    case [str(name), int(rate), *_] if str(number).isdecimal() and rate > 0:
                        known[int(number)] = name.upper(), rate
        self._learn(known)

    def _learn(self, codecs: dict[int, tuple[str, int]]) -> None:
        """Keep them by payload type, and as columns what is asked of many packets at a time."""
        self._codecs = {n: c for n, c in codecs.items() if n < _TYPES and c[0] in _CODECS}
        self._spoken = np.zeros(_TYPES, np.bool_)
        self._ticks, self._rates = np.zeros(_TYPES, np.int64), np.ones(_TYPES, np.int64)
        for number, (name, rate) in self._codecs.items():
            self._spoken[number], self._rates[number] = True, rate
            self._ticks[number] = _TICK_BYTES.get(name, 0)

    def begin(self, base: int) -> None:
        """Forget what was held and go on at ``base``."""
        self._base = self._free = base
        self._held = np.zeros(0, np.int16)
        self._anchor = None

    def take(self, n: int) -> Samples:
        """The next samples. Shape ``(n,)``."""
        taken = np.zeros(n, np.int16)
        there = self._held[:n]
        taken[: len(there)] = there
        self._held = self._held[n:]
        self._base += n
        return taken

    def place(
        self, arrival: NDArray[np.int64], size: NDArray[np.integer], data: NDArray[np.uint8]
    ) -> None:
        """Decode packets and write them where they belong; those that join on as one."""
        starts = np.arange(len(size)) * data.shape[1]
        flat = data.reshape(-1)
        heads = parse_headers(flat, starts, size.astype(np.int64))
        rows = np.flatnonzero(
            heads.valid & (heads.payload_bytes > 0) & self._spoken[heads.payload_type]
        )
        heard = _Heard(
            heads.payload_type[rows],
            heads.ssrc[rows],
            heads.timestamp[rows],
            heads.payload_start[rows],
            heads.payload_bytes[rows],
            arrival[rows],
        )
        for start, end in pairwise(self._runs(heard)):
            codec = self._codecs[int(heard.kind[start])]
            samples = self._decoded(codec, heard.payload(flat, start, end))
            place = self._place(codec[1], heard, start, end)
            self._write(place, int(heard.arrival[start]), samples[: _LONGEST * (end - start)])

    def _runs(self, heard: _Heard) -> list[int]:
        """The bounds of the runs of packets that go on where the one before them ends, with its delay."""
        if not len(heard.kind):
            return []
        before, steps = heard.kind[:-1], np.diff(heard.stamp).astype(np.int64)
        joins = (heard.kind[1:] == before) & (heard.ssrc[1:] == heard.ssrc[:-1])
        joins &= (self._ticks[before] > 0) & (steps * self._ticks[before] == heard.length[:-1])
        gained = np.diff(heard.arrival) - steps * RATE // self._rates[before]
        joins &= np.abs(gained) <= JUMP
        return [0, *(np.flatnonzero(~joins) + 1).tolist(), len(heard.kind)]

    def _place(self, rate: int, heard: _Heard, start: int, end: int) -> int:
        """Where the first of a run of packets belongs."""
        ssrc, stamps = int(heard.ssrc[start]), heard.stamp[start:end]
        if ssrc != self._ssrc:
            self._ssrc, self._timestamp = ssrc, int(stamps[0])
            self._media, self._anchor = 0, None
        media = self._media + _signed(int(stamps[0]) - self._timestamp)
        steps = (stamps - stamps[0]).astype(np.int64)
        self._timestamp, self._media = int(stamps[-1]), media + int(steps[-1])
        delays = heard.arrival[start:end] - (media + steps) * RATE // rate
        first, least = int(delays[0]), int(delays.min())
        if self._anchor is None or abs(first - self._anchor) > JUMP:
            self._anchor = least
        anchor = min(self._anchor, least)
        # Follows a sender that is slow.
        self._anchor = anchor + (int((delays - anchor).sum()) >> _LEAK)
        return media * RATE // rate + anchor

    def _write(self, place: int, arrival: int, samples: Samples) -> None:
        if place < self._base:
            place = max(self._base, self._free)
        if place > arrival + MOST_AHEAD:
            return
        at = place - self._base
        end = at + len(samples)
        if end > len(self._held):
            self._held = np.concatenate([self._held, np.zeros(end - len(self._held), np.int16)])
        self._held[at:end] = samples
        self._free = place + len(samples)

    def _decoded(self, codec: tuple[str, int], payload: NDArray[np.uint8]) -> Samples:
        if codec not in self._voices:
            resampler = Resampler(sample_rate(*codec), RATE)
            self._voices[codec] = make_decoder(codec[0]), resampler
        decoder, resampler = self._voices[codec]
        try:
            return resampler.resample(decoder.decode(payload.tobytes()))
        except BadPayloadError:
            return np.zeros(0, np.int16)


def _signed(step: int) -> int:
    """A difference of two timestamps, the nearer way round."""
    return (step + _WRAP // 2) % _WRAP - _WRAP // 2
