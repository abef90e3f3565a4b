"""What lies between the packets of one source that were placed: gaps, losses, changes of codec, jitter.

Most often nothing does: each packet begins where the one before ends. Else each gap is noted with its
cause, and those that are short losses are concealed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.timeline.anchor import JUMP
from onrecord.timeline.canvases import Canvases
from onrecord.timeline.concealment import LONGEST, conceal
from onrecord.timeline.deviations import Tally
from onrecord.timeline.gaps import GapLog, Moments, Steps
from onrecord.timeline.payloads import NAMES, SAMPLES_PER_UNIT
from onrecord.timeline.sequence import EPOCH, Integers, steps


class Placed(NamedTuple):
    """Columns for audio packets of one source that were placed, in order of sequence. Shape ``(n,)``."""

    order: Integers
    rank: Integers
    """How many packets of the source came before."""
    media: Integers
    """Units."""
    units: Integers
    kind: NDArray[np.uint8]
    place: Integers
    arrival: Integers


class _Before(NamedTuple):
    """The last packet of a source that was placed."""

    order: int
    rank: int
    media: int
    units: int
    kind: int

    @classmethod
    def first_of(cls, placed: Placed) -> "_Before":
        """What seems to come before the first packet of a source."""
        first = (placed.order, placed.rank, placed.media, placed.kind)
        order, rank, media, kind = (int(column[0]) for column in first)
        return cls(order - 1, rank - 1, media, 0, kind)


class Shared:
    """What the sources of one track have in common: what they write to, and what is noted of it."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments
        self.tally = Tally()
        self.gaps = GapLog(moments)
        self.canvases = Canvases()
        self.resumed: list[int] = []
        """Arrivals from which all is tied to arrival time anew."""
        self.reach = 0
        """Where the audio that was placed ends."""


class Between:
    """One source's state between two windows: the packet that came last."""

    def __init__(self, shared: Shared, layer: int) -> None:
        self._shared = shared
        self._layer = layer
        self._before: _Before | None = None

    def look(self, placed: Placed) -> None:
        """Look at what lies before each of some packets, one at least."""
        shared, before, ends = self._shared, self._before, placed.place + placed.units
        self._measure(placed.arrival - placed.media)
        if before is None or not self._follows(before, placed, ends):
            opening = before is None
            if before is None:
                before = _Before.first_of(placed)
            found = self._steps(before, placed, ends)
            shared.gaps.observe(found, first_of_source=opening)
            self._conceal(found, before.units, placed)
            for row in {*([0] if opening else []), *np.flatnonzero(found.new_kind).tolist()}:
                shared.tally.uses(int(placed.place[row]), NAMES[placed.kind[row]])
        shared.reach = max(shared.reach, int(ends.max()))
        self._before = _Before(*(int(column[-1]) for column in placed[:5]))

    def _follows(self, before: _Before, placed: Placed, ends: Integers) -> bool:
        """Nothing lies between these packets, or between them and the one before."""
        return (
            int(placed.order[-1]) == before.order + len(placed.order)
            and int(placed.place[0]) <= self._shared.reach
            and int(placed.kind.min()) == int(placed.kind.max()) == before.kind
            and np.array_equal(placed.place[1:], ends[:-1])
        )

    def _steps(self, before: _Before, placed: Placed, ends: Integers) -> Steps:
        begin = np.maximum.accumulate(np.concatenate([[self._shared.reach], ends[:-1]]))
        lost = steps(placed.order, before.order) - steps(placed.rank, before.rank)
        lost[lost >= EPOCH // 2] = 0
        between = steps(placed.media, before.media) - _shifted(placed.units, before.units)
        new_kind = steps(placed.kind, before.kind) != 0
        return Steps(begin, placed.place - begin, lost, new_kind, between <= 0)

    def _conceal(self, found: Steps, units_before: int, placed: Placed) -> None:
        """Fill the gaps that are short losses and nothing else."""
        shared = self._shared
        short = (found.lost > 0) & (found.units > 0) & (found.units <= LONGEST)
        short &= found.units <= found.lost * _shifted(placed.units, units_before) + 1
        if not short.any():
            return
        for row in np.flatnonzero(short).tolist():
            begin = int(found.begin[row])
            if shared.moments.paused(begin - LONGEST, begin + LONGEST):
                short[row] = False
        factors = SAMPLES_PER_UNIT[placed.kind]
        for factor in np.unique(factors[short]).tolist():
            rows = short & (factors == factor)
            canvas = shared.canvases.of(factor, self._layer)
            shared.tally.concealed += conceal(canvas, found.begin[rows], found.units[rows])

    def _measure(self, delay: Integers) -> None:
        """Jitter: how delays of packets that follow on one another differ."""
        changes = np.abs(delay[1:] - delay[:-1])
        near = changes <= JUMP
        if not near.all():
            changes = changes[near]
        self._shared.tally.jitter_sum += int(changes.sum())
        self._shared.tally.jitter_count += len(changes)


def _shifted(values: Integers, before: int) -> Integers:
    """The value before each, for the first one ``before``."""
    return np.concatenate([[before], values[:-1]])
