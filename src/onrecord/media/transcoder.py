"""Audio of one leg for another whose codec no table leads to: decoded, resampled and encoded."""

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.payloads import (
    FRAMES_PER_SECOND,
    BadPayloadError,
    PayloadDecoder,
    Resampler,
    make_decoder,
    make_encoder,
    sample_rate,
)
from onrecord.media.outbound import payload_of
from onrecord.rtp.header import FIXED_HEADER_BYTES, build_packet
from onrecord.sdp.negotiation import Codec, Media

_RESTART_FRAMES = 50
"""A timestamp that is further from the last one is another stretch of the stream."""


class Transcoder:
    """One direction of one bridge. Packets in, packets out: in the target's codec, numbering and clock.

    What a packet lost or never sent leaves out is left out of the timestamps, too. Packets that come
    behind later ones are dropped: the codecs need them in order.
    """

    def __init__(self, source: Media, target: Media) -> None:
        self._codecs = source.payload_types
        self._type, self._codec = target.send_payload_type, target.send_codec
        self._event_type = target.telephone_event_payload_type
        self._event_codec = target.payload_types.get(self._event_type or -1)
        self._rate = sample_rate(self._codec.name, self._codec.clock_rate)
        self._frame = self._rate // FRAMES_PER_SECOND
        self._encoder = make_encoder(self._codec.name)
        self._decoders: dict[int, tuple[PayloadDecoder, Resampler]] = {}
        self._waiting = np.empty(0, np.int16)
        self._source: int | None = None
        self._sequence = 0
        self._next = 0
        """Timestamp of the source that is expected next."""
        self._made = 0
        """Packets that have come out."""
        self._time = 0
        """Timestamp of what is made next, in the target's clock."""

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
        return self._audio(view[1] & 0x7F, codec, timestamp, bytes(payload))

    def _restart(self, source: int, timestamp: int) -> None:
        self._source, self._next = source, timestamp
        self._waiting = np.empty(0, np.int16)

    def _audio(self, number: int, codec: Codec, timestamp: int, payload: bytes) -> list[bytes]:
        gap = self._signed(timestamp - self._next) * self._codec.clock_rate // codec.clock_rate
        if gap:
            # The rest of a frame before the gap is less than 20 ms.
            self._waiting = np.empty(0, np.int16)
            near = abs(gap) < _RESTART_FRAMES * self._codec.clock_rate
            self._time += gap if near else 0
        try:
            samples, length = self._decoded(number, codec, payload)
        except BadPayloadError:
            return []
        self._next = timestamp + length & 0xFFFFFFFF
        self._waiting = np.concatenate([self._waiting, samples])
        made = []
        while len(self._waiting) >= self._frame:
            frame, self._waiting = self._waiting[: self._frame], self._waiting[self._frame :]
            encoded = self._encoder.encode(frame)
            if encoded:
                made.append(self._packet(self._type, self._time, encoded))
            self._time += self._codec.clock_rate // FRAMES_PER_SECOND
        return made

    def _decoded(self, number: int, codec: Codec, payload: bytes) -> tuple[NDArray[np.int16], int]:
        """Samples at the target's rate, and how far the source's clock goes with them."""
        if number not in self._decoders:
            rate = sample_rate(codec.name, codec.clock_rate)
            self._decoders[number] = make_decoder(codec.name), Resampler(rate, self._rate)
        decoder, resampler = self._decoders[number]
        samples = decoder.decode(payload)
        length = len(samples) * codec.clock_rate // sample_rate(codec.name, codec.clock_rate)
        return resampler.resample(samples), length

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
        return build_packet(number, sequence, timestamp, self._source or 0, marker, payload)

    @staticmethod
    def _signed(distance: int) -> int:
        return (distance + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
