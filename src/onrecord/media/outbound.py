"""What a leg is sent: one RTP stream of our own, whatever feeds it (RFC 3550 §7.1, §7.3).

The peer sees one SSRC with sequence numbers and timestamps that follow each other, while sources
come and go: relayed packets of another leg, what is played, digits, and silence when there is
nothing else.
"""

import struct
from collections.abc import Mapping

from onrecord.audio.payloads import silent_payload
from onrecord.core.units import NS_PER_MS, NS_PER_S
from onrecord.media.route import Mapped
from onrecord.rtp.header import FIXED_HEADER_BYTES, build_packet
from onrecord.sdp.negotiation import Media

SILENT_FRAME_NS = 20 * NS_PER_MS

_HEADER = struct.Struct("!BBHII")
_PLAIN = 0x80
"""First octet of a header without padding, extension and CSRC list."""
_GAP_NS = 60 * NS_PER_MS
"""After so long without a packet the next one begins a talkspurt: marker, and real time."""


class OutboundStream:
    """Sequence and timestamp space of one leg's outbound stream; it sends nothing itself."""

    def __init__(self, ssrc: int, sequence: int, timestamp: int) -> None:
        """Random start values (RFC 3550 §5.1) come from the caller."""
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self.clock_rate = 8000
        self.last_sent_ns = 0
        self._sequence = sequence
        self._timestamp = timestamp
        self._timestamp_ns = 0
        self._source: int | None = None
        self._sequence_offset = 0
        self._timestamp_offset = 0

    def renew(self) -> None:
        """What is relayed next is numbered anew where it comes from: it follows what was sent last."""
        self._source = None

    def relayed(
        self, packet: memoryview, mapping: Mapping[int, Mapped], now_ns: int
    ) -> bytes | None:
        """A packet of another leg as the next of this stream; None when it cannot be passed on.

        Losses and reordering of the source stay visible to the receiver. Never raises on content.
        """
        if len(packet) < FIXED_HEADER_BYTES:
            return None
        first, second, sequence, timestamp, source = _HEADER.unpack_from(packet)
        mapped = mapping.get(second & 0x7F)
        payload = packet[FIXED_HEADER_BYTES:] if first == _PLAIN else payload_of(packet, first)
        if mapped is None or payload is None:
            # Taken out of the sequence, so that the receiver does not see a loss.
            self._sequence_offset -= 1
            return None
        marker = second & 0x80
        if source != self._source or not (mapped.event or self._follows(timestamp, now_ns)):
            self._anchor(source, sequence, timestamp, now_ns)
            marker = 0x80
        sequence = sequence + self._sequence_offset & 0xFFFF
        timestamp = timestamp + self._timestamp_offset & 0xFFFFFFFF
        head = _HEADER.pack(_PLAIN, mapped.payload_type | marker, sequence, timestamp, self.ssrc)
        body = bytes(payload)
        if mapped.table is not None:
            body = body.translate(mapped.table)
        self._sent(sequence, None if mapped.event else timestamp, len(body), now_ns)
        return head + body

    def silence(self, media: Media, now_ns: int) -> bytes | None:
        """A 20 ms frame of silence as the next packet; None for a codec that we do not speak."""
        codec = media.send_codec
        payload = silent_payload(codec.name, codec.clock_rate)
        if payload is None:
            return None
        return self.frame(media.send_payload_type, payload, codec.clock_rate // 50, now_ns)

    def frame(
        self, payload_type: int, payload: bytes, samples: int, now_ns: int, *, first: bool = False
    ) -> bytes:
        """A frame of our own, ``samples`` long, as the next packet: it follows the last one, or a gap.

        ``first``: it begins something new, a talkspurt (RFC 3551 §4.1).
        """
        gap = now_ns - self._timestamp_ns > _GAP_NS
        timestamp = self.timestamp_at(now_ns) if gap else self._timestamp + samples
        timestamp &= 0xFFFFFFFF
        marker = first or gap or self._source is not None
        sequence = self._sequence + 1 & 0xFFFF
        self._source = None  # what is relayed next follows this frame
        self._sent(sequence, timestamp, len(payload), now_ns)
        return build_packet(payload_type, sequence, timestamp, self.ssrc, marker, payload)

    def event(
        self, payload_type: int, timestamp: int, payload: bytes, now_ns: int, *, marker: bool
    ) -> bytes:
        """A telephone-event of our own that began at ``timestamp``, as the next packet (RFC 4733)."""
        sequence = self._sequence + 1 & 0xFFFF
        self._source = None
        self._timestamp_ns = self._timestamp_ns or now_ns  # time goes on from the first packet
        self._sent(sequence, None, len(payload), now_ns)
        return build_packet(payload_type, sequence, timestamp, self.ssrc, marker, payload)

    def timestamp_at(self, now_ns: int) -> int:
        """The timestamp of what would be sent now: it goes on in real time since the last packet."""
        if not self._timestamp_ns:
            return self._timestamp
        elapsed = (now_ns - self._timestamp_ns) * self.clock_rate // NS_PER_S
        return self._timestamp + elapsed & 0xFFFFFFFF

    def _follows(self, timestamp: int, now_ns: int) -> bool:
        """The source's timestamp is within a second of real time: it did not begin anew."""
        distance = timestamp + self._timestamp_offset - self.timestamp_at(now_ns) & 0xFFFFFFFF
        return min(distance, (1 << 32) - distance) <= self.clock_rate

    def _anchor(self, source: int, sequence: int, timestamp: int, now_ns: int) -> None:
        self._source = source
        self._sequence_offset = self._sequence + 1 - sequence
        self._timestamp_offset = self.timestamp_at(now_ns) - timestamp

    def _sent(self, sequence: int, timestamp: int | None, octets: int, now_ns: int) -> None:
        if (sequence - self._sequence & 0xFFFF) < 0x8000:  # a packet in order, not a late one
            self._sequence = sequence
            if timestamp is not None:
                self._timestamp = timestamp
                self._timestamp_ns = now_ns
        self.last_sent_ns = now_ns
        self.packets += 1
        self.octets += octets


def payload_of(packet: memoryview, first: int) -> memoryview | None:
    """The payload behind CSRC list and extension and before padding; None for no RTP."""
    start = FIXED_HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if start + 4 > len(packet):
            return None
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    padding = packet[-1] if first & 0x20 else 0
    end = len(packet) - padding
    valid = first >> 6 == 2 and start <= end and not (first & 0x20 and not padding)
    return packet[start:end] if valid else None
