"""G.711 by table: µ-law and A-law against 16-bit samples, and one law against the other.

The tables are computed from the piecewise linear laws of ITU-T G.711 (tables 1 and 2), aligned
to the top of 16 bits: µ-law has 14 significant bits, A-law 13. Nothing here raises on content:
every byte is a sample and every sample has a byte.
"""

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 8000
"""Samples per second of both laws."""

ULAW_SILENCE = 0xFF
"""The µ-law byte of the sample 0."""
ALAW_SILENCE = 0xD5
"""The A-law byte of the smallest positive sample; A-law has no zero."""

_ULAW_BIAS = 132
_ULAW_CLIP = 32635
_ALAW_EVEN_BITS = 0x55
_MANY = 4096
"""A table of two bytes at a time fills 256 kB of cache: not for a packet or two."""


def decode_ulaw(codes: NDArray[np.uint8]) -> NDArray[np.int16]:
    """The samples of µ-law bytes; same shape, -32124 to 32124."""
    return _decoded(codes, _ULAW_TO_SAMPLE, _ulaw_pairs)


def decode_alaw(codes: NDArray[np.uint8]) -> NDArray[np.int16]:
    """The samples of A-law bytes; same shape, -32256 to 32256, never 0."""
    return _decoded(codes, _ALAW_TO_SAMPLE, _alaw_pairs)


def encode_ulaw(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """The µ-law bytes of samples, same shape. Louder than the law goes is clipped."""
    return _sample_to_ulaw()[samples.view(np.uint16)]


def encode_alaw(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """The A-law bytes of samples, same shape."""
    return _sample_to_alaw()[samples.view(np.uint16)]


def _decoded(
    codes: NDArray[np.uint8],
    table: NDArray[np.int16],
    pairs: Callable[[], NDArray[np.uint32]],
) -> NDArray[np.int16]:
    """Two at a time where that pays."""
    if codes.size < _MANY or codes.shape[-1] % 2:
        return table.take(codes)
    two = np.ascontiguousarray(codes).view(np.uint16)
    return pairs().take(two, mode="wrap").view(np.int16)  # no index is out of bounds


def _pairs_of(table: NDArray[np.int16]) -> NDArray[np.uint32]:
    """The samples of each two bytes, as they lie in memory. Shape ``(65536,)``."""
    codes = np.arange(65536, dtype=np.uint16).view(np.uint8)
    return table.take(codes).view(np.uint32)


@functools.cache
def _ulaw_pairs() -> NDArray[np.uint32]:
    return _pairs_of(_ULAW_TO_SAMPLE)


@functools.cache
def _alaw_pairs() -> NDArray[np.uint32]:
    return _pairs_of(_ALAW_TO_SAMPLE)


def _ulaw_levels() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.uint8)
    segment, step = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = ((step << 3) + _ULAW_BIAS << segment) - _ULAW_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_levels() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.uint8) ^ _ALAW_EVEN_BITS
    segment, step = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    curved = (step << 4) + 264 << np.maximum(segment - 1, 0)
    magnitude = np.where(segment == 0, (step << 4) + 8, curved)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


@functools.cache
def _sample_to_ulaw() -> NDArray[np.uint8]:
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    biased = np.minimum(np.abs(sample), _ULAW_CLIP) + _ULAW_BIAS
    segment = _bit_length(biased) - 8
    code: NDArray[np.int32] = (
        np.where(sample < 0, 0x80, 0) | segment << 4 | biased >> segment + 3 & 15
    )
    return ~code.astype(np.uint8)


@functools.cache
def _sample_to_alaw() -> NDArray[np.uint8]:
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.where(sample < 0, ~sample, sample) >> 4
    segment = np.maximum(_bit_length(magnitude) - 4, 0)
    step = magnitude >> np.maximum(segment - 1, 0) & 15
    code: NDArray[np.int32] = np.where(sample < 0, 0, 0x80) | segment << 4 | step
    return code.astype(np.uint8) ^ np.uint8(_ALAW_EVEN_BITS)


def _bit_length(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Position of the highest set bit, 1 for 1, 0 for 0."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int32)


def _by_number(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A 256-byte table that takes the ``first`` bytes, and their negatives, to the ``second``."""
    table = np.empty(256, np.uint8)
    table[first] = second
    table[first ^ 0x80] = second ^ 0x80
    return table


_ULAW_TO_SAMPLE = _ulaw_levels()
_ALAW_TO_SAMPLE = _alaw_levels()

# Decoder output values are numbered upwards from the smallest: µ-law 0-127, A-law 1-128.
_NUMBERS = np.arange(128, dtype=np.uint8)
_ULAW_BYTES = _NUMBERS ^ np.uint8(ULAW_SILENCE)
_ALAW_BYTES = _NUMBERS ^ np.uint8(ALAW_SILENCE)
# Table 3/G.711: the A-law number of each µ-law number.
_TABLE_3 = np.r_[np.repeat(np.r_[1:9], 2), 9:26, 27, 29, 31, 33:45, 46, 48:63, 64:80, 81:129]
# Table 4/G.711: the µ-law number of each A-law number.
_TABLE_4 = np.r_[
    1:17:2, 16:32, np.repeat(np.r_[32:36], 2), 36:48, 48, 48, 49, 49, 50:64, 64, 64, 65:80, 79:128
]

ULAW_TO_ALAW = _by_number(_ULAW_BYTES, _ALAW_BYTES[_TABLE_3 - 1])
"""A-law byte of each µ-law byte, as table 3/G.711 gives it. Shape ``(256,)``."""
ALAW_TO_ULAW = _by_number(_ALAW_BYTES, _ULAW_BYTES[_TABLE_4])
"""µ-law byte of each A-law byte, as table 4/G.711 gives it. Shape ``(256,)``.

The two tables are not decoding and encoding again: they are made so that there and back changes
at most the last bit (§3.6).
"""
