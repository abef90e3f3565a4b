"""The sound that the load sends, and how much of it is in a finished file, sample by sample.

Mu-law is done here again, by the formula of G.711, so that the product is not checked by itself.
"""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 8000
FRAME = 160
SECONDS = 10

Samples = NDArray[np.int16]


def decode_table() -> Samples:
    """The linear value of each of the 256 mu-law codes."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def encode(samples: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The nearest mu-law code of each sample; the two codes for zero are never used."""
    table = decode_table().astype(np.float64)
    codes = np.argsort(table)
    codes = codes[table[codes] != 0]
    levels = table[codes]
    middle = (levels[1:] + levels[:-1]) / 2
    chosen: NDArray[np.uint8] = codes[np.searchsorted(middle, samples)].astype(np.uint8)
    return chosen


def continuous_sound() -> NDArray[np.uint8]:
    """Ten seconds of mu-law that is never silent: gliding tones in noise, no two frames alike."""
    random = np.random.default_rng(8000)
    time = np.arange(SECONDS * RATE) / RATE
    glide = np.cumsum(300 + 250 * np.sin(2 * np.pi * 0.7 * time)) / RATE
    tones = np.sin(2 * np.pi * glide) + 0.5 * np.sin(2 * np.pi * 3.1 * glide)
    return encode(3500 * tones + 700 * random.standard_normal(len(time)))


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds of one stream."""

    seconds: float
    exact: int
    """Frames of 20 ms, from the first sound to the last, that are bit for bit what was sent."""
    silent: int
    """Frames between them that are silent."""
    other: int
    """Frames that are neither."""


def content(path: Path, sound: NDArray[np.uint8]) -> Content:
    """Compares channel A of a WAV file with the sound, repeated from its head."""
    with wave.open(str(path)) as file:
        channels, count = file.getnchannels(), file.getnframes()
        samples = np.frombuffer(file.readframes(count), np.int16).reshape(-1, channels)[:, 0]
    heard = np.flatnonzero(samples)
    if not len(heard):
        return Content(count / RATE, 0, 0, 0)
    frames = -(-(heard[-1] + 1 - heard[0]) // FRAME)
    padded = np.zeros(frames * FRAME, np.int16)
    body = samples[heard[0] : heard[0] + frames * FRAME]
    padded[: len(body)] = body
    expected = np.resize(decode_table()[sound], frames * FRAME)
    exact = (padded == expected).reshape(frames, FRAME).all(axis=1)
    silent = (padded == 0).reshape(frames, FRAME).all(axis=1)
    return Content(count / RATE, int(exact.sum()), int(silent.sum()), int((~exact & ~silent).sum()))
