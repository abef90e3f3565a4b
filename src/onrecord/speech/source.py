"""A finished file as samples that are read when they are wanted, so that a recording of hours needs no memory.

It is read, not mapped: pages of a map count as the process's memory until somebody else wants it.
"""

import os
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.reading import read_blocks
from onrecord.audio.wav import SAMPLE_BYTES, wav_header


@dataclass(frozen=True, slots=True)
class Sound:
    """PCM16 within an open file, which is closed when its ``with`` is left."""

    file: IO[bytes]
    offset: int
    """Of the first sample, bytes."""
    frames: int
    """Samples of each channel."""
    channels: int
    """Side by side in the file."""
    rate: int
    """Samples per second."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()

    @property
    def duration_ms(self) -> int:
        """Of the whole file."""
        return self.frames * 1000 // self.rate

    def read(self, start: int, end: int) -> NDArray[np.int16]:
        """The samples ``start`` to ``end``, those that there are. Shape ``(n, channels)``."""
        wide = self.channels * SAMPLE_BYTES
        first, last = (min(max(0, at), self.frames) for at in (start, end))
        size, at = max(0, last - first) * wide, self.offset + first * wide
        found = os.pread(self.file.fileno(), size, at)
        return np.frombuffer(found, "<i2", len(found) // wide * self.channels).reshape(
            -1, self.channels
        )

    def channel(self, number: int) -> "Channel":
        """One channel alone."""
        return Channel(self, number)

    def cut(self, start_ms: int, end_ms: int) -> NDArray[np.int16]:
        """The samples of a stretch. Shape ``(n, channels)``."""
        return self.read(start_ms * self.rate // 1000, end_ms * self.rate // 1000)

    def wav(self, start_ms: int, end_ms: int) -> bytes:
        """A stretch as a WAV file of its own (LINEAR16)."""
        part = self.cut(start_ms, end_ms)
        return self.header(len(part)) + part.astype("<i2").tobytes()

    def header(self, frames: int | None = None) -> bytes:
        """The header of a WAV file with the whole sound, or with so many frames."""
        count = self.frames if frames is None else frames
        return wav_header(self.channels, self.rate, count * self.channels * SAMPLE_BYTES)


@dataclass(frozen=True, slots=True)
class Channel:
    """The samples of one channel, for :func:`onrecord.speech.vad.probabilities`."""

    sound: Sound
    number: int

    def __len__(self) -> int:
        return self.sound.frames

    def __getitem__(self, part: slice) -> NDArray[np.int16]:
        start, end, _ = part.indices(len(self))
        return self.sound.read(start, end)[:, self.number]


def open_sound(path: Path) -> Sound:
    """Open a PCM16 WAV file, or decode any other into a temporary file that has no name.

    Raises:
        UnreadableAudioError: no audio could be read from it.
        OSError: the file cannot be read, or there is no room for the decoded samples.
    """
    file = path.open("rb")
    try:
        with wave.open(file) as wav:
            channels, rate = wav.getnchannels(), wav.getframerate()
            if wav.getsampwidth() == SAMPLE_BYTES:
                offset = file.tell()
                frames = min(wav.getnframes(), _frames_there(path, offset, channels))
                return Sound(file, offset, frames, channels, rate)
    except (wave.Error, EOFError):
        pass  # it may be audio all the same
    file.close()
    return _decoded(path)


def _frames_there(path: Path, offset: int, channels: int) -> int:
    return max(0, path.stat().st_size - offset) // (channels * SAMPLE_BYTES)


def _decoded(path: Path) -> Sound:
    file = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by the sound, or below
    try:
        blocks = read_blocks(path)
        block, rate = next(blocks)
        frames, channels = 0, block.shape[1]
        for block, _ in blocks:
            frames += len(block)
            file.write(block.astype("<i2").tobytes())
        file.flush()
    except BaseException:
        file.close()
        raise
    return Sound(file, 0, frames, channels, rate)
