"""One sent RTP stream, with the faults that a hard stream has. Pure: frames in, datagrams out.

Frames are numbered from 0, one each 20 ms, whether or not they are sent.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from onrecord.rtp.header import build_packet

FRAME_SAMPLES = 160
"""20 ms at 8 kHz."""
_SSRC_STEP = 0x01234567
_SEQUENCE_STEP = 0x3039
_TIMESTAMP_STEP = 0x00BC614E


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong with a stream, by frame number."""

    drop: frozenset[int] = frozenset()
    """Packets that the network loses: their sequence number is used up."""
    drop_rate: float = 0.0
    """Share of further packets lost at random, 0 to 1."""
    seed: int = 0
    """Of the random losses."""
    duplicate: frozenset[int] = frozenset()
    """Packets that arrive twice."""
    late: frozenset[int] = frozenset()
    """Packets that arrive after the next one."""
    pauses: tuple[range, ...] = ()
    """Frames that are never sent (DTX): time goes on, the sequence does not."""
    timestamp_jumps: Mapping[int, int] = field(default_factory=dict)
    """Samples added to the timestamp from a frame on; negative goes back."""
    sequence_jumps: Mapping[int, int] = field(default_factory=dict)
    """Added to the sequence number from a frame on."""
    new_ssrc: frozenset[int] = frozenset()
    """Frames from which another source sends: its own SSRC, sequence and timestamp."""
    clock_ppm: float = 0.0
    """How much faster than true the sender's clock goes, parts per million."""


class Packetiser:
    """Numbers the packets of one stream (RFC 3550 §5.1)."""

    def __init__(self, faults: Faults, ssrc: int, sequence: int, timestamp: int) -> None:
        """The first values of the three counters; they wrap at their width."""
        self._faults = faults
        self._ssrc = ssrc
        self._sequence = sequence
        self._timestamp = timestamp
        self._number = 0
        self._talking = False
        self._held: bytes | None = None
        self._event_timestamp = 0
        self._random = random.Random(faults.seed)  # noqa: S311 -- repeatable losses, no secret

    def frame(
        self, payload_type: int, payload: bytes | None, step: int = FRAME_SAMPLES
    ) -> list[bytes]:
        """The datagrams to send for the next frame, in order; None is a frame without sound (DTX).

        ``step`` is how far the codec's clock goes in 20 ms.
        """
        faults, number = self._faults, self._number
        self._number += 1
        self._jump(number)
        before, self._held = self._held, None
        if payload is None or any(number in pause for pause in faults.pauses):
            self._talking = False
            self._timestamp += step
            return [before] if before else []
        packet = self._packet(payload_type, payload, step)
        sent = [] if self._lost(number) else [packet] * (1 + (number in faults.duplicate))
        if sent and number in faults.late:
            self._held = sent.pop()
        return [*sent, before] if before else sent

    def event(self, payload_type: int, payload: bytes, step: int, *, first: bool) -> list[bytes]:
        """The datagrams to send for the next frame when it is one of a telephone-event (RFC 4733)."""
        number = self._number
        self._number += 1
        if first:
            self._event_timestamp = self._timestamp
        packet = build_packet(
            payload_type, self._sequence, self._event_timestamp, self._ssrc, first, payload
        )
        self._talking = False
        self._sequence += 1
        self._timestamp += step
        return [] if self._lost(number) else [packet]

    def _packet(self, payload_type: int, payload: bytes, step: int) -> bytes:
        # the marker begins a talkspurt (RFC 3551 §4.1)
        packet = build_packet(
            payload_type, self._sequence, self._timestamp, self._ssrc, not self._talking, payload
        )
        self._talking = True
        self._sequence += 1
        self._timestamp += step
        return packet

    def _jump(self, number: int) -> None:
        if number in self._faults.new_ssrc:
            self._ssrc += _SSRC_STEP
            self._sequence += _SEQUENCE_STEP
            self._timestamp += _TIMESTAMP_STEP
        self._timestamp += self._faults.timestamp_jumps.get(number, 0)
        self._sequence += self._faults.sequence_jumps.get(number, 0)

    def _lost(self, number: int) -> bool:
        # drawn for every packet, so that other faults do not shift the pattern
        unlucky = self._random.random() < self._faults.drop_rate
        return unlucky or number in self._faults.drop
