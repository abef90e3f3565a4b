"""Where a stream's audio can be moved unheard, and what is put at the seam.

A length of sound put in, or left out, is a step in the wave that is heard as a click. So the place and the
length are chosen together: where what ends and what begins are most alike, which is in silence, or one or
more periods of a tone or of a voice apart. There the one is faded into the other.

Inserted sound lies between received samples and changes none of them. Where sound must go, because a
sender's clock is fast, twice its length is blended to half of it.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.timeline.decoding import Sound
from onrecord.timeline.placing import Samples
from onrecord.timeline.sequence import Integers

LONGEST: Final = 100
"""The most that one seam moves, units: a long pitch period."""
SHORTEST: Final = 16
SHORT_OF: Final = 16
BEYOND: Final = 48
"""How far from what is wanted a seam may be, units: what goes beyond it is needed soon."""
_TRIED: Final = 24
"""So many of the quietest places are tried, and as many from begin to end."""


class Seam(NamedTuple):
    """A place in a run where what follows is moved."""

    row: int
    """The first packet that is moved."""
    shift: int
    """Units; above zero is later."""
    blend: Samples
    """As long as the shift, at the packet's rate: right before the packet if it is moved on, else in place of its begin."""


class Splicer:
    """Looks for seams in a run of packets."""

    def __init__(
        self,
        sound: Sound,
        first: int,
        units: Integers,
        follows: Callable[[], NDArray[np.bool_]],
    ) -> None:
        """Columns are of all the packets that ``sound`` has.

        Args:
            sound: Their audio.
            first: Where the run begins in it; rows below count from there.
            units: How long each packet is.
            follows: Tells where a packet goes on where the one before ends, both of them placed; asked only
                where a seam is wanted.
        """
        self._sound = sound
        self._first = first
        self._units = units
        self._follows = follows

    def quietest(self, rows: Integers) -> int:
        """The packet of ``rows`` with the least loudness."""
        return int(rows[np.argmin(self._sound.loudness(rows + self._first))])

    def seam(self, rows: Integers, wanted: Integers) -> Seam | None:
        """The best seam before one of ``rows``; None if audio goes on at none of them.

        Args:
            rows: In order.
            wanted: The shift that each packet should have, all of one sign. Shape as ``rows``.
        """
        rows = rows + self._first
        fit = self._follows()[rows] & (self._room(rows) >= SHORTEST)
        rows, wanted = rows[fit], wanted[fit]
        if not len(rows):
            return None
        quiet = np.argsort(self._sound.loudness(rows), kind="stable")[:_TRIED]
        spread = np.linspace(0, len(rows) - 1, _TRIED).astype(np.int64)
        tried = sorted({*quiet.tolist(), *spread.tolist()})
        _, row, shift = min(self._best_at(int(rows[i]), int(wanted[i])) for i in tried)
        return Seam(row - self._first, shift, self._blend(row, abs(shift), later=shift > 0))

    def _room(self, rows: Integers) -> Integers:
        return np.minimum(self._units[rows - 1], self._units[rows])

    def _best_at(self, row: int, wanted: int) -> tuple[float, int, int]:
        """How unlike the two sides of the best shift before ``row`` are, the row, and the shift."""
        room = min(LONGEST, int(self._units[row - 1]), int(self._units[row]))
        high = min(abs(wanted) + BEYOND, room)
        low = min(max(abs(wanted) - SHORT_OF, SHORTEST), high)
        ends, begins = self._sides(row, high)
        factor = len(begins) // high
        unlike = _unlike(ends[::factor].astype(np.float64), begins[::factor].astype(np.float64))
        best = low + int(np.argmin(unlike[low:]))
        return float(unlike[best]), row, best if wanted > 0 else -best

    def _sides(self, row: int, length: int) -> tuple[Samples, Samples]:
        before, after = self._sound.samples(row - 1), self._sound.samples(row)
        samples = length * len(after) // int(self._units[row])
        return before[-samples:], after[:samples]

    def _blend(self, row: int, length: int, *, later: bool) -> Samples:
        """Begins as what would have come next, and ends as what comes before what comes next."""
        ends, begins = self._sides(row, length)
        first, second = (begins, ends) if later else (ends, begins)
        rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(len(ends)) + 0.5) / len(ends))
        blended: Samples = np.round(first * (1 - rise) + second * rise).astype(np.int16)
        return blended


def _unlike(ends: NDArray[np.float64], begins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean square of the difference of the last so many samples of one and the first of the other.

    Args:
        ends: Shape ``(n,)``.
        begins: Shape ``(n,)``.

    Returns:
        Shape ``(n + 1,)``: by how many samples are compared; of none it is infinite.
    """
    n = len(ends)
    products = np.correlate(ends, begins, "full")[n - 1 :][::-1]
    energy = np.cumsum(np.square(ends[::-1])) + np.cumsum(np.square(begins))
    means = (energy - 2 * products) / np.arange(1, n + 1)
    return np.concatenate([[np.inf], means])
