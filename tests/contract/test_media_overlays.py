"""A real media process that lays audio over other audio: over clips, bridges, transcoded bridges, and nothing."""

import asyncio
import time

import numpy as np
import pytest

from listening import strength, tone_ms
from media_peer import EVENTS, PCMA, PCMU, Spooled, Told, drain, met, plane, record
from onrecord.audio.payloads import make_decoder, make_encoder, sample_rate
from onrecord.calls.media import Clip, PlaybackEnded, PlaybackStarted
from onrecord.core.ids import LegId, RecordingId
from onrecord.prompts.preparing import framed
from onrecord.sdp.codecs import G722, L16_WIDE
from onrecord.sdp.negotiation import MediaDirection

A, B = LegId("leg-a"), LegId("leg-b")


def wave(hertz, seconds, rate, amplitude=6000):
    at = np.arange(int(seconds * rate)) / rate
    return np.round(amplitude * np.sin(2 * np.pi * hertz * at)).astype(np.int16)


def clip(tmp_path, name, hertz, seconds, codec):
    path = tmp_path / name
    rate = sample_rate(codec.name, codec.clock_rate)
    path.write_bytes(b"".join(framed(wave(hertz, seconds, rate), codec)))
    return Clip(path, codec.name)


async def talk(peer, to, codec, hertz, seconds):
    """Packets of a tone at their pace."""
    rate = sample_rate(codec.name, codec.clock_rate)
    encoder, samples = make_encoder(codec.name), wave(hertz, seconds, rate)
    due = time.monotonic()
    for first in range(0, len(samples), rate // 50):
        peer.send(to, encoder.encode(samples[first : first + rate // 50]))
        due += 0.02
        await asyncio.sleep(max(due - time.monotonic(), 0))


def heard(packets, codec, number):
    """The audio of packets that follow each other; asserts that they do."""
    audio = [packet for packet in packets if packet[1] & 0x7F == number]
    assert len({packet[8:12] for packet in audio}) == 1
    sequences = [int.from_bytes(packet[2:4], "big") for packet in audio]
    assert set(np.diff(sequences) % (1 << 16)) == {1}
    decoder = make_decoder(codec.name)
    return np.concatenate([decoder.decode(packet[12:]) for packet in audio])


async def test_an_overlay_lies_over_a_clip_which_goes_on_when_it_ends(tmp_path, peers):
    told, peer = Told(), peers[0]
    async with plane(tmp_path, told) as media:
        await met(media, A, peer)
        spool = await record(media, tmp_path, "r", A)
        await media.play(A, "clip", clip(tmp_path, "clip", 440, 1.6, PCMU), 1)
        await told.until(PlaybackStarted(A, "clip"))
        await media.play(A, "over", clip(tmp_path, "over", 1000, 0.4, L16_WIDE), 1, overlay=True)
        await told.until(PlaybackEnded(A, "over", "completed"))
        assert PlaybackEnded(A, "clip", "completed") not in told.events
        await told.until(PlaybackEnded(A, "clip", "completed"))
        got = drain(peer.rtp, 0.1)
        await media.stop_recording(RecordingId("r"))
    samples = heard(got, PCMU, 0)
    assert tone_ms(samples, 440) == pytest.approx(1600, abs=45)
    assert tone_ms(samples, 1000) == pytest.approx(400, abs=45)
    assert 9000 < np.abs(samples).max() < 13000
    times = [int.from_bytes(packet[4:8], "big") for packet in got]
    # In real time where the transcoding process takes over.
    assert sum(step != 160 for step in np.diff(times) % (1 << 32)) <= 3
    assert Spooled(spool).outbound == got


@pytest.mark.parametrize("codecs", [(PCMU, PCMU), (G722, PCMA)])
async def test_an_overlay_lies_over_a_bridge_and_leaves_nothing_out(tmp_path, peers, codecs):
    told, (left, right, _) = Told(), peers
    theirs, ours = codecs
    numbers = {PCMU: 0, PCMA: 8, G722: 9}
    left.codec, right.codec = numbers[theirs], numbers[ours]
    async with plane(tmp_path, told) as media:
        to_left = await met(media, A, left, codec=theirs, number=left.codec)
        to_right = await met(media, B, right, codec=ours, number=right.codec)
        await media.bridge(A, B)
        await media.play(B, "warm", clip(tmp_path, "warm", 1000, 0.06, L16_WIDE), 1, overlay=True)
        await told.until(PlaybackEnded(B, "warm", "completed"))
        await asyncio.sleep(0.3)
        drain(right.rtp)
        talking = asyncio.gather(
            talk(left, to_left, theirs, 440, 1.6), talk(right, to_right, ours, 700, 1.6)
        )
        await asyncio.sleep(0.3)
        over = clip(tmp_path, "over", 1000, 0.4, L16_WIDE)
        await media.play(B, "over", over, 1, overlay=True)
        await told.until(PlaybackEnded(B, "over", "completed"))
        await talking
        got, back = drain(right.rtp, 0.15), drain(left.rtp)
    rate = sample_rate(ours.name, ours.clock_rate)
    samples = heard(got, ours, right.codec)
    assert tone_ms(samples, 440, rate) == pytest.approx(1600, abs=25)
    assert tone_ms(samples, 1000, rate) == pytest.approx(400, abs=25)
    opposite = heard(back, theirs, left.codec)
    assert tone_ms(opposite, 1000, sample_rate(theirs.name, theirs.clock_rate)) == 0


async def test_an_overlay_alone_is_heard_is_stopped_and_ends_with_the_leg(tmp_path, peers):
    told, peer = Told(), peers[0]
    async with plane(tmp_path, told) as media:
        await met(media, A, peer)
        await media.play(A, "one", clip(tmp_path, "one", 1000, 0.5, L16_WIDE), None, overlay=True)
        await media.play(A, "two", clip(tmp_path, "two", 600, 0.4, L16_WIDE), 1, overlay=True)
        await told.until(PlaybackStarted(A, "one"))
        await asyncio.sleep(0.4)
        await media.stop_playback(A, "one")
        await told.until(PlaybackEnded(A, "one", "stopped"), PlaybackEnded(A, "two", "completed"))
        samples = heard(drain(peer.rtp, 0.3), PCMU, 0)
        await media.play(A, "clip", clip(tmp_path, "clip", 440, 0.2, PCMU), 1)
        await told.until(PlaybackEnded(A, "clip", "completed"))
        after = heard(drain(peer.rtp, 0.1), PCMU, 0)
        endless = clip(tmp_path, "endless", 600, 0.2, L16_WIDE)
        await media.play(A, "endless", endless, None, overlay=True)
        await told.until(PlaybackStarted(A, "endless"))
        await media.close_leg(A)
        await told.until(PlaybackEnded(A, "endless", "closed"))
    assert 300 <= tone_ms(samples, 1000) <= 1500
    assert tone_ms(samples, 600) == pytest.approx(400, abs=45)
    assert tone_ms(after, 440) == pytest.approx(200, abs=25)
    assert strength(after, 600) < 100


async def test_an_overlay_follows_hold_and_another_codec(tmp_path, peers):
    told, peer = Told(), peers[0]
    async with plane(tmp_path, told) as media:
        await met(media, A, peer)
        await media.play(A, "over", clip(tmp_path, "over", 1000, 0.5, L16_WIDE), None, overlay=True)
        await told.until(PlaybackStarted(A, "over"))
        await asyncio.sleep(0.3)
        await media.connect_leg(A, peer.media(direction=MediaDirection.RECVONLY))
        drain(peer.rtp, 0.05)
        assert drain(peer.rtp, 0.2) == []
        await media.connect_leg(A, peer.media(codec=G722, number=9))
        await asyncio.sleep(0.5)
        samples = heard(drain(peer.rtp), G722, 9)
    assert tone_ms(samples, 1000, 16000) > 150


async def test_digits_are_kept_from_a_leg_that_is_deaf_to_them(tmp_path, peers):
    left, right, _ = peers
    async with plane(tmp_path, Told()) as media:
        events = {"telephone_event_payload_type": 101}
        to_left = await met(media, A, left, **events)
        to_right = await met(media, B, right, **events)
        await media.bridge(A, B, deaf_to_digits=[B])
        for peer, to in ((left, to_left), (right, to_right)):
            peer.send(to)
            peer.send(to, b"\x05\x8a\x01\x40", codec=101)
            peer.send(to)
        at_right, at_left = drain(right.rtp, 0.2), drain(left.rtp, 0.1)
        await media.bridge(A, B)
        await media.unbridge(A)
        await media.bridge(A, B)
        left.send(to_left, b"\x05\x8a\x01\x40", codec=101)
        again = drain(right.rtp, 0.2)
    assert EVENTS.is_event
    assert [packet[1] & 0x7F for packet in at_right] == [0, 0]
    assert [packet[1] & 0x7F for packet in at_left] == [0, 101, 0]
    sequences = [int.from_bytes(packet[2:4], "big") for packet in at_right]
    assert (sequences[1] - sequences[0]) % (1 << 16) == 1
    assert [packet[1] & 0x7F for packet in again] == [101]
