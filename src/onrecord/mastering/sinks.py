"""Where finished samples go: a WAV or an MP3 file that appears whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.mp3 import Mp3Writer
from onrecord.audio.wav import MAX_DATA_BYTES, SAMPLE_BYTES, wav_header

SETTLE_BYTES: Final = 1 << 22


class TooLongError(Exception):
    """The samples do not fit into the format."""


class Sink(Protocol):
    """Takes samples in order; blocks have shape ``(channels, n)``."""

    def write(self, block: NDArray[np.int16]) -> None:
        """Take the next samples.

        Raises:
            TooLongError: no more fit.
            OSError: the disk refused.
        """
        ...

    def finish(self) -> None:
        """Complete the file's bytes; nothing is written after."""
        ...


class WavSink:
    """PCM16 WAV: the header is written again at the end, when the length is known."""

    def __init__(self, file: IO[bytes], channels: int, sample_rate: int) -> None:
        self._file = file
        self._channels = channels
        self._rate = sample_rate
        self._data_bytes = 0
        file.write(wav_header(channels, sample_rate))

    def write(self, block: NDArray[np.int16]) -> None:
        """Interleave and write; see :class:`Sink`."""
        self._data_bytes += block.size * SAMPLE_BYTES
        if self._data_bytes > MAX_DATA_BYTES:
            raise TooLongError("the recording is longer than a WAV file can be (4 GiB)")
        if len(block) == 2:
            # A frame is one number: its low half is channel A, which comes first.
            frames = block[1].astype("<u4")
            frames <<= 16
            frames |= block[0].view(np.uint16)
        else:
            frames = block.T.astype("<i2", "C", copy=False)
        self._file.write(frames.data)

    def finish(self) -> None:
        """Write the header that says how long the samples are."""
        self._file.seek(0)
        self._file.write(wav_header(self._channels, self._rate, self._data_bytes))


class Mp3Sink:
    """MP3; a recording without any sample gets one of silence, as a file without a frame is none."""

    def __init__(self, file: IO[bytes], channels: int, sample_rate: int) -> None:
        self._writer = Mp3Writer(file, channels, sample_rate)
        self._silence = np.zeros((channels, 1), np.int16)
        self._empty = True

    def write(self, block: NDArray[np.int16]) -> None:
        """Encode; see :class:`Sink`."""
        self._empty = False
        self._writer.write(block)

    def finish(self) -> None:
        """Encode what is left."""
        if self._empty:
            self._writer.write(self._silence)
        self._writer.finish()


class WholeFile:
    """A file that gets its name only once all of it is written.

    Until then it is ``<name>.part`` in the same folder, in place of what an earlier try left.
    """

    def __init__(self, target: Path) -> None:
        """Open it.

        Raises:
            OSError: the folder cannot be written.
        """
        self._target = target
        self._part = target.with_name(target.name + ".part")
        self.file: IO[bytes] = self._part.open("w+b")
        self._settled = 0
        self._kept = False

    def settle(self) -> None:
        """Have what was written put on the disk, if that is much: whoever syncs the file then waits for little."""
        if self.file.tell() - self._settled >= SETTLE_BYTES:
            self._settled = self.file.tell()
            self.file.flush()
            os.fdatasync(self.file.fileno())

    def keep(self) -> None:
        """Close and rename; it is not synced.

        Raises:
            OSError: the disk refused; the target is as it was before.
        """
        self.file.close()
        self._part.replace(self._target)
        self._kept = True

    def discard(self) -> None:
        """Close and remove it; the target is as it was before. After :meth:`keep` nothing is left to do."""
        if self._kept:
            return
        with suppress(OSError):  # a full disk does not take the rest either
            self.file.close()
        self._part.unlink(missing_ok=True)
