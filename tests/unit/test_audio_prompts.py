"""Files and tones that are played into calls, as samples."""

import io
import wave

import lameenc
import numpy as np
import pytest

from listening import level, strength
from onrecord.audio.prompts import file_type, read_prompt, tone
from onrecord.audio.reading import UnreadableAudioError


def wav(samples, rate, channels=1):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def sine(hertz, seconds, rate, peak=9000):
    return np.round(peak * np.sin(2 * np.pi * hertz * np.arange(seconds * rate) / rate))


def mp3(samples, rate):
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(rate)
    encoder.set_bit_rate(64)
    return bytes(encoder.encode(samples.astype("<i2").tobytes()) + encoder.flush())


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("source_rate", [8000, 22050, 44100])
def test_a_wav_file_of_any_rate_keeps_pitch_length_and_level(source_rate, rate):
    samples = read_prompt(wav(sine(700, 1, source_rate), source_rate), rate, 10)
    assert abs(len(samples) - rate) <= rate // 100
    middle = samples[rate // 4 : 3 * rate // 4]
    assert strength(middle, 700, rate) == pytest.approx(9000, rel=0.03)


def test_channels_are_mixed():
    both = np.stack([sine(700, 1, 8000), np.zeros(8000)], axis=1)
    samples = read_prompt(wav(both.reshape(-1), 8000, 2), 8000, 10)
    assert 3000 < strength(samples[800:7200], 700) < 7000


def test_an_mp3_file_is_read():
    content = mp3(sine(700, 1, 44100), 44100)
    assert file_type(content) == "mp3"
    samples = read_prompt(content, 8000, 10)
    assert 8000 <= len(samples) <= 9000
    assert strength(samples[2000:6000], 700) == pytest.approx(9000, rel=0.05)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "neither WAV nor MP3"),
        (b"OggS" + bytes(100), "neither WAV nor MP3"),
        (b"RIFF\x00\x00\x00\x00WAVE", "decoded"),
        (b"ID3" + bytes(500), "decoded|no audio"),
        (wav(np.empty(0), 8000), "no audio"),
        (wav(np.zeros(8000), 8000), "longer"),
    ],
)
def test_what_cannot_be_played_is_refused(content, reason):
    with pytest.raises(UnreadableAudioError, match=reason):
        read_prompt(content, 8000, 0.5)


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"\xff\xfb\x90\x64", "mp3"),
        (b"\xff\xf3\x40\xc0", "mp3"),
        (b"\xff\xf1\x50\x80", None),  # AAC in ADTS frames
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "wav"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", None),
    ],
)
def test_the_type_is_told_by_content(head, form):
    assert file_type(head) == form


def test_a_tone_has_its_level_and_does_not_click():
    made = tone(1400, 300, -12, 8000)
    assert len(made) == 2400
    assert strength(made[400:2000], 1400) == pytest.approx(32767 * 10 ** (-12 / 20), rel=0.01)
    assert abs(int(made[0])) < 50
    assert abs(int(made[-1])) < 50
    assert level(tone(1400, 300, -60, 8000)) < 40
