"""Two phones call each other directly, and each hears what the other says when it says it."""

import asyncio

import numpy as np
import pytest

from onrecord.core.units import NS_PER_MS
from onrecord.phone import CallFailed, Faults, TestPhone, tone
from onrecord.sdp.negotiation import MediaDirection

RATE = 8000


async def until(true, seconds=5):
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def pitch(samples):
    """Frequency of the strongest partial, Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * RATE / len(samples)


def spoken(samples):
    """First and last sample of what is louder than a whisper."""
    loud = np.flatnonzero(np.abs(samples) > 200)
    return loud[0], loud[-1]


async def connect(caller, callee, **kwargs):
    call = asyncio.create_task(caller.call(callee.uri, **kwargs))
    incoming = await callee.wait_incoming()
    await callee.answer()
    await call
    return incoming


@pytest.mark.parametrize(("transport", "codec"), [("UDP", "PCMU"), ("TCP", "PCMA")])
async def test_both_hear_each_other(transport, codec):
    async with (
        TestPhone("ann", codecs=[codec], transport=transport) as ann,
        TestPhone("bob", transport=transport) as bob,
    ):
        incoming = await connect(ann, bob, name="Ann A", headers=(("X-Test", "1"),))
        assert incoming.from_name == "Ann A"
        assert "ann@" in incoming.from_uri
        assert {name.lower(): value for name, value in incoming.headers}["x-test"] == "1"
        assert ann.in_call
        assert bob.in_call
        assert ann.stream.media.send_codec.name == bob.stream.media.send_codec.name == codec
        await asyncio.gather(ann.play(tone(440, 0.5)), bob.play(tone(1000, 0.5)))
        await asyncio.sleep(0.06)
        await ann.hangup()
        ended = await bob.wait_ended()
        assert (ended.by_remote, ended.reason, ended.status) == (True, "bye", 200)
        assert not ann.in_call
        for phone, hertz in ((ann, 1000), (bob, 440)):
            heard = phone.heard()
            first, last = spoken(heard)
            assert (last - first) / RATE == pytest.approx(0.5, abs=0.002)
            assert pitch(heard[first:last]) == pytest.approx(hertz, abs=4)


async def test_frames_are_paced_and_the_tone_lies_where_it_was_said():
    async with TestPhone("ann") as ann, TestPhone("bob") as bob:
        await connect(ann, bob)
        await asyncio.sleep(0.3)
        said_from = len(ann.stream.sent_ns)
        await ann.play(tone(700, 0.4))
        await asyncio.sleep(0.1)
        await bob.hangup()
        sent = np.array(ann.stream.sent_ns)
        gaps = np.diff(sent) / NS_PER_MS
        assert np.mean(gaps) == pytest.approx(20, abs=1)
        assert np.median(np.abs(gaps - 20)) < 3
        heard = bob.heard()
        first, last = spoken(heard)
        # the first frame heard is the first sent, on the loopback none is lost
        sent = sent[: len(bob.stream.datagrams)]
        assert len(sent) >= 35
        assert first == pytest.approx(said_from * 160, abs=170)
        latency = np.array(bob.stream.arrival_ns) - sent
        assert np.median(latency) < 5 * NS_PER_MS


async def test_no_packets_in_silence_when_asked():
    async with TestPhone("ann", silence=False) as ann, TestPhone("bob") as bob:
        await connect(ann, bob)
        await asyncio.sleep(0.2)
        assert bob.stream.datagrams == []
        await ann.play(tone(500, 0.1))
        await asyncio.sleep(0.15)
        await ann.play(tone(500, 0.1))
        await until(lambda: len(bob.stream.datagrams) == 10)
        await asyncio.sleep(0.1)
        assert len(bob.stream.datagrams) == 10
        assert len(bob.heard()) >= 0.34 * RATE


async def test_a_hard_stream_is_sent_as_ordered():
    faults = Faults(
        drop=frozenset({3, 4}),
        duplicate=frozenset({6}),
        late=frozenset({8}),
        timestamp_jumps={12: 80_000},
        new_ssrc=frozenset({16}),
    )
    async with TestPhone("ann", faults=faults) as ann, TestPhone("bob") as bob:
        await connect(ann, bob)
        said = tone(600, 0.5)
        await ann.play(said)
        await until(lambda: len(bob.stream.datagrams) >= 24)
        heard = bob.heard()
        first, _ = spoken(heard)
        assert pitch(heard[first + 800 : first + 1600]) == pytest.approx(600, abs=10)
        # everything lies within half a second of talk: jump and new source are put where they came
        assert len(heard) < 0.8 * RATE
        lost = np.convolve(np.abs(heard) > 0, np.ones(320), "valid")
        assert (lost < 5).any()


async def test_hold_and_resume():
    async with TestPhone("ann") as ann, TestPhone("bob") as bob:
        await connect(ann, bob)
        await ann.hold()
        await until(lambda: bob.stream.media.direction == MediaDirection.RECVONLY)
        assert ann.stream.media.direction == MediaDirection.SENDONLY
        count = len(ann.stream.datagrams)
        await asyncio.sleep(0.1)
        assert len(ann.stream.datagrams) <= count + 1
        await bob.hold(MediaDirection.SENDRECV)
        await ann.hold(MediaDirection.SENDRECV)
        assert ann.stream.media.direction == bob.stream.media.direction == "sendrecv"
        await until(lambda: len(ann.stream.datagrams) > count + 4)


async def test_refused_given_up_and_busy():
    async with TestPhone("ann") as ann, TestPhone("bob") as bob, TestPhone("eve") as eve:
        call = asyncio.create_task(ann.call(bob.uri))
        await bob.wait_incoming()
        await bob.reject(603)
        with pytest.raises(CallFailed) as caught:
            await call
        assert (caught.value.ended.status, caught.value.ended.by_remote) == (603, True)

        await ann.dial(bob.uri)
        await bob.wait_incoming()
        await ann.wait_ringing()
        await ann.hangup()
        assert (await bob.wait_ended()).reason == "cancel"

        await connect(ann, bob)
        with pytest.raises(CallFailed) as caught:
            await eve.call(bob.uri)
        assert caught.value.ended.status == 486
        assert ann.in_call


async def test_nothing_in_common():
    async with TestPhone("ann", codecs=["PCMA"]) as ann, TestPhone("bob", codecs=["PCMU"]) as bob:
        call = asyncio.create_task(ann.call(bob.uri))
        await bob.wait_incoming()
        with pytest.raises(Exception, match="no audio stream"):
            await bob.answer()
        with pytest.raises(CallFailed) as caught:
            await call
        assert caught.value.ended.status == 488


@pytest.mark.parametrize("uri", ["sip:x@no-such-host.invalid", "sip:x@127.0.0.1:9;transport=tcp"])
async def test_a_target_that_cannot_be_reached(uri):
    async with TestPhone("ann", transport="TCP") as ann:
        with pytest.raises(CallFailed) as caught:
            await ann.call(uri)
        ended = caught.value.ended
        assert ended.status is None
        assert ended.reason in {"failed", "timeout"}


async def test_a_phone_may_call_again_and_over_ipv6():
    async with TestPhone("ann", bind="::1") as ann, TestPhone("bob", bind="::1") as bob:
        for hertz in (400, 900):
            await connect(ann, bob)
            await ann.play(tone(hertz, 0.2))
            await asyncio.sleep(0.05)
            await ann.hangup()
            await bob.wait_ended()
            first, last = spoken(bob.heard())
            assert pitch(bob.heard()[first:last]) == pytest.approx(hertz, abs=10)


async def test_patience_ends():
    async with TestPhone("ann", patience_secs=0.1) as ann:
        with pytest.raises(TimeoutError):
            await ann.wait_incoming()
