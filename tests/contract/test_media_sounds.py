"""A real media process that plays clips and sends and hears digits: what its peer gets, and the spools."""

import asyncio
import itertools
import os
import signal

import pytest

from media_peer import PCMA, Spooled, Told, drain, header, met, plane, receive
from onrecord.audio.g711 import ULAW_TO_ALAW
from onrecord.calls.media import Beep, Clip, DigitHeard, PlaybackEnded, PlaybackStarted
from onrecord.core.ids import LegId, RecordingId
from onrecord.media.plane import MediaError
from onrecord.rtp.header import build_packet
from onrecord.rtp.telephone_event import event_payload
from onrecord.sdp.negotiation import MediaDirection
from onrecord.spool.writer import create_spool

A, B = LegId("leg-a"), LegId("leg-b")


def clip(tmp_path, name, frames, code=1):
    """Frames of 160 bytes, the first of them all ``code``, then one more each."""
    path = tmp_path / name
    payloads = [bytes([code + n]) * 160 for n in range(frames)]
    path.write_bytes(b"".join(len(p).to_bytes(2, "big") + p for p in payloads))
    return Clip(path, "PCMU"), payloads


def parts(packet):
    number, at = packet[1] & 0x7F, int.from_bytes(packet[4:8], "big")
    return number, bool(packet[1] & 0x80), int.from_bytes(packet[2:4], "big"), at, packet[12:]


def steps(values, modulus):
    return [(b - a) % modulus for a, b in itertools.pairwise(values)]


async def recorded(media, tmp_path, name, leg, beep=None):
    path = tmp_path / "spool" / f"{name}.spool"
    create_spool(path, header(name, leg))
    await media.start_recording(header(name, leg), path, beep)
    return path


async def test_clips_are_played_in_turn_paced_and_spooled(tmp_path, peers):
    told, peer = Told(), peers[0]
    async with plane(tmp_path, told) as media:
        await met(media, A, peer)
        spool = await recorded(media, tmp_path, "r", A)
        first, one = clip(tmp_path, "one", 4)
        second, two = clip(tmp_path, "two", 3, 100)
        await media.play(A, "one", first, 2)
        await media.play(A, "two", second, 1)
        first.path.unlink()
        await told.until(PlaybackEnded(A, "two", "completed"))
        got = [parts(packet) for packet in drain(peer.rtp, 0.05)]
        await media.stop_recording(RecordingId("r"))
    assert [packet[4] for packet in got] == one * 2 + two
    marked = [packet[1] for packet in got]
    assert marked[0]
    assert marked[8]
    assert steps([packet[2] for packet in got], 1 << 16) == [1] * 10
    times = zip(steps([packet[3] for packet in got], 1 << 32), marked[1:], strict=True)
    assert all(step == 160 or mark for step, mark in times)  # a stall is in the timestamps
    kept = Spooled(spool)
    assert [parts(packet) for packet in kept.outbound] == got
    arrivals = kept.arrivals[1]
    assert arrivals[-1] - arrivals[0] > 155e6  # one by one; what is 40 ms late is made up for
    assert told.events == [
        PlaybackStarted(A, "one"),
        PlaybackEnded(A, "one", "completed"),
        PlaybackStarted(A, "two"),
        PlaybackEnded(A, "two", "completed"),
    ]


async def test_clips_are_stopped_and_end_with_the_leg(tmp_path, peers):
    told, peer = Told(), peers[0]
    async with plane(tmp_path, told) as media:
        await met(media, A, peer)
        endless, _ = clip(tmp_path, "endless", 2)
        waiting, _ = clip(tmp_path, "waiting", 50, 60)
        await media.play(A, "endless", endless, None)
        await media.play(A, "waiting", waiting, 1)
        await told.until(PlaybackStarted(A, "endless"))
        await asyncio.sleep(0.15)
        await media.stop_playback(A, "endless")
        await media.stop_playback(A, "unknown")
        await told.until(PlaybackStarted(A, "waiting"))
        assert len(drain(peer.rtp)) > 5
        await media.close_leg(A)
        await told.until(PlaybackEnded(A, "waiting", "closed"))
        with pytest.raises(MediaError, match="not open"):
            await media.play(A, "late", waiting, 1)
        await met(media, B, peer)
        with pytest.raises(MediaError, match="FileNotFoundError"):
            await media.play(B, "absent", Clip(tmp_path / "absent", "PCMU"), 1)
        (tmp_path / "empty").touch()
        with pytest.raises(MediaError, match="mapped"):
            await media.play(B, "empty", Clip(tmp_path / "empty", "PCMU"), 1)
    assert PlaybackEnded(A, "endless", "stopped") in told.events


async def test_the_relay_waits_while_a_clip_is_played(tmp_path, peers):
    told, (left, right, _) = Told(), peers
    right.codec = 8
    async with plane(tmp_path, told) as media:
        to_left = await met(media, A, left)
        await met(media, B, right, codec=PCMA, number=8)
        await media.bridge(A, B)
        left.send(to_left, b"\x01" * 160)
        before = parts(receive(right.rtp))
        made, frames = clip(tmp_path, "clip", 5)
        await media.play(B, "clip", made, 1)
        await told.until(PlaybackStarted(B, "clip"))
        for _ in range(3):
            left.send(to_left, b"\x02" * 160)
            await asyncio.sleep(0.015)
        await told.until(PlaybackEnded(B, "clip", "completed"))
        await asyncio.sleep(0.03)
        left.send(to_left, b"\x03" * 160)
        got = [parts(receive(right.rtp)) for _ in range(6)]
    table = ULAW_TO_ALAW.tobytes()
    expected = [frame.translate(table) for frame in [*frames, b"\x03" * 160]]
    assert [packet[4] for packet in got] == expected
    assert steps([before[2], *(packet[2] for packet in got)], 1 << 16) == [1] * 6
    assert got[0][1]
    assert got[-1][1]  # those between have the marker only where the machine stalled


async def test_a_beep_goes_first_and_is_a_fact_of_its_recording(tmp_path, peers):
    told, peer = Told(), peers[0]
    async with plane(tmp_path, told) as media:
        await met(media, A, peer)
        without = await recorded(media, tmp_path, "without", A)
        made, frames = clip(tmp_path, "clip", 3)
        tone, beep = clip(tmp_path, "beep", 2, 200)
        await media.play(A, "clip", made, 1)
        path = await recorded(media, tmp_path, "with", A, Beep(tone, 1400, 40, -12.0))
        await told.until(PlaybackEnded(A, "clip", "completed"))
        got = [parts(packet)[4] for packet in drain(peer.rtp, 0.05)]
        for name in ("with", "without"):
            await media.stop_recording(RecordingId(name))
        await media.connect_leg(A, peer.media(direction=MediaDirection.RECVONLY))
        held = await recorded(media, tmp_path, "held", A, Beep(tone, 1400, 40, -12.0))
        await media.stop_recording(RecordingId("held"))
    assert got == [*beep, *frames] or got == [frames[0], *beep, *frames[1:]]
    kept = Spooled(path)
    assert kept.kinds == ["start", "beep", "stop"]
    start, fact, _ = kept.facts
    assert fact.data == {"hz": 1400, "ms": 40, "level_dbfs": -12.0}
    assert 0 <= fact.at_ns - start.at_ns < 500_000_000
    assert [packet[12:] for packet in kept.outbound][:2] == beep
    assert kept.arrivals[1][0] == fact.at_ns
    assert Spooled(without).kinds == ["start", "stop"]
    assert "beep" not in Spooled(held).kinds


async def test_digits_are_sent_as_events_and_hold_a_clip_up(tmp_path, peers):
    told, peer = Told(), peers[0]
    async with plane(tmp_path, told) as media:
        await met(media, A, peer, telephone_event_payload_type=101)
        made, frames = clip(tmp_path, "clip", 10)
        await media.play(A, "clip", made, 1)
        await told.until(PlaybackStarted(A, "clip"))
        await media.press(A, "5#", 100)
        await told.until(PlaybackEnded(A, "clip", "completed"))
        got = [parts(packet) for packet in drain(peer.rtp, 0.05)]
        await met(media, B, peers[1])
        with pytest.raises(MediaError, match="telephone-events"):
            await media.press(B, "1", 100)
    assert [packet[4] for packet in got if packet[0] == 0] == frames
    assert steps([packet[2] for packet in got], 1 << 16) == [1] * (len(got) - 1)
    events = [packet for packet in got if packet[0] == 101]
    assert [packet[4] for packet in events] == [
        event_payload(digit, 160 * min(n, 5), ended=n >= 5) for digit in "5#" for n in range(1, 8)
    ]
    assert [packet[1] for packet in events] == [True, *[False] * 6] * 2
    times = [packet[3] for packet in events]
    assert len(set(times[:7])) == len(set(times[7:])) == 1
    assert 155 * 8 < (times[7] - times[0]) % (1 << 32) < 3000 * 8  # longer where the machine stalls


async def test_digits_are_heard_soon_and_once(tmp_path, peers):
    told, peer = Told(), peers[0]
    async with plane(tmp_path, told, fold_ms=2000) as media:
        at = await met(media, A, peer, telephone_event_payload_type=101)
        path = await recorded(media, tmp_path, "r", A)
        loop = asyncio.get_running_loop()
        for digit in "1*D":
            begun, timestamp = loop.time(), peer.timestamp
            for n in [*range(1, 6), 5, 5]:
                payload = event_payload(digit, 160 * n, ended=n == 5)
                packet = build_packet(101, peer.sequence, timestamp, peer.ssrc, n == 1, payload)
                peer.rtp.sendto(packet, ("127.0.0.1", at.port))
                peer.sequence, peer.timestamp = peer.sequence + 1, peer.timestamp + 160
                peer.send(at)
            await told.until(DigitHeard(A, digit))
            assert loop.time() - begun < 0.4
        await asyncio.sleep(0.12)
        await media.stop_recording(RecordingId("r"))
    assert told.events == [DigitHeard(A, digit) for digit in "1*D"]
    assert len(Spooled(path).inbound) == 3 * 14


async def test_a_playback_that_a_dead_process_had_has_failed(tmp_path, peers):
    told, peer = Told(), peers[0]
    async with plane(tmp_path, told) as media:
        await met(media, A, peer)
        made, _ = clip(tmp_path, "clip", 2)
        await media.play(A, "clip", made, None)
        await told.until(PlaybackStarted(A, "clip"))
        os.kill(media.pid, signal.SIGKILL)
        await told.until(PlaybackEnded(A, "clip", "failed"))
        again, _ = clip(tmp_path, "again", 2)
        await media.play(A, "again", again, 1)
        await told.until(PlaybackEnded(A, "again", "completed"))
