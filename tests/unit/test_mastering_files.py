"""Spools written by the real writer, mastered, and listened to with another decoder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench_spool import HEADER as LONG
from onrecord.audio.g711 import decode_ulaw, encode_alaw, encode_ulaw
from onrecord.audio.reading import read_audio
from onrecord.calls.records import Trimmed
from onrecord.mastering import MasteringError, Masters, master
from onrecord.mastering import sinks as mastering_sinks
from onrecord.mastering.sinks import WholeFile
from onrecord.rtp.header import build_packet
from onrecord.spool.format import encode_fact, encode_packets
from onrecord.spool.writer import SpoolWriter, create_spool

ZERO_NS = 9_000_000_000
UTC_NS = 1_770_000_000_000_000_000
CODECS = {"inbound": {"0": ["PCMU", 8000]}, "outbound": {"8": ["PCMA", 8000]}}
HEADER = replace(LONG, started_utc_ns=UTC_NS, started_monotonic_ns=ZERO_NS - 5_000_000)
INBOUND_HZ, OUTBOUND_HZ = 400, 1100


def tone(hertz: float, samples: int, amplitude: float = 8000) -> np.ndarray:
    at = np.arange(samples) / 8000
    return np.round(amplitude * np.sin(2 * np.pi * hertz * at)).astype(np.int16)


def track_record(track: int, begin_s: float, end_s: float, amplitude: float = 8000) -> bytes:
    """One PACKETS record with a tone from ``begin_s`` to ``end_s``: PCMU inbound, PCMA outbound."""
    frames = round((end_s - begin_s) * 50)
    hertz = OUTBOUND_HZ if track else INBOUND_HZ
    samples = tone(hertz, frames * 160, amplitude).reshape(frames, 160)
    codes = encode_alaw(samples) if track else encode_ulaw(samples)
    payload_type = 8 if track else 0
    rows = [
        build_packet(payload_type, 5 + i, 160 * i + 77, 40 + track, i == 0, row.tobytes())
        for i, row in enumerate(codes)
    ]
    arrival = ZERO_NS + round(begin_s * 1e9) + np.arange(frames, dtype=np.int64) * 20_000_000
    data = np.frombuffer(b"".join(rows), np.uint8).reshape(frames, 172)
    return encode_packets(track, arrival, np.full(frames, 172, np.uint16), data)


def make_spool(path: Path, *records: bytes, stop_s: float | None = 4.0, **changes: object) -> Path:
    create_spool(path, replace(HEADER, **changes))
    writer = SpoolWriter(path)
    writer.append(encode_fact("start", ZERO_NS, CODECS))
    for record in records:
        writer.append(record)
    if stop_s is not None:
        writer.append(encode_fact("stop", ZERO_NS + round(stop_s * 1e9), {"reason": "command"}))
    writer.close()
    return path


def loudness(samples: np.ndarray, hertz: float) -> float:
    """Amplitude of one frequency."""
    at = np.arange(len(samples)) / 8000
    return float(2 * np.abs(np.mean(samples * np.exp(-2j * np.pi * hertz * at))))


def spans(samples: np.ndarray, hertz: float) -> list[tuple[int, int]]:
    """Milliseconds at which the tone begins and ends, to 20 ms."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    there = [loudness(frame, hertz) > 2000 for frame in frames]
    edges = np.flatnonzero(np.diff([False, *there, False])) * 20
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def near(found: list[tuple[int, int]], expected: list[tuple[int, int]]) -> bool:
    return len(found) == len(expected) and bool(
        (np.abs(np.array(found) - np.array(expected)) <= 20).all()
    )


IN = track_record(0, 1.0, 2.0)
OUT = track_record(1, 1.5, 3.2)


@pytest.mark.parametrize("form", ["wav", "mp3"])
@pytest.mark.parametrize("channel_a", ["inbound", "outbound"])
def test_dual_has_each_party_on_its_channel(tmp_path: Path, form: str, channel_a: str) -> None:
    spool = make_spool(tmp_path / "s", IN, OUT, format=form, channel_a=channel_a)
    result = master(spool, tmp_path / f"out.{form}")
    samples, rate = read_audio(result.path)
    assert (rate, samples.shape) == (8000, (32_000, 2))
    left, right = (0, 1) if channel_a == "inbound" else (1, 0)
    assert near(spans(samples[:, left], INBOUND_HZ), [(1000, 2000)])
    assert near(spans(samples[:, right], OUTBOUND_HZ), [(1500, 3200)])
    assert spans(samples[:, left], OUTBOUND_HZ) == []
    assert spans(samples[:, right], INBOUND_HZ) == []
    assert (result.channels, result.samples, result.duration_ms) == (2, 32_000, 4000)
    assert result.size_bytes == result.path.stat().st_size
    assert result.levels[left].peak_dbfs == pytest.approx(-12.2, abs=0.3)


@pytest.mark.parametrize("form", ["wav", "mp3"])
def test_single_mixes_both_parties(tmp_path: Path, form: str) -> None:
    spool = make_spool(tmp_path / "s", IN, OUT, format=form, channels="single")
    samples, _ = read_audio(master(spool, tmp_path / "out").path)
    assert samples.shape == (32_000, 1)
    assert near(spans(samples[:, 0], INBOUND_HZ), [(1000, 2000)])
    assert near(spans(samples[:, 0], OUTBOUND_HZ), [(1500, 3200)])


@pytest.mark.parametrize("channels", ["single", "dual"])
@pytest.mark.parametrize(("track", "hertz"), [("inbound", INBOUND_HZ), ("outbound", OUTBOUND_HZ)])
def test_one_track_is_mono(tmp_path: Path, channels: str, track: str, hertz: int) -> None:
    spool = make_spool(tmp_path / "s", IN, OUT, track=track, channels=channels)
    result = master(spool, tmp_path / "out.wav")
    samples, _ = read_audio(result.path)
    assert samples.shape == (32_000, 1)
    assert list(result.tracks) == [track]
    assert len(spans(samples[:, 0], hertz)) == 1
    other = INBOUND_HZ + OUTBOUND_HZ - hertz
    assert spans(samples[:, 0], other) == []


def test_wav_holds_the_very_samples(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "s", IN, track="inbound")
    samples, _ = read_audio(master(spool, tmp_path / "out.wav").path)
    expected = decode_ulaw(encode_ulaw(tone(INBOUND_HZ, 8000)))
    assert np.array_equal(samples[8000:16_000, 0], expected)
    assert not samples[:8000].any()
    assert not samples[16_000:].any()


def test_mix_is_limited_not_wrapped(tmp_path: Path) -> None:
    loud = [track_record(track, 0.0, 1.0, amplitude=30_000) for track in (0, 1)]
    spool = make_spool(tmp_path / "s", *loud, stop_s=1.0, channels="single")
    result = master(spool, tmp_path / "out.wav")
    samples = read_audio(result.path)[0][:, 0].astype(int)
    inbound = decode_ulaw(encode_ulaw(tone(INBOUND_HZ, 8000, 30_000))).astype(int)
    assert samples.max() == 32767
    assert samples.min() == -32768
    assert np.abs(samples - inbound).max() < 33_000
    assert result.levels[0].peak_dbfs == 0.0


def test_who_sends_nothing_leaves_silence(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "s", IN)
    result = master(spool, tmp_path / "out.wav")
    samples, _ = read_audio(result.path)
    assert samples.shape == (32_000, 2)
    assert not samples[:, 1].any()
    assert result.levels[1].peak_dbfs is None


@pytest.mark.parametrize("form", ["wav", "mp3"])
@pytest.mark.parametrize("stop_s", [0.0, None])
def test_an_empty_recording_is_a_valid_file(
    tmp_path: Path, form: str, stop_s: float | None
) -> None:
    spool = make_spool(tmp_path / "s", stop_s=stop_s, format=form)
    result = master(spool, tmp_path / "out")
    samples, rate = read_audio(result.path)
    assert rate == 8000
    assert len(samples) <= 576  # an MP3 file has at least one frame
    assert not samples.any()
    assert (result.samples, result.duration_ms) == (0, 0)


def test_without_a_stop_it_ends_with_the_last_packet(tmp_path: Path) -> None:
    result = master(make_spool(tmp_path / "s", IN, OUT, stop_s=None), tmp_path / "out.wav")
    assert result.samples == round(3.2 * 8000)


def test_times_are_those_of_the_start_fact(tmp_path: Path) -> None:
    result = master(make_spool(tmp_path / "s", IN), tmp_path / "out.wav")
    assert result.started_utc_ns == UTC_NS + 5_000_000
    assert result.ended_utc_ns == result.started_utc_ns + 4_000_000_000


def test_deviations_are_told_by_track(tmp_path: Path) -> None:
    result = master(make_spool(tmp_path / "s", IN, OUT, OUT), tmp_path / "out.wav")
    assert result.tracks["inbound"].packets == 50
    assert result.tracks["outbound"].packets == 85
    assert result.tracks["outbound"].duplicates == 85
    assert not result.torn


def test_a_spool_is_mastered_up_to_its_tear(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "s", IN, stop_s=None)
    whole = spool.read_bytes()
    with spool.open("ab") as file:
        file.write(OUT[: len(OUT) // 2])
    result = master(spool, tmp_path / "out.wav")
    assert result.torn
    assert result.samples == 16_000
    assert near(spans(read_audio(result.path)[0][:, 0], INBOUND_HZ), [(1000, 2000)])
    assert spool.read_bytes().startswith(whole)


def test_every_cut_of_a_spool_gives_a_file_or_says_why(tmp_path: Path) -> None:
    whole = make_spool(tmp_path / "s", IN, OUT).read_bytes()
    cut = tmp_path / "cut"
    last = 0
    for size in range(0, len(whole) + 1, 997):
        cut.write_bytes(whole[:size])
        try:
            samples = master(cut, tmp_path / "out.wav").samples
        except MasteringError:
            assert last == 0
            continue
        assert samples >= last
        last = samples


@pytest.mark.parametrize("content", [b"", b"\0" * 400, IN])
def test_a_spool_without_a_header_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(MasteringError, match="no readable header"):
        master(tmp_path / "s", tmp_path / "out.wav")
    assert not list(tmp_path.glob("out*"))


def test_a_missing_spool_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        master(tmp_path / "none", tmp_path / "out.wav")


def test_too_long_for_wav_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mastering_sinks, "MAX_DATA_BYTES", 100_000)
    with pytest.raises(MasteringError, match="4 GiB"):
        master(make_spool(tmp_path / "s", IN), tmp_path / "out.wav")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("form", ["wav", "mp3"])
def test_mastering_again_gives_the_same_bytes(tmp_path: Path, form: str) -> None:
    spool = make_spool(tmp_path / "s", IN, OUT, format=form)
    (tmp_path / "b.part").write_bytes(b"left by an earlier try" * 10_000)
    first = master(spool, tmp_path / "a").path.read_bytes()
    second = master(spool, tmp_path / "b").path.read_bytes()
    assert first == second
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("form", ["wav", "mp3"])
def test_a_trimmed_file(tmp_path, form):
    spool = make_spool(tmp_path / "s", track_record(0, 1.0, 3.0), format=form, trim="trim-silence")
    mastered = Masters(tmp_path, lambda *_: (4000, 20000)).master(spool, tmp_path / f"out.{form}")
    samples, rate = read_audio(mastered.path)
    assert rate == 8000
    assert abs(len(samples) - 16000) < (1 if form == "wav" else 2500)
    assert (mastered.duration_ms, mastered.trimmed) == (2000, Trimmed(500, 1500, speech=True))
    assert (mastered.started_utc_ns, mastered.ended_utc_ns) == (
        UTC_NS + 5_000_000,
        UTC_NS + 4_005_000_000,
    )
    plain = Masters(tmp_path).master(spool, tmp_path / f"plain.{form}")
    assert (plain.duration_ms, plain.trimmed) == (4000, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"out.{form}", f"plain.{form}", "s"]


def test_what_a_full_disk_did_not_take_is_given_up_with_its_file(tmp_path):
    part = tmp_path / "file.part"
    part.symlink_to("/dev/full")
    whole = WholeFile(tmp_path / "file")
    whole.file.write(b"not on the disk yet")
    whole.discard()
    assert list(tmp_path.iterdir()) == []
