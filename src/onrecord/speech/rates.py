"""Samples at another rate: a windowed sinc, whole stretches at a time. Pure."""

import functools
import math

import numpy as np
from numpy.typing import NDArray

_ZEROS = 16
_PASS = 0.94
_BLOCK = 16384


def resample(samples: NDArray[np.int16], rate: int, target: int) -> NDArray[np.int16]:
    """The same sound at ``target`` samples per second; without delay, silence beyond both ends.

    Args:
        samples: Shape ``(n,)``; returned as they are where the rates are equal.
        rate: Of ``samples``, per second.
        target: Wanted, per second.

    Returns:
        Shape ``(n * target // rate,)``.
    """
    if rate == target:
        return samples
    common = math.gcd(rate, target)
    up, down = target // common, rate // common
    bank = _filters(up, down)
    half = bank.shape[1] // 2
    padded = np.pad(samples, half).astype(np.float32)
    out = np.empty(len(samples) * up // down, np.int16)
    for first in range(0, len(out), _BLOCK):
        place = np.arange(first, min(first + _BLOCK, len(out))) * down
        near = padded[(place // up)[:, None] + np.arange(bank.shape[1])]
        sound = np.einsum("ij,ij->i", near, bank[place % up])
        out[first : first + _BLOCK] = sound.round().clip(-32768, 32767)
    return out


@functools.lru_cache(maxsize=8)
def _filters(up: int, down: int) -> NDArray[np.float32]:
    """The weights of the input samples round an output sample. Shape ``(up, taps)``, by phase."""
    cut = _PASS * min(1.0, up / down)
    half = math.ceil(_ZEROS / cut)
    away = np.arange(-half, half + 1) - (np.arange(up) / up)[:, None]
    weights = np.sinc(away * cut) * np.cos(np.pi * away / (2 * half + 2)) ** 2
    scaled: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return scaled
