"""Digits as telephone-events (RFC 4733): four bytes of payload, repeated while the key is down.

::

     0                   1                   2                   3
    +---------------+-+-+-----------+-------------------------------+
    |     event     |E|R|  volume   |           duration            |
    +---------------+-+-+-----------+-------------------------------+

All packets of one event carry the timestamp of its beginning; the duration grows (§2.3).
"""

import struct

DIGITS = "0123456789*#ABCD"
"""The digit of each event code from 0 on (RFC 4733 §3.2)."""
LONGEST_SEGMENT = 0xFFFF
"""A longer event goes on with a new timestamp, so many units later (§2.5.1.3)."""

_PAYLOAD = struct.Struct("!BBH")
_END = 0x80
_VOLUME = 10
"""Power of the tone, -dBm0."""


def event_payload(digit: str, duration: int, *, ended: bool) -> bytes:
    """The payload of one packet.

    Args:
        digit: One of ``DIGITS``.
        duration: Since the beginning of the event, timestamp units, 0 to 65535.
        ended: The key is up again.
    """
    return _PAYLOAD.pack(DIGITS.index(digit), (_END if ended else 0) | _VOLUME, duration)


class EventListener:
    """Tells digits from the packets of one received stream: each once, however often it is sent."""

    def __init__(self) -> None:
        self._ssrc: int | None = None
        self._timestamp = 0
        self._code = 0
        self._ended = False

    def read(self, ssrc: int, timestamp: int, payload: bytes) -> str | None:
        """The digit that begins with this packet, or None; never raises on content.

        A packet of an event that is known, or of an earlier one, says nothing new. Of an event whose
        first packets were lost any later packet tells the digit.
        """
        if len(payload) < _PAYLOAD.size:
            return None
        code, flags, _ = _PAYLOAD.unpack_from(payload)
        if code >= len(DIGITS):
            return None
        if ssrc == self._ssrc:
            distance = timestamp - self._timestamp & 0xFFFFFFFF
            if distance == 0:
                self._ended = self._ended or bool(flags & _END)
                return None
            if distance > 1 << 31:
                return None
            segment = distance == LONGEST_SEGMENT and code == self._code and not self._ended
        else:
            segment = False
        self._ssrc, self._timestamp, self._code = ssrc, timestamp, code
        self._ended = bool(flags & _END)
        return None if segment else DIGITS[code]
