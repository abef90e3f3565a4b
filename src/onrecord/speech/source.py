"""A finished file as samples on disk, so that a recording of hours needs no memory."""

import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.reading import read_blocks
from onrecord.audio.wav import SAMPLE_BYTES, wav_header


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples that are mapped, not read."""

    samples: NDArray[np.int16]
    """Shape ``(n, channels)``."""
    rate: int
    """Samples per second."""

    @property
    def channels(self) -> int:
        """Side by side in the file."""
        return int(self.samples.shape[1])

    @property
    def duration_ms(self) -> int:
        """Of the whole file."""
        return len(self.samples) * 1000 // self.rate

    def cut(self, start_ms: int, end_ms: int) -> NDArray[np.int16]:
        """The samples of a stretch. Shape ``(n, channels)``."""
        return self.samples[start_ms * self.rate // 1000 : end_ms * self.rate // 1000]

    def wav(self, start_ms: int, end_ms: int) -> bytes:
        """A stretch as a WAV file of its own (LINEAR16)."""
        part = self.cut(start_ms, end_ms)
        return self.header(len(part)) + part.astype("<i2").tobytes()

    def header(self, frames: int | None = None) -> bytes:
        """The header of a WAV file with the whole sound, or with so many frames."""
        count = len(self.samples) if frames is None else frames
        return wav_header(self.channels, self.rate, count * self.channels * SAMPLE_BYTES)


def open_sound(path: Path) -> Sound:
    """Map a PCM16 WAV file, or decode any other into a temporary file that has no name.

    Raises:
        UnreadableAudioError: no audio could be read from it.
        OSError: the file cannot be read, or there is no room for the decoded samples.
    """
    with path.open("rb") as file:
        try:
            with wave.open(file) as wav:
                channels, rate = wav.getnchannels(), wav.getframerate()
                plain = wav.getsampwidth() == SAMPLE_BYTES
                offset = file.tell()
                frames = min(wav.getnframes(), _frames_there(path, offset, channels))
        except (wave.Error, EOFError):
            plain = False
        if plain:
            return Sound(_mapped(file, offset, (frames, channels)), rate)
    return _decoded(path)


def _frames_there(path: Path, offset: int, channels: int) -> int:
    return max(0, path.stat().st_size - offset) // (channels * SAMPLE_BYTES)


def _decoded(path: Path) -> Sound:
    with tempfile.TemporaryFile() as file:
        blocks = read_blocks(path)
        block, rate = next(blocks)
        frames, channels = 0, block.shape[1]
        for block, _ in blocks:
            frames += len(block)
            file.write(block.astype("<i2").tobytes())
        file.flush()
        return Sound(_mapped(file, 0, (frames, channels)), rate)


def _mapped(file: IO[bytes], offset: int, shape: tuple[int, int]) -> NDArray[np.int16]:
    if not shape[0]:
        return np.empty((0, shape[1]), np.int16)
    mapped: NDArray[np.int16] = np.memmap(file, "<i2", "r", offset, shape)
    return mapped
