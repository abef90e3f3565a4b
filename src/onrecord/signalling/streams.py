"""SIP over TCP (RFC 3261 §18): the connections that peers opened to us and we to them.

Each connection has a number, its flow. A message that names a flow goes there while it is open;
else any connection to the address is used, or a new one opened (§18.1.1, §18.2.2).
"""

import asyncio
import itertools
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from onrecord.core.clock import Clock
from onrecord.core.errors import PeerError
from onrecord.core.units import NS_PER_S
from onrecord.signalling.refusals import Refusals
from onrecord.sip.framing import StreamFramer
from onrecord.sip.peers import Peer

_PONG = b"\r\n"  # RFC 5626 §4.4.1
_MAX_PONGS = 16
_FLUSH_SECS = 1.0

Deliver = Callable[[bytes, Peer], None]
Failed = Callable[[Peer], None]


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What a peer may take of us."""

    max_connections: int = 2_000
    max_waiting: int = 256
    """Messages that wait for one connection to open."""
    max_unsent_bytes: int = 1 << 20
    """Behind a peer that does not read; above it the connection is cut."""
    idle_secs: float = 900.0
    """Without a byte either way the connection is closed."""
    partial_secs: float = 32.0
    """Timer B of RFC 3261: a message that is not whole by then never will be."""
    connect_secs: float = 5.0


@dataclass(slots=True)
class _Opening:
    task: asyncio.Task[None]
    waiting: list[tuple[bytes, Peer]] = field(default_factory=list)


class Streams:
    """All TCP connections of one user agent."""

    def __init__(
        self, deliver: Deliver, failed: Failed, clock: Clock, limits: StreamLimits | None = None
    ) -> None:
        """``failed`` is told of a peer that no connection could be made to."""
        self.deliver = deliver
        self.clock = clock
        self.refusals = Refusals()
        self.limits = limits or StreamLimits()
        self._failed = failed
        self._flows: dict[int, Connection] = {}
        self._by_address: dict[tuple[str, int], Connection] = {}
        self._opening: dict[tuple[str, int], _Opening] = {}
        self._numbers = itertools.count(1)
        self._server: asyncio.Server | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._forgot = asyncio.Event()

    async def start(self, listening: socket.socket) -> None:
        """Accept connections on ``listening`` until ``close``."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), sock=listening)
        self._sweep_later()

    async def close(self) -> None:
        """Send what waits, close every connection and the listener."""
        if self._sweep is not None:
            self._sweep.cancel()
        if self._server is not None:
            self._server.close()
        tasks = [opening.task for opening in self._opening.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._flows.values()):
            connection.close()
        try:
            async with asyncio.timeout(_FLUSH_SECS):
                while self._flows:
                    self._forgot.clear()
                    await self._forgot.wait()
        except TimeoutError:
            for connection in list(self._flows.values()):
                connection.abort()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._flows)

    def send(self, data: bytes, address: str, peer: Peer) -> None:
        """Send one message to ``peer``, whose host has ``address``; trouble is told to ``failed``."""
        key = address, peer.port
        connection = self._flows.get(peer.flow) or self._by_address.get(key)
        if connection is not None and connection.open:
            connection.send(data)
            return
        if key not in self._opening:
            task = asyncio.get_running_loop().create_task(self._open(*key))
            self._opening[key] = _Opening(task)
        waiting = self._opening[key].waiting
        if len(waiting) < self.limits.max_waiting:
            waiting.append((data, peer))
        else:
            self.refuse("tcp_waiting", peer)

    def admit(self, connection: "Connection", address: str, port: int) -> int:
        """Number a connection that is open; 0 when there are too many."""
        if len(self._flows) >= self.limits.max_connections:
            self.refuse("tcp_connections", Peer("TCP", address, port))
            return 0
        flow = next(self._numbers)
        self._flows[flow] = connection
        self._by_address[address, port] = connection
        return flow

    def forget(self, connection: "Connection", address: str, port: int, flow: int) -> None:
        """A connection is closed."""
        self._flows.pop(flow, None)
        if self._by_address.get((address, port)) is connection:
            del self._by_address[address, port]
        self._forgot.set()

    def refuse(self, reason: str, peer: Peer) -> None:
        """Count something that is not taken."""
        self.refusals.add(reason, str(peer), self.clock.monotonic_ns())

    async def _open(self, address: str, port: int) -> None:
        connection = Connection(self)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.limits.connect_secs):
                await loop.create_connection(lambda: connection, address, port)
        except (OSError, OverflowError):  # TimeoutError is an OSError
            pass
        waiting = self._opening.pop((address, port)).waiting
        if connection.open:
            for data, _ in waiting:
                connection.send(data)
        else:
            for peer in dict.fromkeys(peer for _, peer in waiting):
                self._failed(peer)

    def _sweep_later(self) -> None:
        pause = min(self.limits.idle_secs, self.limits.partial_secs) / 4
        self._sweep = asyncio.get_running_loop().call_later(pause, self._close_stale)

    def _close_stale(self) -> None:
        now_ns = self.clock.monotonic_ns()
        for connection in list(self._flows.values()):
            connection.close_if_stale(now_ns)
        self._sweep_later()


class Connection(asyncio.Protocol):
    """One TCP connection; the event loop calls it."""

    def __init__(self, owner: Streams) -> None:
        self._owner = owner
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._peer = Peer("TCP", "", 0)
        self._active_ns = owner.clock.monotonic_ns()
        self._partial_ns: int | None = None

    @property
    def open(self) -> bool:
        """True from its admission until it begins to close."""
        transport = self._transport
        return self._peer.flow > 0 and transport is not None and not transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Number the connection, or cut it when there are too many."""
        # A cast and no check: the transports of uvloop do not derive from asyncio.Transport.
        self._transport = stream = cast("asyncio.Transport", transport)
        address, port = (stream.get_extra_info("peername") or ("", 0))[:2]
        flow = self._owner.admit(self, address, port)
        self._peer = Peer("TCP", address, port, flow)
        if not flow:
            stream.abort()

    def data_received(self, data: bytes) -> None:
        """Deliver the messages that are whole; cut the connection where framing is lost."""
        self._active_ns = self._owner.clock.monotonic_ns()
        try:
            messages = self._framer.feed(data)
        except PeerError:
            self._cut("tcp_framing")
            return
        pings = self._framer.take_pings()
        if pings:
            self.send(_PONG * min(pings, _MAX_PONGS))
        if messages or pings:
            self._partial_ns = None
        elif self._partial_ns is None:
            self._partial_ns = self._active_ns
        for message in messages:
            self._owner.deliver(message, self._peer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """Forget the number."""
        peer = self._peer
        self._owner.forget(self, peer.host, peer.port, peer.flow)

    def send(self, data: bytes) -> None:
        """Write; a peer that does not read is cut off."""
        if self._transport is None or self._transport.is_closing():
            return
        self._active_ns = self._owner.clock.monotonic_ns()
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._owner.limits.max_unsent_bytes:
            self._cut("tcp_unread")

    def close(self) -> None:
        """Close after what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; what was written may be lost."""
        if self._transport is not None:
            self._transport.abort()

    def close_if_stale(self, now_ns: int) -> None:
        """Close what is idle, or has waited too long for the rest of a message."""
        limits = self._owner.limits
        since_ns = self._partial_ns
        if since_ns is not None and now_ns - since_ns > limits.partial_secs * NS_PER_S:
            self._cut("tcp_partial")
        elif now_ns - self._active_ns > limits.idle_secs * NS_PER_S:
            self.close()

    def _cut(self, reason: str) -> None:
        self._owner.refuse(reason, self._peer)
        self.abort()
