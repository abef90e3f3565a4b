"""Messages out of a TCP stream (RFC 3261 §18.3), and its keep-alives (RFC 5626 §3.5.1)."""

import re

from onrecord.sip.headers import SipSyntaxError
from onrecord.sip.message import MAX_MESSAGE_BYTES

_END = b"\r\n\r\n"
_UNDECIDED = (bytearray(), bytearray(b"\r"))
"""What may follow one CRLF before it is known to be half a ping."""
_LENGTH = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*:(?:[ \t]|\r\n[ \t])*([0-9]{1,9})[ \t]*(?=\r\n)", re.IGNORECASE
)


class StreamFramer:
    """Cuts one connection's bytes into messages. After an error the connection must be closed."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._pings = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The messages completed by ``data``, however the stream was split.

        Raises:
            SipSyntaxError: headers or body too long, or no usable Content-Length: the end of the
                message cannot be known.
        """
        self._buffer += data
        messages = []
        while (message := self._take()) is not None:
            messages.append(message)
        return messages

    def take_pings(self) -> int:
        """Keep-alives since the last call; each is to be answered with one CRLF."""
        pings, self._pings = self._pings, 0
        return pings

    def _take(self) -> bytes | None:
        self._skip_keepalives()
        end = self._buffer.find(_END, max(self._searched - len(_END), 0))
        if end < 0:
            self._searched = len(self._buffer)
            if self._searched > MAX_MESSAGE_BYTES:
                raise SipSyntaxError("message too long")
            return None
        size = end + len(_END) + _content_length(bytes(self._buffer[: end + len(_END)]))
        if size > MAX_MESSAGE_BYTES:
            raise SipSyntaxError("message too long")
        if len(self._buffer) < size:
            return None
        message = bytes(self._buffer[:size])
        self._drop(size)
        return message

    def _skip_keepalives(self) -> None:
        while self._buffer.startswith(_END):
            self._pings += 1
            self._drop(len(_END))
        while self._buffer[:2] == b"\r\n" and self._buffer[2:3] not in _UNDECIDED:
            self._drop(2)

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._searched = 0


def _content_length(head: bytes) -> int:
    found = set(_LENGTH.findall(head))
    if len(found) != 1:
        raise SipSyntaxError("no usable Content-Length")
    return int(found.pop())
