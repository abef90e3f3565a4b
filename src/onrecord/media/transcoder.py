"""Audio of one leg for another whose codec no table leads to: decoded, resampled and encoded."""

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.payloads import (
    FRAMES_MS,
    OPUS_FRAMES_MS,
    BadPayloadError,
    PayloadDecoder,
    Resampler,
    make_decoder,
    make_encoder,
    sample_rate,
)
from onrecord.media.outbound import payload_of
from onrecord.rtp.header import FIXED_HEADER_BYTES, build_packet
from onrecord.sdp.codecs import L16_WIDE
from onrecord.sdp.negotiation import Codec, Media

OVERLAY = L16_WIDE
"""Codec of overlays, whatever the codec of the leg that hears them."""
LEAD_MS = 100
"""So much of an overlay waits for audio to lie over, which may come in packets of 60 ms and unevenly; what
is more is sent by itself."""

_RESTART_SECONDS = 50
"""A timestamp that is further from the last one is another stretch of the stream."""
_MOST_BYTES = 1400
"""Of a payload: a packet must fit an Ethernet frame."""


def clip_type(source: Media) -> int:
    """The payload type under which a transcoder takes clips in the target's codec: one that is free."""
    return next(number for number in range(127, 34, -1) if number not in source.payload_types)


def frame_length(codec: Codec, wanted_ms: int) -> int:
    """Milliseconds of audio in the packets that we make for somebody who asks for ``wanted_ms``."""
    lengths = OPUS_FRAMES_MS if codec.name == "OPUS" else FRAMES_MS
    per_ms = codec.clock_rate // 1000 * (2 if codec.name == "L16" else 1)
    fits = [length for length in lengths if codec.name == "OPUS" or length * per_ms <= _MOST_BYTES]
    return wanted_ms if wanted_ms in fits else 20


class Transcoder:
    """One direction of one bridge. Packets in, packets out: in the target's codec, numbering and clock,
    and as long as the target asks for where the codec has such frames.

    What a packet lost or never sent leaves out is left out of the timestamps, too. Packets that come
    behind later ones are dropped: the codecs need them in order. An overlay is added to the samples.
    Clips that are played to the target may go through it, too (:func:`clip_type`).
    """

    def __init__(self, source: Media, target: Media, salt: int = 0) -> None:
        """``salt`` goes into the SSRC of what comes out, so that no two directions have the same."""
        self._salt = salt
        self._codecs = {**source.payload_types, clip_type(source): target.send_codec}
        self._type, self._codec = target.send_payload_type, target.send_codec
        self._event_type = target.telephone_event_payload_type
        self._event_codec = target.payload_types.get(self._event_type or -1)
        self._rate = sample_rate(self._codec.name, self._codec.clock_rate)
        frame_ms = frame_length(self._codec, target.ptime_ms)
        self._frame = self._rate * frame_ms // 1000
        self._step = self._codec.clock_rate * frame_ms // 1000
        self._encoder = make_encoder(self._codec.name, frame_ms)
        self._decoders: dict[int, tuple[PayloadDecoder, Resampler]] = {}
        self._waiting = np.empty(0, np.int16)
        self._over = np.empty(0, np.int16)
        """What of the overlay has not been sent."""
        self._widened = Resampler(OVERLAY.clock_rate, self._rate)
        self._alone = 0
        """How long, in the target's clock, the overlay has been sent by itself."""
        self._source: int | None = None
        self._sequence = 0
        self._next = 0
        """Timestamp of the source that is expected next."""
        self._made = 0
        """Packets that have come out."""
        self._time = 0
        """Timestamp of what is made next, in the target's clock."""
        self._marker = False
        """What is made next begins a talkspurt (RFC 3551 §4.1)."""

    def take(self, packet: bytes) -> list[bytes]:
        """What comes out with this packet; nothing for one that is no audio. Never raises on content."""
        view = memoryview(packet)
        payload = payload_of(view, view[0]) if len(view) >= FIXED_HEADER_BYTES else None
        codec = self._codecs.get(view[1] & 0x7F) if payload is not None else None
        if payload is None or codec is None:
            return []
        sequence, timestamp, source = (
            int.from_bytes(view[a:b], "big") for a, b in ((2, 4), (4, 8), (8, 12))
        )
        if source != self._source:
            self._restart(source, timestamp)
        elif not 0 < (sequence - self._sequence & 0xFFFF) < 0x8000:
            return []
        self._sequence = sequence
        if codec.is_event:
            return self._event(codec, timestamp, bytes(payload), marker=view[1] & 0x80)
        self._marker = self._marker or bool(view[1] & 0x80)
        return self._audio(view[1] & 0x7F, codec, timestamp, bytes(payload))

    def overlay(self, payload: bytes) -> list[bytes]:
        """Let a frame in :data:`OVERLAY` lie over the audio; what comes out when there is none to wait for."""
        samples = self._widened.resample(make_decoder(OVERLAY.name).decode(payload))
        self._over = np.concatenate([self._over, samples])
        made = []
        while len(self._over) > self._rate * LEAD_MS // 1000:
            missing = max(self._frame - len(self._waiting), 0)
            self._waiting = np.pad(self._waiting, (0, missing))
            self._alone += missing * self._step // self._frame
            made += self._frames()
        return made

    def _restart(self, source: int, timestamp: int) -> None:
        self._source, self._next, self._alone = source, timestamp, 0
        self._waiting = np.empty(0, np.int16)

    def _audio(self, number: int, codec: Codec, timestamp: int, payload: bytes) -> list[bytes]:
        gap = self._signed(timestamp - self._next) * self._codec.clock_rate // codec.clock_rate
        if gap:
            # The rest of a frame before the gap is less than a frame.
            self._waiting = np.empty(0, np.int16)
            near = abs(gap) < _RESTART_SECONDS * self._codec.clock_rate
            # What an overlay has filled of the gap is in the timestamps already.
            self._time += max(gap - self._alone, 0) if near and gap > 0 else gap if near else 0
            self._alone = 0
        try:
            samples, length = self._decoded(number, codec, payload)
        except BadPayloadError:
            return []
        self._next = timestamp + length & 0xFFFFFFFF
        self._waiting = np.concatenate([self._waiting, samples])
        return self._frames()

    def _frames(self) -> list[bytes]:
        """The packets of the whole frames that wait."""
        made = []
        while len(self._waiting) >= self._frame:
            frame, self._waiting = self._waiting[: self._frame], self._waiting[self._frame :]
            encoded = self._encoder.encode(self._mixed(frame))
            if encoded:
                made.append(self._packet(self._type, self._time, encoded, marker=self._marker))
                self._marker = False
            self._time += self._step
        return made

    def _mixed(self, frame: NDArray[np.int16]) -> NDArray[np.int16]:
        """The frame with what is next of the overlay, cut off at full scale."""
        over, self._over = self._over[: len(frame)], self._over[len(frame) :]
        if not len(over):
            return frame
        total = frame.astype(np.int32)
        total[: len(over)] += over
        return np.clip(total, -32768, 32767).astype(np.int16)

    def _decoded(self, number: int, codec: Codec, payload: bytes) -> tuple[NDArray[np.int16], int]:
        """Samples at the target's rate, and how far the source's clock goes with them."""
        rate = sample_rate(codec.name, codec.clock_rate)
        new = number not in self._decoders
        if new:
            self._decoders[number] = make_decoder(codec.name), Resampler(rate, self._rate)
        decoder, resampler = self._decoders[number]
        samples = decoder.decode(payload)
        made = resampler.resample(samples)
        if new:
            # What a resampler keeps back is made up for with silence, lest each frame wait for the next.
            made = np.pad(made, (max(len(samples) * self._rate // rate - len(made), 0), 0))
        return made, len(samples) * codec.clock_rate // rate

    def _event(self, codec: Codec, timestamp: int, payload: bytes, marker: int) -> list[bytes]:
        """A telephone-event in the target's clock (RFC 4733 §2.3): its duration is counted in it."""
        if self._event_type is None or len(payload) < 4:
            return []
        rate = self._event_codec.clock_rate if self._event_codec is not None else codec.clock_rate
        duration = int.from_bytes(payload[2:4], "big") * rate // codec.clock_rate
        body = payload[:2] + min(duration, 0xFFFF).to_bytes(2, "big")
        since = self._signed(timestamp - self._next) * self._codec.clock_rate // codec.clock_rate
        return [self._packet(self._event_type, self._time + since, body, marker=bool(marker))]

    def _packet(self, number: int, time: int, payload: bytes, *, marker: bool = False) -> bytes:
        self._made += 1
        sequence, timestamp = self._made & 0xFFFF, time & 0xFFFFFFFF
        source = (self._source or 0) ^ self._salt
        return build_packet(number, sequence, timestamp, source, marker, payload)

    @staticmethod
    def _signed(distance: int) -> int:
        return (distance + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
