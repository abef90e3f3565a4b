"""SIP over UDP (RFC 3261 §18): one socket for everything that comes and goes."""

import asyncio
import socket
from collections.abc import Callable

from onrecord.sip.peers import Peer

RECEIVE_BUFFER_BYTES = 4 << 20
"""Asked for; the kernel grants up to ``net.core.rmem_max``. Holds a burst of a thousand INVITEs."""

_FLUSH_SECS = 1.0

Deliver = Callable[[bytes, Peer], None]


class Datagrams(asyncio.DatagramProtocol):
    """Turns datagrams into messages and back."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._transport: asyncio.DatagramTransport | None = None
        self._refused = False
        self._released = asyncio.Event()

    async def start(self, bound: socket.socket) -> None:
        """Read from and write to ``bound`` until ``close``."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=bound)

    async def close(self) -> None:
        """Send what waits and release the port; returns when it is free."""
        if self._transport is None:
            return
        self._transport.close()
        try:
            async with asyncio.timeout(_FLUSH_SECS):
                await self._released.wait()
        except TimeoutError:
            self._transport.abort()

    def send(self, data: bytes, address: str, port: int) -> bool:
        """Send one datagram; False when the system cannot."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._refused = False
        try:
            self._transport.sendto(data, (address, port))
        except (OSError, ValueError, OverflowError):
            return False
        return not self._refused

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        """Called by the event loop."""
        self._deliver(data, Peer("UDP", str(addr[0]), addr[1]))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """The socket is closed."""
        self._released.set()

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002 -- asyncio's signature
        """The system did not take what is being sent; asyncio tells it here and not by raising."""
        self._refused = True


def bound_udp(host: str, port: int, family: socket.AddressFamily) -> socket.socket:
    """A UDP socket on ``host``.

    Raises:
        OSError: the port is taken.
    """
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        opened.bind((host, port))
    except OSError:
        opened.close()
        raise
    return opened
