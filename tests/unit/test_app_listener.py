"""The listener on spools of the real writer: when it says that a recording is silent."""

import asyncio
import contextlib
import time
from pathlib import Path

import numpy as np
import pytest

import onrecord.demo
from onrecord.app.listener import Following
from onrecord.app.listening import Listening
from onrecord.audio.g711 import encode_ulaw
from onrecord.core.ids import CallControlId, LegId, NodeId, RecordingId
from onrecord.core.settings import Settings
from onrecord.phone.clips import read_clip, tone
from onrecord.rtp.header import build_packet
from onrecord.service.background import Background
from onrecord.speech.vad import GATE, Ears
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
    while True:
        for followed in following._followed.values():
            followed.look_ns = 0
        said += [recording for what, recording in following.turn() if what == "silent"]
        if not following.more:
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


def test_a_silence_that_ran_out_before_somebody_spoke_again_is_none(tmp_path, following):
    spool = Spool(tmp_path, ago=2 * len(CLIP) / 8000 + 13)
    spool.say(CLIP)
    spool.wait(10)  # long over, and then somebody speaks
    spool.say(CLIP)
    spool.wait(1)
    following.listen("rec", spool.path, 2, "inbound")
    assert heard(following) == []
    spool.wait(1.5)
    assert heard(following) == ["rec"]


def test_a_listener_that_is_told_late_stops_what_is_silent_still(tmp_path, following):
    spool = Spool(tmp_path, ago=len(CLIP) / 8000 + 6)
    spool.say(CLIP)
    spool.wait(6)
    following.listen("rec", spool.path, 2, "both")
    assert heard(following) == ["rec"]


def test_a_new_listener_knows_that_there_was_speech(tmp_path, following):
    spool = Spool(tmp_path, ago=60)
    spool.say(CLIP)
    spool.wait(60 - len(CLIP) / 8000)
    following.listen("new", spool.path, 2, "both")
    following.listen("known", spool.path, 2, "both", spoken=True)
    assert heard(following) == ["known"]
    # What is old was passed over: of the other nobody is known to have spoken.
    spool.zero_ns = time.monotonic_ns() - round(spool.at * 125_000)
    spool.say(CLIP)
    spool.wait(2.5)
    assert heard(following) == ["new"]


async def test_the_process_ends_when_it_is_idle_and_comes_again(tmp_path, monkeypatch):
    monkeypatch.setattr("onrecord.app.listening.IDLE_SECS", 0.05)
    listening = Listening(Settings(data=tmp_path), Background())
    try:
        for number in range(2):
            folder = tmp_path / f"{number}"
            folder.mkdir()
            spool = Spool(folder, ago=0)
            silent = asyncio.Event()
            recording = RecordingId(f"{number}")
            listening.listen(recording, spool.path, timeout_secs=2, track="both", silent=silent.set)
            while not silent.is_set():  # a process that starts late hears a later one
                now = (time.monotonic_ns() - spool.zero_ns) // 100_000_000 * 800
                spool.at = max(spool.at, now)
                spool.say(CLIP)
                spool.wait(2.5)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(silent.wait(), 1)
            listening.forget(recording)
            while listening.running:
                await asyncio.sleep(0.01)
    finally:
        await listening.close()


class SlowClock:
    """Time that passes with each window that the network is asked about: so slow is it."""

    def __init__(self, monkeypatch, window_ns: int) -> None:
        self.now_ns = time.monotonic_ns()
        judge = Ears.judge

        def slow(ears, windows, streams, asked=None):
            loud = np.abs(windows.astype(int)).max(axis=1) > GATE
            wanted = loud if asked is None else loud & asked
            self.now_ns += int(wanted.sum()) * window_ns
            return judge(ears, windows, streams, asked)

        monkeypatch.setattr(Ears, "judge", slow)

    def __call__(self) -> int:
        return self.now_ns


def test_an_overloaded_listener_is_late_within_bounds_and_stops_all_that_is_silent(
    tmp_path, monkeypatch
):
    # Ten talk at a time; the network can follow four.
    clock = SlowClock(monkeypatch, 8_000_000)
    following = Following(clock)
    spools = {}
    for number in range(10):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        spools[f"{number}"] = spool = Spool(folder, ago=0)
        spool.zero_ns = clock.now_ns
        following.listen(f"{number}", spool.path, 3, "both")
    talk = np.concatenate([CLIP] * 8)
    zero_ns, said_ns = clock.now_ns, len(talk) // 800 * 100_000_000
    written, late, silent = 0, [], {}
    while len(silent) < len(spools):
        clock.now_ns += 50_000_000
        while written * 100_000_000 <= clock.now_ns - zero_ns:
            for spool in spools.values():
                if written * 800 < len(talk) // 800 * 800:
                    spool.say(talk[written * 800 : written * 800 + 800])
                else:
                    spool.wait(0.1)
            written += 1
        for what, recording in following.turn():
            if what == "silent":
                silent[recording] = clock.now_ns - zero_ns
        late.append(following.backlog_secs)
        assert clock.now_ns - zero_ns < said_ns + 30 * NS
    assert 1 < max(late) < 12
    for at_ns in silent.values():
        assert said_ns + 3 * NS <= at_ns + 0.2 * NS
        assert at_ns < said_ns + 15 * NS


def test_a_stopped_recording_is_left(tmp_path, following):
    spool = Spool(tmp_path, ago=1)
    following.listen("rec", spool.path, 2, "both")
    spool.say(CLIP[:8000])
    spool.writer.append(encode_fact("stop", spool.zero_ns + NS, {"reason": "command"}))
    assert heard(following) == []
    assert len(following) == 0
    with pytest.raises(FileNotFoundError):
        following.listen("other", tmp_path / "none", 2, "both")
