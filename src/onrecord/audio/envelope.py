"""The outline of a sound in at most 1,200 stretches, however long it is: what a waveform is drawn from.

Kept as bytes: a channel is a row of stretches, a stretch three little-endian 16 bit numbers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MOST: Final = 1200
"""Stretches of an outline."""

_FINEST: Final = 1000
"""Stretches in a second, to begin with."""
_COLUMNS: Final = 3


@dataclass(frozen=True, slots=True)
class Envelope:
    """The outline of one channel."""

    values: NDArray[np.int16]
    """Lowest, highest and RMS sample of each stretch. Shape ``(n, 3)``."""
    seconds: float
    """How long each stretch is; the last one may be shorter."""

    def columns(self, edges: NDArray[np.float64]) -> NDArray[np.int16]:
        """The outline of other stretches: those between neighbours of ``edges``, seconds, ascending.

        Shape ``(len(edges) - 1, 3)``; where there is no sound there is silence. Of several
        stretches the RMS is that of the loudest.
        """
        made = np.zeros((max(len(edges) - 1, 0), _COLUMNS), np.int16)
        if not len(self.values):
            return made
        first = np.floor(edges[:-1] / self.seconds + 1e-9).astype(np.int64)
        last = np.maximum(np.ceil(edges[1:] / self.seconds - 1e-9).astype(np.int64), first + 1)
        there = (first >= 0) & (first < len(self.values)) & (edges[1:] > edges[:-1])
        for column in np.flatnonzero(there).tolist():
            some = self.values[first[column] : last[column]]
            made[column] = some[:, 0].min(), some[:, 1].max(), some[:, 2].max()
        return made


class Outline:
    """Makes the envelope of one channel, block by block, in memory that does not grow."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._size = max(sample_rate // _FINEST, 1)
        self._low = np.zeros(MOST, np.int16)
        self._high = np.zeros(MOST, np.int16)
        self._energy = np.zeros(MOST)
        self._whole = 0
        self._open = 0

    def add(self, samples: NDArray[np.int16], wide: NDArray[np.float32] | None = None) -> None:
        """Take in the next samples, shape ``(n,)``; ``wide`` are the same, if they are there already."""
        wide = samples.astype(np.float32) if wide is None else wide
        for piece, stretches in self._pieces(len(samples)):
            if stretches:
                shape = (stretches, self._size)
                self._fill(samples[piece].reshape(shape), wide[piece].reshape(shape))
            else:
                self._join(samples[piece], wide[piece])

    def add_silence(self, count: int) -> None:
        """Take in so many samples that are zero."""
        for piece, stretches in self._pieces(count):
            if not stretches:
                self._mark(0, 0, 0.0, piece.stop - piece.start)
                continue
            there = slice(self._whole, self._whole + stretches)
            self._low[there] = self._high[there] = self._energy[there] = 0
            self._whole += stretches

    def envelope(self) -> Envelope:
        """What there is so far."""
        n = self._whole + (self._open > 0)
        held = np.full(n, self._size)
        if self._open:
            held[-1] = self._open
        values = np.empty((n, _COLUMNS), np.int16)
        values[:, 0] = self._low[:n]
        values[:, 1] = self._high[:n]
        values[:, 2] = np.minimum(np.round(np.sqrt(self._energy[:n] / held)), 32767)
        return Envelope(values, self._size / self._rate)

    def _pieces(self, count: int) -> Iterator[tuple[slice, int]]:
        """So many samples piece by piece: whole stretches and how many, or 0 for a part of one."""
        if not self._whole + self._open:
            while count > MOST * self._size:
                self._size *= 2
        at = 0
        while at < count:
            if self._whole == MOST:
                self._halve()
            stretches = 0 if self._open else min((count - at) // self._size, MOST - self._whole)
            end = at + (stretches * self._size or min(self._size - self._open, count - at))
            yield slice(at, end), stretches
            at = end

    def _fill(self, stretches: NDArray[np.int16], wide: NDArray[np.float32]) -> None:
        """Whole stretches. Shapes ``(n, size)``."""
        there = slice(self._whole, self._whole + len(stretches))
        stretches.min(axis=1, out=self._low[there])
        stretches.max(axis=1, out=self._high[there])
        self._energy[there] = np.einsum("ij,ij->i", wide, wide)
        self._whole += len(stretches)

    def _join(self, samples: NDArray[np.int16], wide: NDArray[np.float32]) -> None:
        """Some of the stretch that is open."""
        energy = float(np.dot(wide, wide))
        self._mark(int(samples.min()), int(samples.max()), energy, len(samples))

    def _mark(self, low: int, high: int, energy: float, count: int) -> None:
        """What so many more samples of the stretch that is open are."""
        at = self._whole
        if self._open:
            low, high = min(low, int(self._low[at])), max(high, int(self._high[at]))
            energy += float(self._energy[at])
        self._low[at], self._high[at], self._energy[at] = low, high, energy
        self._open += count
        if self._open == self._size:
            self._whole, self._open = self._whole + 1, 0

    def _halve(self) -> None:
        """Two stretches become one."""
        half = MOST // 2
        self._low[:half] = self._low.reshape(half, 2).min(axis=1)
        self._high[:half] = self._high.reshape(half, 2).max(axis=1)
        self._energy[:half] = self._energy.reshape(half, 2).sum(axis=1)
        self._whole, self._size = half, 2 * self._size


def envelope(samples: NDArray[np.int16], sample_rate: int) -> Envelope:
    """The envelope of samples that are all there. Shape ``(n,)``."""
    outline = Outline(sample_rate)
    outline.add(samples)
    return outline.envelope()


def pack(envelopes: Sequence[Envelope]) -> bytes:
    """The values of all channels, one after the other; they are equally long."""
    return b"".join(one.values.astype("<i2").tobytes() for one in envelopes)


def unpack(packed: bytes, channels: int, seconds: float) -> tuple[Envelope, ...]:
    """What :func:`pack` made of ``channels`` envelopes whose stretches are ``seconds`` long.

    Raises:
        ValueError: it is not the outline of so many channels.
    """
    values = np.frombuffer(packed, "<i2").astype(np.int16)
    shaped = values.reshape(channels, -1, _COLUMNS)
    return tuple(Envelope(row, seconds) for row in shaped)
