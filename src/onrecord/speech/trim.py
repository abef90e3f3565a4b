"""Where ``trim-silence`` cuts. Only both ends are looked at; what lies between is never touched."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from onrecord.speech.vad import RATE, WINDOW, regions

BEFORE_MS: Final = 200
"""Kept before the first speech."""
AFTER_MS: Final = 300
"""Kept after the last speech."""

_CHUNK_SECS = 120
_OVERLAP_SECS = 3


def trim_bounds(samples: NDArray[np.int16], rate: int) -> tuple[int, int] | None:
    """The part to keep, ``samples[start:end]``; None where there is no speech at all.

    A file of two channels is cut only where both are silent. Memory stays flat: the samples are read
    in chunks of two minutes from both ends inwards until there is speech.

    Args:
        samples: Shape ``(n, channels)``; may be a memory map.
        rate: Samples per second.
    """
    length = len(samples)
    chunk, overlap = _whole_windows(_CHUNK_SECS, rate), _whole_windows(_OVERLAP_SECS, rate)
    first: int | None = None
    for start in range(0, length, chunk):
        lead = max(0, start - overlap)
        found = _speech(samples[lead : start + chunk + overlap], rate)
        if found:
            first = lead + found[0]
            break
    if first is None:
        return None
    end = length
    last = length
    while end > first:
        lead = max(first, end - chunk)
        base = max(0, lead - overlap)
        found = _speech(samples[base : end + overlap], rate)
        if found:
            last = base + found[1]
            break
        end = lead
    return max(0, first - BEFORE_MS * rate // 1000), min(length, last + AFTER_MS * rate // 1000)


def _speech(samples: NDArray[np.int16], rate: int) -> tuple[int, int] | None:
    """Start of the first and end of the last speech of any channel."""
    spans = [span for channel in samples.T for span in regions(channel, rate)]
    if not spans:
        return None
    return min(start for start, _ in spans), max(end for _, end in spans)


def _whole_windows(secs: int, rate: int) -> int:
    return secs * RATE // WINDOW * WINDOW * rate // RATE
