"""Sounds of a telephone by formula, and the demo's clips, at 8 kHz as int16."""

import wave
from importlib import resources

import numpy as np

from onrecord.audio.g711 import decode_ulaw, encode_ulaw

RATE = 8000
WORDS = {
    "ann-1": "Hi Bob, it's Ann. Is this call being recorded?",
    "bob-1": "It is. You are on the left, and I am on the right.",
    "ann-2": "Good. Then nothing gets lost.",
    "bob-2": "Not a word. Thank you, and goodbye!",
}


def clip(name):
    """A clip of the demo after a trip through G.711."""
    file = resources.files("onrecord.demo").joinpath("clips", f"{name}.wav")
    with file.open("rb") as opened, wave.open(opened) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
    return telephone(samples)


def telephone(samples):
    """The samples as µ-law gives them back."""
    whole = np.clip(np.round(samples), -32768, 32767).astype(np.int16)
    return decode_ulaw(encode_ulaw(whole))


def silence(seconds):
    return np.zeros(int(seconds * RATE), np.int16)


def level(samples, dbov):
    """Scaled to a level of the root mean square, dB below full scale."""
    rms = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    return samples * (32768 * 10 ** (dbov / 20) / rms)


def noise(seconds, dbov, slope=0.0, seed=1):
    """Noise whose power falls with frequency to the ``slope``."""
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 50)
    return level(np.fft.irfft(spectrum * hertz ** (-slope / 2), count), dbov)


def tones(frequencies, on, off, seconds, amplitude=3000):
    """A cadence, such as a ring-back tone."""
    t = np.arange(int(on * RATE)) / RATE
    sound = sum(np.sin(2 * np.pi * f * t) for f in frequencies) * amplitude
    unit = np.concatenate([sound, np.zeros(int(off * RATE))])
    return np.tile(unit, int(seconds / (on + off)) + 1)[: int(seconds * RATE)]


def dtmf(seconds, seed=2):
    random = np.random.default_rng(seed)
    parts = []
    while sum(map(len, parts)) < seconds * RATE:
        low, high = random.choice((697, 770, 852, 941)), random.choice((1209, 1336, 1477))
        parts.append(tones((low, high), 0.1, 0.1, 0.2))
    return np.concatenate(parts)[: int(seconds * RATE)]


def write_wav(path, samples, rate=RATE):
    """A PCM16 file of samples ``(n,)`` or ``(n, channels)``."""
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(samples.astype("<i2").tobytes())
    return path


def conversation(gap=1.0):
    """Ann left, Bob right, in turns with gaps. Shape ``(n, 2)``."""
    left, right = [silence(gap)], [silence(gap)]
    for name in WORDS:
        spoken = clip(name)
        mine, other = (left, right) if name.startswith("ann") else (right, left)
        mine += [spoken, silence(gap)]
        other += [np.zeros_like(spoken), silence(gap)]
    return np.stack([np.concatenate(left), np.concatenate(right)], axis=1)
