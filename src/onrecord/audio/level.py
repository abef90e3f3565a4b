"""How loud samples are: peak and root mean square against full scale."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FULL_SCALE = 32768.0
_CLIPPED = 32124


@dataclass(frozen=True, slots=True)
class Level:
    """Decibels below full scale (a sample of 32768); None for digital silence."""

    peak_dbfs: float | None
    rms_dbfs: float | None
    """A full-scale sine has -3.01."""
    clipped: int = 0
    """Samples at the limit of G.711 µ-law, the least loud of all codecs' limits, or above it."""

    def __str__(self) -> str:
        if self.peak_dbfs is None or self.rms_dbfs is None:
            return "silent"
        return f"peak {self.peak_dbfs:z.1f}, RMS {self.rms_dbfs:z.1f} dBFS"


class Meter:
    """Measures one channel, block by block."""

    def __init__(self) -> None:
        self._peak = 0
        self._energy = 0.0
        self._samples = 0
        self._clipped = 0

    def add(self, samples: NDArray[np.int16], wide: NDArray[np.float32] | None = None) -> None:
        """Take in the next samples, shape ``(n,)``; ``wide`` are the same, if they are there already."""
        if not len(samples):
            return
        peak = max(int(samples.max()), -int(samples.min()))
        self._peak = max(self._peak, peak)
        if peak >= _CLIPPED:
            loud = np.count_nonzero(samples >= _CLIPPED) + np.count_nonzero(samples <= -_CLIPPED)
            self._clipped += int(loud)
        wide = samples.astype(np.float32) if wide is None else wide
        self._energy += float(np.dot(wide, wide))
        self._samples += len(samples)

    def add_silence(self, count: int) -> None:
        """Take in so many samples that are zero."""
        self._samples += count

    def level(self) -> Level:
        """The level of all samples so far."""
        if not self._peak:
            return Level(None, None)
        rms = math.sqrt(self._energy / self._samples)
        return Level(_decibels(float(self._peak)), _decibels(rms), self._clipped)


def level_of(samples: NDArray[np.int16]) -> Level:
    """The level of one channel that is there whole. Shape ``(n,)``."""
    meter = Meter()
    meter.add(samples)
    return meter.level()


def _decibels(magnitude: float) -> float:
    return round(20 * math.log10(magnitude / _FULL_SCALE), 2)
