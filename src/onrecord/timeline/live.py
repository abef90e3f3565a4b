"""A recording as it is heard while it runs: facts in, the samples up to a moment ago out.

The fold of :mod:`onrecord.timeline.fold` looks seconds ahead before it places a packet. Who listens
live cannot wait: a packet is placed at its media time, tied to arrival by the least delay of late, and
one whose place has been given out already goes to the next free place. What nobody sent is silence.

Time is that of the facts, never a clock: what was not stored yet has not happened. Pauses, and the
time in which no media process ran, are left out.
"""

from collections.abc import Mapping, Sequence

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
_STATIC = {0: ("PCMU", RATE), 8: ("PCMA", RATE)}
_LEAK = 8
_LONGEST = RATE
_WRAP = 1 << 32


class LiveTimeline:
    """One recording's tracks side by side. Nothing here raises on what packets or facts contain."""

    def __init__(self, tracks: Sequence[int]) -> None:
        self._tracks = {track: _Track() for track in tracks}
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
        """Take in datagrams of one track; shapes as in :class:`onrecord.spool.format.Packets`."""
        mine = self._tracks.get(track)
        if not len(arrival_ns) or not self._running:
            return
        if mine is not None:
            mine.place(arrival_ns // NS_PER_SAMPLE, size, data)
        self._known = max(self._known, int(arrival_ns.max()) // NS_PER_SAMPLE)

    def take(self) -> Samples:
        """What is settled and was not taken before, 8 kHz. Shape ``(tracks, n)``."""
        if self._running:
            self._release(self._known - HOLD_BACK)
        done, self._done = self._done, []
        return np.concatenate([np.empty((len(self._tracks), 0), np.int16), *done], axis=1)

    def _begin(self, at: int) -> None:
        self._base, self._known, self._running = at, at, True
        for track in self._tracks.values():
            track.begin(at)

    def _release(self, end: int) -> None:
        if self._base is not None and self._running and end > self._base:
            n, self._base = end - self._base, end
            self._done.append(np.stack([track.take(n) for track in self._tracks.values()]))


class _Track:
    """One track: its samples from ``base`` on, and where the next packet belongs."""

    def __init__(self) -> None:
        self._codecs = dict(_STATIC)
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
        self._codecs = known

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
        """Decode packets and write them where they belong."""
        pitch = data.shape[1]
        flat = data.reshape(-1)
        heads = parse_headers(flat, np.arange(len(size)) * pitch, size.astype(np.int64))
        for row in np.flatnonzero(heads.valid).tolist():
            codec = self._codecs.get(int(heads.payload_type[row]))
            length = int(heads.payload_bytes[row])
            if codec is None or codec[0] not in _CODECS or not length:
                continue
            start = int(heads.payload_start[row])
            samples = self._decoded(codec, flat[start : start + length])
            came = int(arrival[row])
            place = self._place(codec[1], int(heads.ssrc[row]), int(heads.timestamp[row]), came)
            self._write(place, came, samples[:_LONGEST])

    def _place(self, rate: int, ssrc: int, timestamp: int, arrival: int) -> int:
        if ssrc != self._ssrc:
            self._ssrc, self._timestamp, self._media, self._anchor = ssrc, timestamp, 0, None
        step = (timestamp - self._timestamp + _WRAP // 2) % _WRAP - _WRAP // 2
        self._timestamp = timestamp
        self._media += step
        media = self._media * RATE // rate
        delay = arrival - media
        if self._anchor is None or abs(delay - self._anchor) > JUMP or delay < self._anchor:
            self._anchor = delay
        place = media + self._anchor
        self._anchor += (delay - self._anchor) >> _LEAK  # follows a sender that is slow
        return place

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
