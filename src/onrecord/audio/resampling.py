"""Whole-number changes of the sample rate by a linear-phase filter: nothing is shifted, nothing drifts.

A windowed sinc (Kaiser, about 75 dB) over 32 samples of the lower rate on either side. The caller hands
in as much context as that before and after, so blocks that follow on one another join without a seam.
"""

import functools
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

REACH: Final = 32
"""Samples of the lower rate that the filter looks at on either side."""
_KAISER_BETA: Final = 7.5
_PASSED: Final = 0.95
"""The edge of what is passed, as a part of half the lower rate."""
_PIECE: Final = 8000


def context_samples(source: int, target: int) -> int:
    """How many samples of the source are wanted on either side of a block."""
    return REACH if target >= source else REACH * (source // target)


def resample(samples: NDArray[np.int16], source: int, target: int) -> NDArray[np.float32]:
    """A block at another rate.

    Args:
        samples: With :func:`context_samples` more on either side. Shape ``(n + 2 * context,)``.
        source: Rate in Hz.
        target: Rate in Hz, a whole multiple of the source or a whole part of it.

    Returns:
        Shape ``(n * target // source,)``, not limited to 16 bits; ``n`` is a multiple of
        ``source // target`` if the rate falls.
    """
    wide = samples.astype(np.float32)
    if target >= source:
        return _raised(wide, target // source)
    ratio = source // target
    taps = _taps(ratio)[::-1] / ratio
    windows = sliding_window_view(wide, len(taps))[: len(wide) - 2 * REACH * ratio : ratio]
    return _product(windows, taps.astype(np.float32)[:, None]).reshape(-1)


def resampled(samples: NDArray[np.int16], source: int, target: int) -> NDArray[np.int16]:
    """A whole stretch at another rate, silence beyond both ends; rates as in :func:`resample`.

    Args:
        samples: Shape ``(n,)``; returned as they are where the rates are equal.
        source: Rate in Hz.
        target: Rate in Hz.

    Returns:
        Shape ``(n * target // source,)``.
    """
    if source == target:
        return samples
    whole = len(samples) - len(samples) % max(1, source // target)
    padded = np.pad(samples[:whole], context_samples(source, target))
    changed: NDArray[np.int16] = (
        resample(padded, source, target).round().clip(-32768, 32767).astype(np.int16)
    )
    return changed


def _raised(samples: NDArray[np.float32], ratio: int) -> NDArray[np.float32]:
    """``ratio`` outputs for each input: one short filter for each phase, all in one product."""
    taps = _taps(ratio)
    phases = np.zeros((2 * REACH + 1, ratio), np.float32)
    for phase in range(ratio):
        mine = taps[phase::ratio][::-1]
        phases[2 * REACH + 1 - len(mine) :, phase] = mine
    windows = sliding_window_view(samples, 2 * REACH + 1)
    return _product(windows, phases).reshape(-1)


def _product(windows: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """``windows @ weights`` in pieces, as each is copied."""
    pieces = [
        np.ascontiguousarray(windows[at : at + _PIECE]) @ weights
        for at in range(0, len(windows), _PIECE)
    ]
    empty = np.empty((0, weights.shape[1]), np.float32)
    return np.concatenate([empty, *pieces])


@functools.cache
def _taps(ratio: int) -> NDArray[np.float64]:
    """The filter at the higher rate, with a sum of ``ratio``. Shape ``(2 * REACH * ratio + 1,)``."""
    at = np.arange(-REACH * ratio, REACH * ratio + 1) / ratio
    taps = np.sinc(at * _PASSED) * np.kaiser(len(at), _KAISER_BETA)
    return np.asarray(taps * ratio / taps.sum(), np.float64)
