"""The listener on spools of the real writer: when it says that a recording is silent."""

import time
from pathlib import Path

import numpy as np
import pytest

import onrecord.demo
from onrecord.app.listener import Following
from onrecord.audio.g711 import encode_ulaw
from onrecord.core.ids import CallControlId, LegId, NodeId, RecordingId
from onrecord.phone.clips import read_clip, tone
from onrecord.rtp.header import build_packet
from onrecord.spool.format import encode_fact, encode_packets
from onrecord.spool.header import SpoolHeader
from onrecord.spool.writer import SpoolWriter, create_spool

CLIP = read_clip(Path(onrecord.demo.__file__).parent / "clips" / "ann-1.wav")
NS = 1_000_000_000


class Spool:
    """A recording that began ``ago`` seconds ago."""

    def __init__(self, folder: Path, ago: float) -> None:
        self.path = folder / "rec.spool"
        self.zero_ns = time.monotonic_ns() - round(ago * NS)
        ids = RecordingId("rec"), LegId("leg"), CallControlId("v3:x"), NodeId("n1")
        create_spool(
            self.path, SpoolHeader(*ids, "wav", "dual", "both", "inbound", 0, self.zero_ns, "boot")
        )
        self.writer = SpoolWriter(self.path)
        codecs = {"inbound": {"0": ["PCMU", 8000]}, "outbound": {}}
        self.writer.append(encode_fact("start", self.zero_ns, codecs))
        self.at = 0

    def say(self, samples: np.ndarray) -> None:
        """100 ms in a record, as live folds write them."""
        for first in range(0, len(samples) // 800 * 800, 800):
            codes = encode_ulaw(samples[first : first + 800]).reshape(5, 160)
            numbers = range(self.at // 160, self.at // 160 + 5)
            rows = [
                build_packet(0, n & 0xFFFF, 160 * n, 1, False, row.tobytes())
                for n, row in zip(numbers, codes, strict=True)
            ]
            arrival = np.array([self.zero_ns + 20_000_000 * n for n in numbers], np.int64)
            data = np.frombuffer(b"".join(rows), np.uint8).reshape(5, -1)
            size = np.full(5, data.shape[1], np.uint16)
            self.writer.append(encode_packets(0, arrival, size, data))
            self.at += 800

    def wait(self, secs: float) -> None:
        """Nobody sends: only the time is told."""
        for _ in range(round(secs * 10)):
            self.at += 800
            self.writer.append(encode_fact("clock", self.zero_ns + self.at * 125_000, {}))


def heard(following: Following) -> list[str]:
    """All that is said before there is nothing more to hear."""
    said = []
    for _ in range(100):
        said += following.turn(time.monotonic_ns())
        if not following.backlog_secs:
            break
    return said


@pytest.fixture
def following():
    return Following()


def test_speech_then_silence_is_over_at_the_sample_and_once(tmp_path, following):
    spool = Spool(tmp_path, ago=len(CLIP) / 8000 + 3)
    following.listen("rec", spool.path, 2, "both")
    spool.wait(0.5)
    spool.say(CLIP)
    spool.wait(1.8)
    assert heard(following) == []
    spool.wait(0.5)
    assert heard(following) == ["rec"]
    assert len(following) == 0


def test_tones_and_silence_before_speech_never_are(tmp_path, following):
    spool = Spool(tmp_path, ago=12)
    following.listen("rec", spool.path, 1, "both")
    spool.say(tone(440, 4.0) // 4 + tone(480, 4.0) // 4)
    spool.wait(8)
    assert heard(following) == []
    following.forget("rec")
    following.forget("rec")
    assert len(following) == 0


def test_a_listener_that_is_behind_waits_again(tmp_path, following):
    spool = Spool(tmp_path, ago=2 * len(CLIP) / 8000 + 13)
    spool.say(CLIP)
    spool.wait(10)  # long over, and then somebody speaks
    spool.say(CLIP)
    spool.wait(1)
    following.listen("rec", spool.path, 2, "inbound")
    assert heard(following) == []
    spool.wait(1.5)
    assert heard(following) == ["rec"]


def test_a_stopped_recording_is_left(tmp_path, following):
    spool = Spool(tmp_path, ago=1)
    following.listen("rec", spool.path, 2, "both")
    spool.say(CLIP[:8000])
    spool.writer.append(encode_fact("stop", spool.zero_ns + NS, {"reason": "command"}))
    assert heard(following) == []
    assert len(following) == 0
    with pytest.raises(FileNotFoundError):
        following.listen("other", tmp_path / "none", 2, "both")
