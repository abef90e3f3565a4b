"""Samples that are trimmed before they become a file: where speech ends is known only at the end."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from onrecord.calls.records import Trimmed

NO_SPEECH_MS = 100
"""What a recording without speech keeps of its begin, as a file without samples is none to many."""
_PIECE = 160_000


class Trimmer(Protocol):
    """Decides what is kept of a recording."""

    def __call__(self, samples: NDArray[np.int16], rate: int) -> tuple[int, int] | None:
        """The part to keep, ``samples[start:end]``; None where there is no speech.

        ``samples`` has the shape ``(n, channels)`` and may be a memory map.
        """
        ...


class Rough:
    """The whole recording in a file without a name, which is gone whenever this process is."""

    def __init__(self, folder: Path, channels: int, rate: int, trimmer: Trimmer) -> None:
        """Make the file on the disk of ``folder``.

        Raises:
            OSError: it cannot be made.
        """
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 -- closed by close()
        self._channels = channels
        self._rate = rate
        self._trimmer = trimmer
        self.samples = 0

    def write(self, block: NDArray[np.int16]) -> None:
        """Take the next samples. Shape ``(channels, n)``.

        Raises:
            OSError: the disk refused.
        """
        self._file.write(np.ascontiguousarray(block.T).tobytes())
        self.samples += block.shape[1]

    def trimmed(self) -> tuple[Iterator[NDArray[np.int16]], Trimmed]:
        """What is kept, in blocks of shape ``(channels, n)``, and what was cut off."""
        self._file.flush()
        samples = np.empty((0, self._channels), np.int16)
        if self.samples:
            samples = np.memmap(self._file, np.int16, "r", shape=(self.samples, self._channels))
        kept = self._trimmer(samples, self._rate)
        start, end = kept or (0, min(self.samples, NO_SPEECH_MS * self._rate // 1000))
        pieces = (samples[at : min(at + _PIECE, end)].T for at in range(start, end, _PIECE))
        cut = Trimmed(self._millis(start), self._millis(self.samples - end), kept is not None)
        return pieces, cut

    def close(self) -> None:
        """Let go of the file."""
        with suppress(OSError):  # a full disk does not take the rest either
            self._file.close()

    def _millis(self, samples: int) -> int:
        return samples * 1000 // self._rate
