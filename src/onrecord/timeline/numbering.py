"""Numbers one source's packets without wraps, leaves repeats out, and counts what came and what did not.

A window's packets come in order of arrival and leave in that of sequence, each order once. What is counted
here follows from sequence numbers alone; where audio comes to lie is not known yet.

Packets of the look-ahead are numbered too, since what follows decides how a jump is taken; they are
counted when their own window comes. Those that belong before a packet of the window are placed with it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.timeline.anchor import JUMP
from onrecord.timeline.deviations import Tally
from onrecord.timeline.gaps import Moments, near
from onrecord.timeline.packets import Columns
from onrecord.timeline.payloads import COMFORT_NOISE, EVENT, UNKNOWN
from onrecord.timeline.sequence import EPOCH, Integers, Point, first_of_each, steps, unwrap


class Numbered(NamedTuple):
    """Columns beside those of packets: their numbers without wraps. Shape ``(n,)``."""

    order: Integers
    media: Integers
    """Ticks of the RTP clock."""
    rank: Integers
    """How many packets of the stream came before, in order of sequence."""
    placed: NDArray[np.bool_]
    """False for packets of the look-ahead."""

    def rows(self, chosen: NDArray[np.generic] | slice) -> "Numbered":
        """Some of them."""
        return Numbered(*(column[chosen] for column in self))  # type: ignore[arg-type]


class Numbering:
    """The numbers of one source between two windows."""

    def __init__(self, tally: Tally, moments: Moments) -> None:
        self._tally = tally
        self._moments = moments
        self._last: Point | None = None
        self._top: int | None = None
        """The highest order that was counted."""
        self._known: Integers = np.empty(0, np.int64)
        """Orders of the window before: what a repeat would repeat."""
        self._ahead: Integers = np.empty(0, np.int64)
        """Those of them that came in its look-ahead."""
        self._ranked = 0

    def number(self, columns: Columns, cut: int) -> tuple[Columns, Numbered]:
        """Put packets in order of sequence, each order once.

        Args:
            columns: In order of arrival, one or more that arrived before ``cut``.
            cut: The end of the window; what arrives from here on is only looked at.
        """
        at_top = self._last is None or self._last.order == self._top
        unwrapped = unwrap(columns.sequence, columns.timestamp, self._last)
        order, media = unwrapped.order, unwrapped.media
        ours = int(np.searchsorted(columns.arrival, cut))
        numbers = (columns.sequence, columns.timestamp, order, media)
        self._last = Point(*(int(column[ours - 1]) for column in numbers))
        every = np.arange(len(order))
        numbered = Numbered(order, media, every + self._ranked, every < ours)
        if not (unwrapped.in_order and at_top):
            self._count_disorder(order[:ours])
            first = np.flatnonzero(first_of_each(order, self._known))
            rows = first[np.argsort(order[first], kind="stable")]
            columns, numbered = columns.rows(rows), numbered.rows(rows)
            self._ahead = numbered.order[_overtaken(numbered.placed)]
            numbered = numbered._replace(rank=every[: len(rows)] + self._ranked)
        placed = _rows_of(numbered.placed)
        self._known = numbered.order[placed]
        self._ranked += len(self._known)
        self._count(columns.kind[placed], columns.arrival[placed], self._known)
        return columns, numbered

    def _count_disorder(self, order: Integers) -> None:
        first = first_of_each(order, np.setdiff1d(self._known, self._ahead))
        self._tally.duplicates += len(order) - int(first.sum())
        highest = np.maximum.accumulate(order)
        if self._top is not None:
            np.maximum(highest, self._top, out=highest)
        self._tally.reordered += int((first & (order < highest)).sum())

    def _count(self, kind: NDArray[np.uint8], arrival: Integers, order: Integers) -> None:
        """Count packets, in order, and what is missing between them."""
        kinds = np.bincount(kind, minlength=UNKNOWN + 1).tolist()
        self._tally.packets += len(order)
        self._tally.audio_packets += sum(kinds[:EVENT])
        self._tally.events += kinds[EVENT]
        self._tally.comfort_noise += kinds[COMFORT_NOISE]
        self._tally.unknown += kinds[UNKNOWN]
        if not len(order):
            return
        top = int(order[0]) - 1 if self._top is None else self._top
        self._top = max(top, int(order[-1]))
        if int(order[0]) == top + 1 and int(order[-1]) == top + len(order):
            return
        new = order > top
        missing = steps(order[new], top) - 1
        missing[missing >= EPOCH // 2] = 0
        self._forgive(arrival[new], missing)
        self._tally.lost += int(missing.sum()) - (len(order) - int(new.sum()))
        self._tally.bursts += int(np.count_nonzero(missing))

    def _forgive(self, arrival: Integers, missing: Integers) -> None:
        """What was sent during a pause was left out on purpose."""
        if not len(missing):
            return
        begin, last = int(arrival[0]) - JUMP, int(arrival[-1])
        for _, end in near(self._moments.pauses, begin, last + 1):
            if end is not None and end <= last:
                missing[int(np.argmax(arrival >= end))] = 0


def _overtaken(placed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Let packets of the look-ahead be placed that belong before one of the window; true for those.

    A decoder with state hears them in their order then, and there is no gap where they lie.
    """
    overtaken = ~placed
    overtaken[placed.nonzero()[0][-1:].max(initial=0) :] = False
    placed |= overtaken
    return overtaken


def _rows_of(chosen: NDArray[np.bool_]) -> NDArray[np.bool_] | slice:
    """The same rows; as a slice, which copies nothing, if they are the first ones."""
    n = int(np.count_nonzero(chosen))
    return slice(n) if chosen[:n].all() else chosen
