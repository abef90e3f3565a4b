"""One stream's timestamps as units of 125 µs, whichever clock each of its codecs has (RFC 7160)."""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.timeline.payloads import L16_8, TICKS_PER_UNIT
from onrecord.timeline.sequence import Integers, steps


class _Stretch(NamedTuple):
    """Where the clock that is in use was taken up."""

    ticks_per_unit: int
    ticks: int
    units: int


class _Last(NamedTuple):
    """The last packet that was placed."""

    order: int
    media: int
    units: int


class MediaTime:
    """The state of one stream between windows.

    Where the clock changes, timestamps say nothing of the time between two packets: the sequence
    numbers do, and the arrival of what follows puts right what they leave open.
    """

    def __init__(self) -> None:
        self._stretch = _Stretch(1, 0, 0)
        self._last: _Last | None = None

    def units(
        self,
        order: Integers,
        ticks: Integers,
        kind: NDArray[np.uint8],
        units: Integers,
        placed: NDArray[np.bool_],
    ) -> Integers:
        """Media time of audio packets in order of sequence; those that are placed move the state on.

        Args:
            order: Sequence number without wraps. Shape ``(n,)``.
            ticks: Timestamp without wraps.
            kind: Kinds of audio.
            units: How long each packet's audio is.
            placed: At least one of them.
        """
        last_placed = len(placed) - 1 - int(np.argmax(placed[::-1]))
        media = ticks
        if self._stretch != (1, 0, 0) or kind.max() > L16_8:
            media = self._piecewise(order, ticks, units, TICKS_PER_UNIT[kind], last_placed)
        numbers = (order, media, units)
        self._last = _Last(*(int(column[last_placed]) for column in numbers))
        return media

    def _piecewise(
        self, order: Integers, ticks: Integers, units: Integers, clock: Integers, last_placed: int
    ) -> Integers:
        media = np.zeros(len(order), np.int64)
        stretch = self._stretch
        changes = np.flatnonzero(steps(clock, stretch.ticks_per_unit))
        for first, end in itertools.pairwise(sorted({0, *changes.tolist(), len(order)})):
            if int(clock[first]) != stretch.ticks_per_unit:
                before = self._last
                if first:
                    columns = (order, media, units)
                    before = _Last(*(int(column[first - 1]) for column in columns))
                stretch = _taken_up(before, int(order[first]), int(ticks[first]), int(clock[first]))
            since = ticks[first:end] - stretch.ticks
            media[first:end] = stretch.units + since // stretch.ticks_per_unit
            if first <= last_placed:
                self._stretch = stretch
        return media


def _taken_up(before: _Last | None, order: int, ticks: int, clock: int) -> _Stretch:
    """The stretch of a new clock: it goes on where the packets before it end."""
    if before is None:
        return _Stretch(clock, ticks, 0)
    packets = max(order - before.order, 1)
    return _Stretch(clock, ticks, before.media + packets * before.units)
