"""Wide-band codecs: their clocks, their rates, changes between them, and files of either rate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench_spool import HEADER
from onrecord.audio.payloads import make_encoder
from onrecord.audio.reading import read_audio
from onrecord.mastering import Master, MasteringError, master
from onrecord.rtp.header import build_packet
from onrecord.spool.format import encode_begin, encode_fact, encode_packets
from onrecord.timeline import Timeline
from onrecord.timeline.payloads import OPUS, UNKNOWN, kinds_of, units_of

S = 1_000_000_000
START_NS = HEADER.started_monotonic_ns
DELAY_NS = 10_000_000
CODECS = {
    0: ("PCMU", 8000, 8000),
    8: ("PCMA", 8000, 8000),
    9: ("G722", 8000, 16000),
    96: ("OPUS", 48000, 48000),
    97: ("L16", 16000, 16000),
    98: ("L16", 8000, 8000),
    99: ("L16", 48000, 48000),
}
MAP = {str(number): [name, clock] for number, (name, clock, _) in CODECS.items()}
DELAYS_MS = {9: 1.4, 96: 6.5}
"""What the encoders themselves put in front."""


def tone(begin_s: float, seconds: float, rate: int, hertz: float) -> np.ndarray:
    """Silence, and from ``begin_s`` on a tone."""
    at = np.arange(round(seconds * rate)) / rate
    return np.round(np.where(at < begin_s, 0, 9000 * np.sin(2 * np.pi * hertz * at))).astype(
        np.int16
    )


def packets(
    uses: list[tuple[float, int]], seconds: float, onset: float, hertz: float = 700
) -> list:
    """Arrival and datagram of a stream that uses payload types from given seconds on."""
    sent, stamp, number = [], 12_345, 500
    bounds = [*[since for since, _ in uses], seconds]
    for (since, payload_type), until in zip(uses, bounds[1:], strict=True):
        name, clock, rate = CODECS[payload_type]
        encoder = make_encoder(name)
        sound = tone(onset, seconds, rate, hertz)[round(since * rate) : round(until * rate)]
        for i, frame in enumerate(
            sound[: len(sound) // (rate // 50) * (rate // 50)].reshape(-1, rate // 50)
        ):
            raw = build_packet(payload_type, number, stamp, 77, i == 0, encoder.encode(frame))
            sent.append((START_NS + DELAY_NS + round((since + i * 0.02) * S), raw))
            stamp, number = stamp + clock // 50, number + 1
    return sent


def record(sent: list, track: int = 0) -> bytes:
    size = np.array([len(raw) for _, raw in sent], np.uint16)
    data = np.zeros((len(sent), int(size.max())), np.uint8)
    for row, (_, raw) in zip(data, sent, strict=True):
        row[: len(raw)] = np.frombuffer(raw, np.uint8)
    return encode_packets(track, np.array([at for at, _ in sent], np.int64), size, data)


def spool_of(path: Path, sent: list, seconds: float, *more: bytes, **changes: object) -> Path:
    header = replace(HEADER, **{"track": "inbound", **changes})
    parts = [
        encode_begin(header),
        encode_fact("start", START_NS, {"inbound": MAP, "outbound": MAP}),
    ]
    parts += [record(sent[at : at + 25]) for at in range(0, len(sent), 25)]
    stop = encode_fact("stop", START_NS + round(seconds * S), {"reason": "command"})
    path.write_bytes(b"".join([*parts, *more, stop]))
    return path


def onset_ms(samples: np.ndarray, rate: int) -> float:
    return float(np.argmax(np.abs(samples) > 3000)) * 1000 / rate


def amplitude(samples: np.ndarray, rate: int, hertz: float) -> float:
    at = np.arange(len(samples)) / rate
    return float(2 * np.abs(np.mean(samples * np.exp(-2j * np.pi * hertz * at))))


@pytest.mark.parametrize("payload_type", CODECS)
@pytest.mark.parametrize("rate", [0, 8000, 16000, 48000])
def test_each_codec_at_each_rate_is_in_its_place(
    tmp_path: Path, payload_type: int, rate: int
) -> None:
    sent = packets([(0.0, payload_type)], 4.0, onset=2.0)
    result = master(spool_of(tmp_path / "s", sent, 4.5, sample_rate=rate), tmp_path / "out.wav")
    samples, found = read_audio(result.path)
    wanted = rate or CODECS[payload_type][2]
    assert (found, len(samples)) == (wanted, 4.5 * wanted)
    assert (result.sample_rate, result.duration_ms) == (wanted, 4500)
    expected = 2000 + 10 + DELAYS_MS.get(payload_type, 0)
    assert abs(onset_ms(samples[:, 0], wanted) - expected) < 1
    middle = samples[round(2.5 * wanted) : round(3.5 * wanted), 0]
    assert amplitude(middle, wanted, 700) == pytest.approx(9000, rel=0.06)
    assert result.tracks["inbound"].lost == 0
    assert [use.name.split("/")[0] for use in result.tracks["inbound"].codecs] == [
        CODECS[payload_type][0]
    ]
    assert [gap.cause for gap in result.tracks["inbound"].gaps] == ["no_media", "no_media"]


@pytest.mark.parametrize("change", [(0, 9), (9, 0), (0, 96), (96, 8), (9, 96), (97, 9)])
def test_codecs_change_in_the_middle_without_a_break(tmp_path: Path, change: tuple) -> None:
    sent = packets([(0.0, change[0]), (3.0, change[1])], 6.0, onset=0.5)
    result = master(spool_of(tmp_path / "s", sent, 6.5), tmp_path / "out.wav")
    samples, rate = read_audio(result.path)
    assert rate == max(CODECS[number][2] for number in change)
    assert len(samples) == 6.5 * rate
    loud = np.abs(samples[: 6 * rate, 0].astype(float)).reshape(-1, rate // 100).mean(axis=1)
    assert (loud[60:300] > 4000).all()
    assert (loud[303:595] > 4000).all()
    track = result.tracks["inbound"]
    assert (track.lost, track.concealed_ms, track.late) == (0, 0, 0)
    assert [use.name.split("/")[0] for use in track.codecs] == [CODECS[c][0] for c in change]
    assert abs(track.codecs[1].at_ms - 3010) < 1


def test_a_wide_file_has_what_a_narrow_one_cannot(tmp_path: Path) -> None:
    sent = packets([(0.0, 97)], 3.0, onset=0.5, hertz=6000)
    samples, rate = read_audio(master(spool_of(tmp_path / "s", sent, 3), tmp_path / "w").path)
    assert amplitude(samples[rate : 2 * rate, 0], rate, 6000) > 7000
    narrow = spool_of(tmp_path / "s", sent, 3, sample_rate=8000)
    samples, rate = read_audio(master(narrow, tmp_path / "n").path)
    assert rate == 8000
    assert np.abs(samples[rate : 2 * rate]).max() < 10  # nothing is mirrored down


def test_half_an_hour_of_either_codec_does_not_drift(tmp_path: Path) -> None:
    """The last second of a long call, whose packets before were not sent: DTX of half an hour."""
    for payload_type in (9, 97):
        sent = packets([(0.0, payload_type)], 1.0, onset=0.5)
        clock = CODECS[payload_type][1]
        late = []
        for at, raw in sent:
            stamp = (int.from_bytes(raw[4:8], "big") + 1800 * clock).to_bytes(4, "big")
            number = (int.from_bytes(raw[2:4], "big") + 50).to_bytes(2, "big")
            late.append((at + 1800 * S, raw[:2] + number + stamp + raw[8:]))
        result = master(spool_of(tmp_path / "s", sent + late, 1802), tmp_path / "out")
        samples, rate = read_audio(result.path)
        assert len(samples) == 1802 * rate
        settled = rate // 4  # a G.722 decoder that meets another encoder needs some time
        first = onset_ms(samples[settled : 2 * rate, 0], rate)
        again = onset_ms(samples[1800 * rate + settled :, 0], rate)
        assert again == pytest.approx(first, abs=0.2)


def test_a_better_codec_late_in_a_growing_spool_gives_the_same_bytes(tmp_path: Path) -> None:
    sent = packets([(0.0, 0), (60.0, 9)], 64.0, onset=0.5)
    whole = spool_of(tmp_path / "whole", sent, 65)
    expected = master(whole, tmp_path / "one-go").path.read_bytes()
    data = whole.read_bytes()
    growing = tmp_path / "growing"
    growing.write_bytes(b"")
    work = Master(growing, tmp_path / "stepped")
    for at in range(0, len(data), 50_000):
        with growing.open("ab") as file:
            file.write(data[at : at + 50_000])
        work.advance()
    result = work.finish()
    assert result.sample_rate == 16_000
    assert result.path.read_bytes() == expected
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("payload_type", [9, 96])
def test_lost_packets_of_any_codec_are_concealed(tmp_path: Path, payload_type: int) -> None:
    sent = packets([(0.0, payload_type)], 4.0, onset=0.5, hertz=200)
    result = master(spool_of(tmp_path / "s", sent[:100] + sent[102:], 4.5), tmp_path / "out")
    samples, rate = read_audio(result.path)
    assert result.tracks["inbound"].concealed_ms == 40
    gap = samples[round(2.01 * rate) : round(2.03 * rate), 0]
    assert np.abs(gap.astype(float)).mean() > 3000


def test_comfort_noise_is_silence(tmp_path: Path) -> None:
    sent = packets([(0.0, 0)], 2.0, onset=0.0)
    noise = build_packet(13, 600, 12_345 + 2 * 8000, 77, False, b"\x40\x10\x20")
    sent.append((START_NS + DELAY_NS + 2 * S, noise))
    result = master(spool_of(tmp_path / "s", sent, 4), tmp_path / "out")
    samples, _ = read_audio(result.path)
    assert not samples[16_080:].any()
    assert result.tracks["inbound"].comfort_noise == 1


def test_payloads_that_no_codec_made_are_counted_and_silent(tmp_path: Path) -> None:
    sent = packets([(0.0, 96)], 2.0, onset=0.0)
    for i, junk in enumerate([b"\xff" * 7, b"\x03\xff", b"\x0f"]):
        at, raw = sent[50 + i]
        sent[50 + i] = (at, raw[:12] + junk)
    result = master(spool_of(tmp_path / "s", sent, 3), tmp_path / "out")
    track = result.tracks["inbound"]
    assert result.duration_ms == 3000
    assert track.unknown + track.invalid == 3


def test_a_rate_that_files_do_not_have_is_refused(tmp_path: Path) -> None:
    spool = spool_of(tmp_path / "s", packets([(0.0, 0)], 1.0, onset=0.0), 1, sample_rate=11_025)
    with pytest.raises(MasteringError, match="11025 Hz"):
        master(spool, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def test_mp3_of_a_wide_call_is_wide(tmp_path: Path) -> None:
    sent = packets([(0.0, 9)], 3.0, onset=1.0)
    result = master(spool_of(tmp_path / "s", sent, 3, format="mp3"), tmp_path / "out.mp3")
    samples, rate = read_audio(result.path)
    assert (rate, len(samples)) == (16_000, 48_000)
    assert abs(onset_ms(samples[:, 0], rate) - 1011.4) < 1.5


def test_opus_lengths_are_those_of_the_table() -> None:
    """RFC 6716 §3.1 and §3.2, by hand."""
    cases = {
        b"\x00": 80,  # SILK, 10 ms
        b"\x18": 480,  # SILK, 60 ms
        b"\x78": 160,  # hybrid, 20 ms
        b"\xf8": 160,  # CELT, 20 ms
        b"\xe0": 20,  # CELT, 2.5 ms
        b"\xf9": 320,  # two frames
        b"\xfb\x06": 960,  # six frames: 120 ms
        b"\xfb\x07": 0,  # 140 ms is too long
        b"\xfb": 0,
    }
    arena = np.frombuffer(b"".join(case.ljust(4, b"\0") for case in cases), np.uint8)
    start = np.arange(len(cases), dtype=np.int64) * 4
    size = np.array([len(case) for case in cases], np.int64)
    kind = np.full(len(cases), OPUS, np.uint8)
    assert units_of(kind, arena, start, size).tolist() == list(cases.values())


def test_stereo_of_l16_is_not_taken_for_mono() -> None:
    kinds = kinds_of({"96": ["L16", 16000, 2], "97": ["opus", 48000, 2], "98": ["G722", 16000]})
    assert kinds[[96, 97, 98]].tolist() == [UNKNOWN, OPUS, UNKNOWN]


def test_a_mixed_call_of_two_rates_keeps_both_in_step() -> None:
    timeline = Timeline(START_NS, (0, 1), sample_rate=16000)
    timeline.fact("start", START_NS, {"inbound": MAP, "outbound": MAP})
    for track, payload_type in ((0, 0), (1, 9)):
        sent = packets([(0.0, payload_type)], 3.0, onset=1.0)
        for at, raw in sent:
            row = np.frombuffer(raw, np.uint8)[None, :]
            timeline.packets(track, np.array([at]), np.array([len(raw)], np.uint16), row)
    timeline.fact("stop", START_NS + 3 * S, {})
    both = np.concatenate(list(timeline.finish()), axis=1)
    assert both.shape == (2, 48_000)
    assert abs(onset_ms(both[0], 16_000) - onset_ms(both[1], 16_000)) < 2
