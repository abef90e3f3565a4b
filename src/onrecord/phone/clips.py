"""Things to say: clips from WAV files, and tones. Samples are int16 at 8 kHz, shape ``(n,)``."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 8000


def read_clip(path: Path) -> NDArray[np.int16]:
    """The samples of a WAV file.

    Raises:
        ValueError: it is not 16-bit mono PCM at 8 kHz.
    """
    with wave.open(str(path), "rb") as file:
        form = file.getnchannels(), file.getsampwidth(), file.getframerate()
        if form != (1, 2, SAMPLE_RATE):
            raise ValueError(f"{path.name} must be 16-bit mono PCM at 8 kHz")
        frames = file.readframes(file.getnframes())
    return np.frombuffer(frames, "<i2").astype(np.int16)


def tone(hertz: float, seconds: float, amplitude: int = 8000) -> NDArray[np.int16]:
    """A sine, 1 to 32767 high."""
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.round(amplitude * np.sin(2 * np.pi * hertz * at)).astype(np.int16)
