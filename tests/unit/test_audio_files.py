"""WAV, MP3, levels and decoding, by what is heard in the files."""

import io
import math
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from onrecord.audio.level import Level, Meter, level_of
from onrecord.audio.mp3 import Mp3Writer, bit_rate
from onrecord.audio.reading import UnreadableAudioError, read_audio
from onrecord.audio.wav import MAX_DATA_BYTES, wav_header

RATE = 8000


def noise(seconds: float, channels: int, seed: int = 1) -> np.ndarray:
    """Band-limited noise, which has one place only where it fits."""
    rng = np.random.default_rng(seed)
    white = rng.normal(0, 4000, (channels, round(seconds * RATE)))
    kernel = np.hanning(9) / np.hanning(9).sum()
    smooth = np.stack([np.convolve(row, kernel, "same") for row in white])
    return smooth.astype(np.int16)


def lag(heard: np.ndarray, true: np.ndarray) -> int:
    """By how many samples ``heard`` comes later."""
    n = len(true)
    spectrum = np.fft.rfft(heard[:n], 2 * n) * np.conj(np.fft.rfft(true, 2 * n))
    peak = int(np.argmax(np.fft.irfft(spectrum)))
    return peak - 2 * n if peak > n else peak


def encode(block: np.ndarray, step: int, path: Path, rate: int = RATE) -> None:
    with path.open("wb") as file:
        writer = Mp3Writer(file, len(block), rate)
        for first in range(0, block.shape[1], step):
            writer.write(block[:, first : first + step])
        writer.finish()


def test_header_is_read_by_others() -> None:
    frames = np.arange(20, dtype="<i2").reshape(-1, 2)
    data = wav_header(2, RATE, frames.nbytes) + frames.tobytes()
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, RATE, 2)
        assert file.readframes(99) == frames.tobytes()


def test_stream_of_unknown_length_plays_to_its_end(tmp_path: Path) -> None:
    frames = noise(0.5, 1)[0]
    (tmp_path / "s.wav").write_bytes(wav_header(1, RATE) + frames.tobytes())
    samples, rate = read_audio(tmp_path / "s.wav")
    assert rate == RATE
    assert np.array_equal(samples[:, 0], frames)


@pytest.mark.parametrize("size", [-2, MAX_DATA_BYTES + 1, 2**33])
def test_more_than_a_wav_file_holds_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        wav_header(2, RATE, size)


def test_longest_wav_header_is_made() -> None:
    assert wav_header(2, RATE, MAX_DATA_BYTES)[4:8] == (MAX_DATA_BYTES + 36).to_bytes(4, "little")


@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_has_length_and_place_of_what_went_in(tmp_path: Path, channels: int) -> None:
    true = noise(5.3, channels)
    encode(true, 8000, tmp_path / "a.mp3")
    samples, rate = read_audio(tmp_path / "a.mp3")
    assert rate == RATE
    assert samples.shape == (true.shape[1], channels)
    for channel in range(channels):
        assert lag(samples[:, channel].astype(float), true[channel].astype(float)) == 0


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_tone_begins_at_its_millisecond(tmp_path: Path, channels: int, rate: int) -> None:
    block = np.zeros((channels, 3 * rate + 131), np.int16)
    begin = round(1.2345 * rate)
    at = np.arange(block.shape[1] - begin) / rate
    block[:, begin:] = np.round(9000 * np.sin(2 * np.pi * 1000 * at))
    encode(block, 9999, tmp_path / "a.mp3", rate)
    samples, found = read_audio(tmp_path / "a.mp3")
    assert (found, samples.shape) == (rate, block.shape[::-1])
    for channel in samples.T:
        onset = int(np.argmax(np.abs(channel) > 4000))
        assert abs(onset - begin) * 1000 / rate < 1
        assert lag(channel[: RATE * 2].astype(float), block[0, : RATE * 2].astype(float)) == 0


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
def test_mp3_plays_elsewhere_without_a_warning(tmp_path: Path, rate: int) -> None:
    encode(noise(4 * rate / RATE, 2), 8000, tmp_path / "a.mp3", rate)
    command = ["ffmpeg", "-v", "warning", "-i", str(tmp_path / "a.mp3"), "-f", "s16le", "-"]
    done = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    assert done.stderr == b""
    assert len(done.stdout) == 4 * rate * 4


def test_mp3_tag_says_what_the_file_holds(tmp_path: Path) -> None:
    encode(noise(2, 2), 8000, tmp_path / "a.mp3")
    data = (tmp_path / "a.mp3").read_bytes()
    frame = 576
    assert data[:3] == data[frame : frame + 3]
    assert data[21:25] == b"Info"
    frames, size = (int.from_bytes(data[at : at + 4], "big") for at in (29, 33))
    assert (frames + 1) * frame == size == len(data)
    gaps = int.from_bytes(data[21 + 141 : 21 + 144], "big")
    assert gaps >> 12 == 576
    assert frames * 576 == (gaps >> 12) + 16_000 + (gaps & 0xFFF)


def test_mp3_channel_with_little_noise_hears_nothing_of_the_other(tmp_path: Path) -> None:
    block = np.concatenate([noise(4, 1), noise(4, 1, seed=2) // 400])
    encode(block, 3000, tmp_path / "a.mp3")
    samples, _ = read_audio(tmp_path / "a.mp3")
    error = samples[:, 1].astype(float) - block[1]
    assert np.sqrt(np.mean(error**2)) < 8
    loud = block[0].astype(float)
    heard = float(np.dot(samples[:, 1].astype(float), loud) / np.dot(loud, loud))
    assert abs(heard) < 0.001


def test_mp3_is_of_constant_rate(tmp_path: Path) -> None:
    encode(noise(20, 2), 160_000, tmp_path / "a.mp3")
    size = (tmp_path / "a.mp3").stat().st_size
    assert abs(size / 20 * 8 - bit_rate(2, RATE)) < 1500


def test_mp3_channels_do_not_leak(tmp_path: Path) -> None:
    block = np.zeros((2, 4 * RATE), np.int16)
    block[0, : 2 * RATE] = noise(2, 1)[0]
    block[1, 2 * RATE :] = noise(2, 1, seed=2)[0]
    encode(block, 3000, tmp_path / "a.mp3")
    samples, _ = read_audio(tmp_path / "a.mp3")
    loud = np.abs(samples[1000:15_000].astype(int)).mean(axis=0)
    assert loud[0] > 1000
    assert loud[1] < 10
    loud = np.abs(samples[17_000:31_000].astype(int)).mean(axis=0)
    assert loud[1] > 1000
    assert loud[0] < 10


def test_mp3_does_not_depend_on_the_blocks(tmp_path: Path) -> None:
    true = noise(3, 2)
    encode(true, 700, tmp_path / "a.mp3")
    encode(true, 24_000, tmp_path / "b.mp3")
    assert (tmp_path / "a.mp3").read_bytes() == (tmp_path / "b.mp3").read_bytes()


def test_levels_of_known_signals() -> None:
    meter = Meter()
    sine = np.round(16384 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)).astype(np.int16)
    for first in range(0, 8000, 999):
        meter.add(sine[first : first + 999])
    meter.add(sine[:0])
    level = meter.level()
    assert level.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert level.rms_dbfs == pytest.approx(-9.03, abs=0.01)


def test_level_of_silence_and_of_full_scale() -> None:
    silent = Meter()
    assert silent.level() == Level(None, None)
    silent.add(np.zeros(100, np.int16))
    assert silent.level() == Level(None, None)
    full = Meter()
    full.add(np.full(100, -32768, np.int16))
    assert full.level() == Level(0.0, 0.0, clipped=100)
    assert not math.isnan(full.level().rms_dbfs)


def test_a_level_in_words() -> None:
    sine = np.round(32767 * np.sin(2 * np.pi * 400 * np.arange(8000) / 8000)).astype(np.int16)
    assert str(level_of(sine)) == "peak 0.0, RMS -3.0 dBFS"
    assert str(level_of(sine[:0])) == "silent"


def test_what_is_no_audio_says_so(tmp_path: Path) -> None:
    (tmp_path / "no.wav").write_bytes(b"nothing of the kind")
    with pytest.raises(UnreadableAudioError, match=r"no\.wav"):
        read_audio(tmp_path / "no.wav")
    with pytest.raises(UnreadableAudioError, match=r"gone\.mp3"):
        read_audio(tmp_path / "gone.mp3")


def test_pyav_is_not_loaded_until_it_is_needed() -> None:
    code = "import sys, onrecord.mastering, onrecord.audio.reading; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
