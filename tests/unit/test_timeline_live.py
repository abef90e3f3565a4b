"""What a listener hears of a spool that grows: places, gaps, pauses, late packets."""

import numpy as np
import pytest

from onrecord.audio.g711 import encode_ulaw
from onrecord.rtp.header import build_packet
from onrecord.timeline.live import HOLD_BACK, LiveTimeline

ZERO_NS = 7_000_000_000
CODECS = {"inbound": {"0": ["PCMU", 8000]}, "outbound": {"0": ["PCMU", 8000]}}
LOUD = np.full(160, 7932, np.int16)  # a value of the law


def packets(numbers, *, first_ms=0, late_ms=0, ssrc=1, samples=LOUD):
    """Columns of 20 ms packets: number ``n`` comes at ``first_ms + 20 n``, or ``late_ms`` after that."""
    rows = [
        build_packet(0, n, 160 * n, ssrc, False, encode_ulaw(samples).tobytes()) for n in numbers
    ]
    data = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
    at = [ZERO_NS + (first_ms + 20 * n + late_ms) * 1_000_000 for n in numbers]
    return np.array(at, np.int64), np.full(len(rows), data.shape[1], np.uint16), data


@pytest.fixture
def live():
    timeline = LiveTimeline((0, 1))
    timeline.fact("start", ZERO_NS, CODECS)
    return timeline


def clock(timeline, at_ms):
    timeline.fact("clock", ZERO_NS + at_ms * 1_000_000, {})


def test_packets_lie_where_they_came_and_what_was_not_sent_is_silence(live):
    live.packets(0, *packets(range(5)))
    live.packets(1, *packets([3, 4, 10]))
    clock(live, 400)
    heard = live.take()
    assert heard.shape == (2, 3200 - HOLD_BACK)
    assert (heard[0, :800] == 7932).all()
    assert not heard[0, 800:].any()
    loud = np.flatnonzero(heard[1])
    assert loud.tolist() == [*range(480, 800), *range(1600, 1760)]
    assert live.known_ns == ZERO_NS + 400_000_000
    assert live.take().shape == (2, 0)


def test_jitter_does_not_move_a_packet_and_a_late_one_is_heard_all_the_same(live):
    live.packets(0, *packets([0]))
    live.packets(0, *packets([1], late_ms=40))
    live.packets(0, *packets([2]))
    clock(live, 200)
    assert np.flatnonzero(live.take()[0]).tolist() == list(range(480))
    live.packets(0, *packets([3], late_ms=150))  # its place is given out
    clock(live, 400)
    assert len(np.flatnonzero(live.take()[0])) == 160


def test_a_pause_and_a_gap_between_media_processes_take_no_time(live):
    live.packets(0, *packets(range(5)))
    live.fact("pause", ZERO_NS + 150_000_000, {})
    live.packets(0, *packets(range(10, 12)))
    clock(live, 900)
    assert live.take().shape == (2, 1200)
    live.fact("resume", ZERO_NS + 1_000_000_000, {})
    live.packets(0, *packets(range(50, 55)))
    live.fact("media_replaced", ZERO_NS + 5_000_000_000, CODECS)
    live.fact("stop", ZERO_NS + 5_100_000_000, {"reason": "command"})
    heard = live.take()
    assert heard.shape == (2, 640 + 800)  # to the last packet that is known, and from the new start
    assert (heard[0, :640] == 7932).all()
    assert live.ended


def test_other_codecs_are_heard_and_unknown_ones_are_not(live):
    live.fact("codecs", ZERO_NS, {"inbound": {"96": ["L16", 16000], "97": ["NEW", 8000]}})
    payload = np.full(320, 4000, ">i2").tobytes()
    for n, kind in enumerate((96, 96, 97, 96)):
        row = build_packet(kind, n, 320 * n, 9, False, payload)
        data = np.frombuffer(row, np.uint8).reshape(1, -1)
        at = np.array([ZERO_NS + 20_000_000 * n], np.int64)
        live.packets(0, at, np.array([len(row)], np.uint16), data)
    clock(live, 300)
    heard = live.take()[0]
    assert abs(int(heard[100]) - 4000) < 50
    assert abs(int(heard[400])) < 50
    assert abs(int(heard[560]) - 4000) < 50


def test_noise_never_raises(live):
    noise = np.random.default_rng(5).integers(0, 256, (500, 64), np.uint8)
    noise[:, 0] = 0x80
    noise[:250, 1] = 0
    at = ZERO_NS + np.arange(500, dtype=np.int64) * 1_000_000
    live.packets(0, at, np.full(500, 64, np.uint16), noise)
    live.fact("codecs", ZERO_NS, {"inbound": {"x": 3, "8": "PCMA", "9": ["G722", "fast"]}})
    live.fact("nonsense", -5, {})
    clock(live, 1000)
    assert live.take().shape[0] == 2
