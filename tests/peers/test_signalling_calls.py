"""Two of our signalling ends on real sockets: verbs in, events out."""

import asyncio
import socket

import pytest
import structlog

from onrecord.core.clock import SystemClock
from onrecord.core.errors import CapacityError
from onrecord.core.ids import LegId, new_uuid
from onrecord.signalling.edge import Signalling
from onrecord.sip.backend import (
    Answered,
    DialRequest,
    Ended,
    IncomingCall,
    OfferAnswered,
    OfferReceived,
    Ringing,
)

HOST = "127.0.0.1"


class End:
    """One side, with everything that came of it; ``react`` sees each event as it comes."""

    def __init__(self, *, bind=HOST, port=0, max_calls=10, react=None):
        self.events = []
        self.react = react
        self.changed = asyncio.Event()
        self.sip = Signalling(
            bind=bind,
            port=port,
            advertised=bind,
            max_calls=max_calls,
            on_event=self.take,
            clock=SystemClock(),
        )

    def take(self, event):
        self.events.append(event)
        self.changed.set()
        if self.react is not None:
            self.react(self, event)

    async def next(self, kind):
        """The first event of this kind; it and those before it are consumed."""
        async with asyncio.timeout(5):
            while not any(isinstance(e, kind) for e in self.events):
                self.changed.clear()
                await self.changed.wait()
        at = next(n for n, e in enumerate(self.events) if isinstance(e, kind))
        found = self.events[at]
        del self.events[: at + 1]
        return found

    async def __aenter__(self):
        await self.sip.start()
        return self

    async def __aexit__(self, *_):
        await self.sip.close()

    def dial(self, other, transport="UDP", **kwargs):
        leg = LegId(new_uuid())
        request = DialRequest(
            target=f"sip:bob@{kwargs.pop('host', HOST)}:{other.sip.port}",
            from_uri=f"sip:ann@{HOST}",
            sdp="v=0 offer",
            transport=transport,
            **kwargs,
        )
        return leg, self.sip.dial(leg, request)


async def up(a, b, transport="UDP"):
    leg, call_id = a.dial(b, transport)
    incoming = await b.next(IncomingCall)
    b.sip.answer(incoming.leg, "v=0 answer")
    assert (await a.next(Answered)) == Answered(leg, "v=0 answer")
    assert (await b.next(Answered)) == Answered(incoming.leg, None)
    return leg, incoming.leg


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_call_from_dial_to_bye(transport):
    async with End() as a, End() as b:
        leg, call_id = a.dial(b, transport, from_name="Ann", headers=(("X-One", "1"),))
        incoming = await b.next(IncomingCall)
        assert incoming.sip_call_id == call_id
        assert incoming.offer == "v=0 offer"
        assert incoming.from_name == "Ann"
        assert incoming.source.startswith(HOST)
        b.sip.ring(incoming.leg)
        assert await a.next(Ringing) == Ringing(leg)
        b.sip.answer(incoming.leg, "v=0 answer", (("X-Two", "2"),))
        assert await a.next(Answered) == Answered(leg, "v=0 answer")
        assert await b.next(Answered) == Answered(incoming.leg, None)
        b.sip.hangup(incoming.leg)
        assert await a.next(Ended) == Ended(leg, 200, True, "bye")
        assert (await b.next(Ended)).by_remote is False
        assert a.sip._streams.connections == (1 if transport == "TCP" else 0)


async def test_reject_cancel_and_reoffer():
    async with End() as a, End() as b:
        leg, _ = a.dial(b)
        b.sip.reject((await b.next(IncomingCall)).leg, 486)
        assert await a.next(Ended) == Ended(leg, 486, True, "rejected")

        leg, _ = a.dial(b)
        incoming = await b.next(IncomingCall)
        b.sip.ring(incoming.leg)
        await a.next(Ringing)
        a.sip.hangup(leg)
        assert (await b.next(Ended)).reason == "cancel"
        assert (await a.next(Ended)).by_remote is False

        mine, theirs = await up(a, b)
        a.sip.reoffer(mine, "v=0 hold")
        assert await b.next(OfferReceived) == OfferReceived(theirs, "v=0 hold")
        b.sip.accept_offer(theirs, "v=0 held")
        assert await a.next(OfferAnswered) == OfferAnswered(mine, "v=0 held")
        b.sip.reoffer(theirs, "v=0 other")
        await a.next(OfferReceived)
        a.sip.refuse_offer(mine, 488)
        a.sip.hangup(mine)
        assert await b.next(Ended) == Ended(theirs, 200, True, "bye")


async def test_host_names_are_resolved():
    async with End() as a, End() as b:
        a.dial(b, host="localhost")
        assert (await b.next(IncomingCall)).offer == "v=0 offer"


async def test_verbs_from_within_an_event_keep_the_order_of_messages():
    def answer_at_once(end, event):
        if isinstance(event, IncomingCall):
            end.sip.ring(event.leg)
            end.sip.answer(event.leg, "v=0 quick")

    async with End() as a, End(react=answer_at_once) as b:
        leg, _ = a.dial(b)
        await a.next(Answered)
        await b.next(Answered)
        assert a.events == b.events == []
        a.sip.hangup(leg)
        await b.next(Ended)


async def test_a_fault_in_one_event_stops_nothing():
    def fail_once(end, event):
        if isinstance(event, IncomingCall) and len(seen) == 0:
            seen.append(event)
            raise RuntimeError("broken")

    seen = []
    with structlog.testing.capture_logs() as logs:
        async with End() as a, End(react=fail_once) as b:
            a.dial(b)
            await b.next(IncomingCall)
            await up(a, b)
    failed = [line for line in logs if line["event"] == "sip_event_failed"]
    assert [(f["sip_event"], f["leg"]) for f in failed] == [("IncomingCall", seen[0].leg)]


async def test_ports():
    async with End() as a:
        with socket.socket() as probe, pytest.raises(OSError, match="in use"):
            probe.bind((HOST, a.sip.port))
        with pytest.raises(OSError, match="in use"):
            await End(port=a.sip.port).sip.start()
    async with End(port=a.sip.port) as again:
        assert again.sip.port == a.sip.port
    with pytest.raises(CapacityError):
        again.dial(a)


async def test_too_many_calls_and_impossible_targets():
    async with End(max_calls=1) as a, End() as b:
        a.dial(b)
        with pytest.raises(CapacityError):
            a.dial(b)
    async with End() as a:
        with pytest.raises(ValueError, match="SIP URI"):
            a.sip.dial(LegId("x"), DialRequest("tel:+1555", "sip:a@b", "v=0"))


async def test_datagrams_of_noise_are_survived():
    noise = [b"", b"\r\n\r\n", b"\0" * 100, b"INVITE", b"SIP/2.0 200 OK\r\n\r\n", b"x" * 65_000]
    async with End() as a, End() as b:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in noise * 3:
                sender.sendto(datagram, (HOST, b.sip.port))
        await up(a, b)


async def test_a_burst_of_calls_is_answered():
    count = 200

    def answer_at_once(end, event):
        if isinstance(event, IncomingCall):
            end.sip.answer(event.leg, "v=0 quick")

    async with End(max_calls=count) as a, End(max_calls=count, react=answer_at_once) as b:
        legs = {a.dial(b)[0] for _ in range(count)}
        async with asyncio.timeout(20):
            while sum(isinstance(e, Answered) for e in a.events) < count:
                await asyncio.sleep(0.01)
        for leg in legs:
            a.sip.hangup(leg)
        async with asyncio.timeout(20):
            while sum(isinstance(e, Ended) for e in b.events) < count:
                await asyncio.sleep(0.01)
        assert {e.leg for e in a.events if isinstance(e, Ended)} == legs
