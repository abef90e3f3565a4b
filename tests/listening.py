"""What is in a piece of audio: which tone, how loud, from which millisecond on."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.reading import read_audio

Samples = NDArray[np.int16]


def read_bytes(content: bytes, folder: Path, suffix: str) -> tuple[Samples, int]:
    """Samples of shape (n, channels) and the rate of a file's bytes."""
    path = folder / f"listened.{suffix}"
    path.write_bytes(content)
    return read_audio(path)


def level(samples: Samples) -> float:
    """RMS, 0 to 32768."""
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0


def strength(samples: Samples, hertz: float, rate: int = 8000) -> float:
    """Amplitude of one frequency in the samples."""
    at = np.arange(len(samples)) / rate
    return float(2 * np.abs(np.mean(samples * np.exp(-2j * np.pi * hertz * at))))


def onset_ms(samples: Samples, hertz: float, rate: int = 8000, least: float = 4000.0) -> float:
    """When the tone begins: the first 10 ms window that holds it; inf when none does."""
    window = rate // 100
    for first in range(0, len(samples) - window, window // 2):
        if strength(samples[first : first + window], hertz, rate) > least:
            return 1000 * first / rate
    return float("inf")


def tone_ms(samples: Samples, hertz: float, rate: int = 8000, least: float = 1000.0) -> float:
    """How long the tone is there, in windows of 20 ms."""
    window = rate // 50
    count = sum(
        strength(samples[first : first + window], hertz, rate) > least
        for first in range(0, len(samples) - window + 1, window)
    )
    return 20.0 * count
