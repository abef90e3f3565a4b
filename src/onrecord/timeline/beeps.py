"""The beep that a party hears when a recording begins, for files that do not hold what was sent to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.prompts import tone

_RATE: Final = 8000
_LONGEST_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Beep:
    """One beep at its place."""

    at: int
    """Position of its first sample, units of 125 µs."""
    hz: float
    ms: int
    level_dbfs: float
    """Of its peak."""

    def overlaps(self, begin: int, end: int) -> bool:
        """Whether a part of it lies there."""
        return self.at < end and begin < self.at + self.ms * _RATE // 1000


def beep_of(at: int, data: Mapping[str, object]) -> list[Beep]:
    """The beep of a fact; none if the fact does not say how it sounds. Never raises."""
    hz, ms, level = (data.get(name) for name in ("hz", "ms", "level_dbfs"))
    if not (isinstance(hz, int | float) and isinstance(ms, int) and isinstance(level, int | float)):
        return []
    sane = 0 < hz < _RATE / 2 and 0 < ms <= _LONGEST_MS and level <= 0
    return [Beep(at, hz, ms, level)] if sane else []


def add_beeps(
    block: NDArray[np.int16], begin: int, factor: int, beeps: Sequence[Beep]
) -> NDArray[np.int16]:
    """The block, which begins at position ``begin``, with the beeps in its first row."""
    mixed = block.astype(np.int32)
    for beep in beeps:
        samples = tone(beep.hz, beep.ms, beep.level_dbfs, _RATE * factor)
        at = (beep.at - begin) * factor
        first, last = max(at, 0), min(at + len(samples), block.shape[1])
        mixed[0, first:last] += samples[first - at : last - at]
    return mixed.clip(-32768, 32767).astype(np.int16)
