"""Pairs of UDP ports out of a range: an even one for RTP and the odd one behind it for RTCP."""

import contextlib
import socket
from dataclasses import dataclass

from onrecord.core.errors import CapacityError
from onrecord.media.sockets import bind_udp


@dataclass(frozen=True, slots=True)
class PortPair:
    """Two bound sockets."""

    port: int
    rtp: socket.socket
    rtcp: socket.socket

    def close(self) -> None:
        """Close both."""
        self.rtp.close()
        self.rtcp.close()


class PortPairs:
    """Hands out pairs in turn, so that a port that was freed rests as long as may be."""

    def __init__(self, host: str, ports: range) -> None:
        """``ports`` are even numbers whose odd neighbours may be used too."""
        self._host = host
        self._ports = ports
        self._next = 0
        self._taken: set[int] = set()

    def take(self) -> PortPair:
        """The next free pair, bound; pairs that other programs hold are passed over.

        Raises:
            CapacityError: no pair of the range is free.
        """
        for _ in range(len(self._ports)):
            port = self._ports[self._next]
            self._next = (self._next + 1) % len(self._ports)
            if port not in self._taken:
                with contextlib.suppress(OSError):
                    return self._bind(port)
        raise CapacityError("no free pair of RTP ports")

    def free(self, pair: PortPair) -> None:
        """Give a pair back."""
        pair.close()
        self._taken.discard(pair.port)

    def _bind(self, port: int) -> PortPair:
        rtp = bind_udp(self._host, port)
        try:
            rtcp = bind_udp(self._host, port + 1)
        except OSError:
            rtp.close()
            raise
        self._taken.add(port)
        return PortPair(port, rtp, rtcp)
