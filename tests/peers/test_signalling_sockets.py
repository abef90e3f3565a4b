"""The transports over real sockets: framing, reuse, limits, names. No calls here."""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field

import pytest

from onrecord.core.clock import SystemClock
from onrecord.metrics import SIP_REJECTED
from onrecord.signalling.datagrams import Datagrams, bound_udp
from onrecord.signalling.names import Names
from onrecord.signalling.refusals import Refusals
from onrecord.signalling.streams import StreamLimits, Streams
from onrecord.sip.peers import Peer

HOST = "127.0.0.1"


def message(body=b""):
    return b"OPTIONS sip:x SIP/2.0\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def until(true, seconds=5):
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


@dataclass
class End:
    """One side: its streams, and what came of them."""

    limits: StreamLimits
    got: list = field(default_factory=list)
    failed: list = field(default_factory=list)

    async def __aenter__(self):
        self.socket = socket.create_server((HOST, 0))
        self.port = self.socket.getsockname()[1]
        self.streams = Streams(
            lambda data, peer: self.got.append((data, peer)),
            self.failed.append,
            SystemClock(),
            self.limits,
        )
        await self.streams.start(self.socket)
        return self

    async def __aexit__(self, *_):
        await self.streams.close()


def end(**limits):
    return End(StreamLimits(**limits))


def refused(reason):
    return SIP_REJECTED.labels(reason=reason)._value.get()


async def test_one_connection_serves_both_ways():
    async with end() as a, end() as b:
        to_b = Peer("TCP", HOST, b.port)
        for body in (b"one", b"two", b"x" * 30_000):
            a.streams.send(message(body), HOST, to_b)
        await until(lambda: len(b.got) == 3)
        assert [data for data, _ in b.got] == [message(x) for x in (b"one", b"two", b"x" * 30_000)]
        back = b.got[0][1]
        assert back.flow > 0
        b.streams.send(message(b"reply"), HOST, back)
        b.streams.send(message(b"by address"), HOST, Peer("TCP", back.host, back.port))
        await until(lambda: len(a.got) == 2)
        assert (a.streams.connections, b.streams.connections) == (1, 1)


async def test_a_closed_flow_is_replaced_by_a_new_connection():
    async with end() as a, end() as b:
        a.streams.send(message(b"1"), HOST, Peer("TCP", HOST, b.port))
        await until(lambda: b.got)
        flow = b.got[0][1].flow
        for connection in list(a.streams._flows.values()):
            connection.close()
        await until(lambda: not b.streams.connections)
        b.streams.send(message(b"2"), HOST, Peer("TCP", HOST, a.port, flow))
        await until(lambda: a.got)
        assert a.got[0][0] == message(b"2")


async def test_nobody_listens():
    with socket.socket() as closed:
        closed.bind((HOST, 0))
        port = closed.getsockname()[1]
        async with end() as a:
            peer = Peer("TCP", HOST, port)
            a.streams.send(message(), HOST, peer)
            a.streams.send(message(), HOST, peer)
            await until(lambda: a.failed)
            assert a.failed == [peer]
            a.streams.send(message(), HOST, Peer("TCP", HOST, 0))
            await until(lambda: len(a.failed) == 2)


async def test_messages_split_anywhere_and_keepalives():
    async with end() as a:
        reader, writer = await asyncio.open_connection(HOST, a.port)
        for byte in message(b"slow"):
            writer.write(bytes([byte]))
            await writer.drain()
        writer.write(b"\r\n\r\n" + message(b"next"))
        await until(lambda: len(a.got) == 2)
        assert [data for data, _ in a.got] == [message(b"slow"), message(b"next")]
        assert await asyncio.wait_for(reader.read(10), 5) == b"\r\n"
        writer.close()
        await until(lambda: not a.streams.connections)


@pytest.mark.parametrize("sent", [b"\x16\x03\x01 no SIP\r\n\r\n", b"x" * 200_000])
async def test_a_stream_without_framing_is_cut(sent):
    before = refused("tcp_framing")
    async with end() as a:
        reader, writer = await asyncio.open_connection(HOST, a.port)
        writer.write(sent)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(10), 5) == b""
        writer.close()
        await until(lambda: not a.streams.connections)
    assert a.got == []
    assert refused("tcp_framing") == before + 1


async def test_too_many_connections():
    before = refused("tcp_connections")
    async with end(max_connections=2) as a:
        pairs = [await asyncio.open_connection(HOST, a.port) for _ in range(3)]
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(pairs[2][0].readexactly(1), 5)
        assert a.streams.connections == 2
        for _, writer in pairs:
            writer.close()
        await until(lambda: not a.streams.connections)
    assert refused("tcp_connections") == before + 1


async def test_a_message_that_never_ends_and_an_idle_connection():
    async with end(partial_secs=0.1, idle_secs=0.4) as a:
        _, slow = await asyncio.open_connection(HOST, a.port)
        reader, idle = await asyncio.open_connection(HOST, a.port)
        idle.write(message())

        async def drip():
            while not slow.is_closing():
                slow.write(b"A: b\r\n")
                await asyncio.sleep(0.02)

        task = asyncio.create_task(drip())
        await until(lambda: a.streams.connections == 1)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert a.streams.connections == 0
        slow.close()
        idle.close()
        await task


async def test_a_peer_that_does_not_read_is_cut():
    before = refused("tcp_unread")
    async with end(max_unsent_bytes=100_000) as a:
        reader, writer = await asyncio.open_connection(HOST, a.port, limit=1000)
        writer.write(message())
        await until(lambda: a.got)
        peer = a.got[0][1]
        for _ in range(400):
            if not a.streams.connections:
                break
            a.streams.send(message(b"x" * 60_000), HOST, peer)
            await asyncio.sleep(0)
        assert refused("tcp_unread") == before + 1
        writer.transport.abort()


async def test_datagrams():
    got = []
    one, other = Datagrams(lambda *m: got.append(m)), Datagrams(lambda *m: got.append(m))
    sockets = [bound_udp(HOST, 0, socket.AF_INET) for _ in range(2)]
    ports = [s.getsockname()[1] for s in sockets]
    assert not one.send(b"early", HOST, ports[1])
    await one.start(sockets[0])
    await other.start(sockets[1])
    assert one.send(b"hello", HOST, ports[1])
    await until(lambda: got)
    assert got == [(b"hello", Peer("UDP", HOST, ports[0]))]
    assert not one.send(b"x" * 70_000, HOST, ports[1])
    assert not one.send(b"x", HOST, 0)
    assert one.send(b"again", HOST, ports[1])
    await one.close()
    await other.close()
    assert not one.send(b"late", HOST, ports[1])


async def test_names():
    names = Names(SystemClock(), socket.AF_INET)
    got = []
    names.lookup("192.0.2.1", got.append)
    assert got == ["192.0.2.1"]
    for _ in range(2):
        names.lookup("localhost", got.append)
    assert len(got) == 1
    await until(lambda: len(got) == 3)
    names.lookup("localhost", got.append)
    assert got[1:] == [HOST] * 3
    for wrong in ("no-such-host.invalid", "a" * 64 + ".example", "", "a..b"):
        names.lookup(wrong, got.append)
        await until(lambda: got[-1] is None, 10)
        got.append("-")
    names.lookup("never-answered.invalid", got.append)
    await names.close()
    assert got[-1] == "-"


def test_refusals_are_counted_and_logged_once_a_second(capsys):
    import structlog

    with structlog.testing.capture_logs() as logs:
        refusals = Refusals()
        for n in range(5):
            refusals.add("test", "192.0.2.1:5060", n)
        refusals.add("test", "192.0.2.1:5060", 10**9)
        refusals.add("other", "192.0.2.1:5060", 10**9)
    assert [(line["reason"], line["count"]) for line in logs] == [
        ("test", 1),
        ("test", 5),
        ("other", 1),
    ]
    assert refused("test") == 6
