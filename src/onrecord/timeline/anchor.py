"""Ties a stream's media time to arrival time, so that its audio has a place in the file.

A packet arrives later than its media time by a delay. Its least value over the first two seconds
is the *anchor*: media time plus anchor is the place. Jitter, bursts and reordering only ever add to
the delay, so the least one is the truest, and media time then places everything to the sample.

The anchor changes only

* where the sequence and the timestamps do not go on alike, or a packet came more than 200 ms
  later against its timestamp than the one before, *and* the least delay of what follows is off
  by more than 200 ms. A burst after a stall fails that test: its last packets are on time. What
  is late at once but comes back, or is short and less than a second late, was the network.
* at the first packet after a fact that says so (``RESUMED``).
* slowly: as the line of the least delays of the last minutes goes away from the anchor, which is the
  sender's clock that runs fast or slow. In a gap of the stream 3 ms are enough; where audio goes on
  without one, 6 ms, and then it is moved where nobody hears it (:mod:`onrecord.timeline.splicing`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.timeline.clock import Clock
from onrecord.timeline.deviations import Cause, Tally
from onrecord.timeline.sequence import Integers, steps
from onrecord.timeline.splicing import BEYOND, LONGEST, SHORTEST, Seam, Splicer

SAMPLES_PER_MS = 8
JUMP = 200 * SAMPLES_PER_MS
"""How far the two clocks may be apart at once."""
FIRST_MOMENTS = 2000 * SAMPLES_PER_MS
"""How long an anchor's least delay is looked for: never more than the fold looks ahead."""
SURE_JUMP = 1000 * SAMPLES_PER_MS
"""Later by more than this is no jitter, however few the packets."""
ENOUGH_PACKETS = 10
LONGEST_STALL = 10_000 * SAMPLES_PER_MS
SKEW = 6 * SAMPLES_PER_MS
MOST_SKEW = 10 * SAMPLES_PER_MS
"""Until it is so much, a seam may be looked for."""
SKEW_IN_GAP = 3 * SAMPLES_PER_MS
SHORTEST_GAP = 20 * SAMPLES_PER_MS
LEAP = 10 * SAMPLES_PER_MS
"""A timestamp that leaps by more is not taken for skew."""
ENOUGH_DRIFT = 60_000 * SAMPLES_PER_MS
"""How far apart two windows are whose delays are compared."""
ENOUGH_DELAYS = 250
"""How many packets a window needs for its least delay to be a measure."""
FORMER_KEPT = 4
SEGMENTS_KEPT = 64


class Run(NamedTuple):
    """Columns for ``n`` audio packets of one stream in order of sequence, each order once."""

    order: Integers
    media: Integers
    samples: Integers
    arrival: Integers
    """Samples since the file's time zero."""
    delay: Integers
    """``arrival - media``."""
    placed: NDArray[np.bool_]
    """False for packets of the look-ahead: they are heard but not placed yet."""

    def since(self, first: int) -> "Run":
        """Without the packets before ``first``."""
        kept = slice(first, None)
        return Run(
            self.order[kept],
            self.media[kept],
            self.samples[kept],
            self.arrival[kept],
            self.delay[kept],
            self.placed[kept],
        )


class _Tail(NamedTuple):
    """The last packet, in order of sequence, that was placed."""

    order: int
    media: int
    samples: int
    delay: int


class Anchor:
    """Where one stream's media time lies in the file; the state between two windows."""

    def __init__(self, tally: Tally, cause: Cause) -> None:
        self._tally = tally
        self._first_cause = cause
        self._value: int | None = None
        self._former: list[int] = []
        self._tail: _Tail | None = None
        self._starts: list[int] = []
        self._values: list[int] = []
        self._clock = Clock()
        self._tied = False
        """The window has an anchor that follows from nothing before."""
        self.seams: list[Seam] = []
        """Those of the last window; rows are of its run."""
        self._renewed = -LONGEST_STALL
        """The last resumption that was met."""
        self._delay_then: tuple[int, int] | None = None
        """Media time and least delay of a window under an anchor that has only followed skew since."""

    @property
    def last_order(self) -> int | None:
        """The highest order that was placed; what is not above it is late."""
        return None if self._tail is None else self._tail.order

    def places_of_late(self, order: Integers, media: Integers) -> Integers:
        """Positions of packets that belong before what was placed already. Shape ``(n,)``."""
        segment = np.searchsorted(self._starts, order, side="right") - 1
        return media + np.asarray(self._values, np.int64)[np.maximum(segment, 0)]

    def places(self, run: Run, resumed: Integers, splicer: Splicer) -> Integers:
        """Positions of a window's packets; moves the anchor on.

        Args:
            run: At least one of them placed, all above :attr:`last_order`.
            resumed: Arrival times, samples, from which the stream is a new one.
            splicer: Knows the audio of the run.

        Returns:
            Position of each packet's first sample. Shape ``(n,)``; meaningful where placed.
        """
        anchors = np.zeros(len(run.order), np.int64)
        newest = self._follow_jumps(run, anchors, resumed)
        self._follow_skew(run, anchors, newest, splicer)
        last = int(run.placed.nonzero()[0][-1])
        self._tail = _Tail(
            *(int(column[last]) for column in (run.order, run.media, run.samples, run.delay))
        )
        return run.media + anchors

    def _follow_jumps(self, run: Run, anchors: Integers, resumed: Integers) -> int:
        """Fill ``anchors``; returns the index from which the newest one holds."""
        leaps, candidates, renewed = self._candidates(run, resumed)
        anchors[:] = 0 if self._value is None else self._value
        self._tied = False
        ends = np.append(np.flatnonzero(leaps), len(run.delay))
        newest = 0
        for first in candidates.tolist():
            end = int(ends[np.searchsorted(ends, first, side="right")])
            found = self._decide(run, first, end, int(leaps[first]), bool(renewed[first]))
            if found is not None:
                self._set(run, first, *found)
                anchors[first:] = found[0]
                newest = first
        return newest

    def _candidates(
        self, run: Run, resumed: Integers
    ) -> tuple[Integers, Integers, NDArray[np.bool_]]:
        """Where the anchor may change: leaps of the timestamps, all places to look at, and renewals."""
        tail = self._tail
        if tail is None:
            tail = _Tail(int(run.order[0]) - 1, int(run.media[0]) + 1, 0, int(run.delay[0]))
        expected = steps(run.order, tail.order)
        expected[1:] *= run.samples[:-1]
        expected[0] *= tail.samples
        leaps = steps(run.media, tail.media) - expected
        stalled = steps(run.delay, tail.delay) > JUMP
        renewed = self._renewals(run, resumed)
        wanted = ((leaps != 0) | stalled | renewed).nonzero()[0]
        heard = run.placed.nonzero()[0]
        # A change at a packet of the look-ahead matters only if a placed one follows it.
        return leaps, wanted[wanted <= heard[-1]], renewed

    def _renewals(self, run: Run, resumed: Integers) -> NDArray[np.bool_]:
        """True at the first packet after each resumption that was not met before."""
        renewed = np.zeros(len(run.arrival), np.bool_)
        moments = resumed[resumed > self._renewed].tolist()
        last = run.placed.nonzero()[0][-1] if moments else 0
        for moment in moments:
            after = np.flatnonzero(run.arrival >= moment)
            if len(after) and after[0] <= last:
                renewed[after[0]] = True
                self._renewed = moment
        return renewed

    def _decide(
        self, run: Run, first: int, end: int, leap: int, renewed: bool
    ) -> tuple[int, Cause] | None:
        """The anchor that starts at packet ``first`` and why, or None for no change."""
        soon = slice(first, end)
        near = run.arrival[soon] <= run.arrival[first] + FIRST_MOMENTS
        least = int(run.delay[soon][near].min())
        if self._value is None:
            return self._establish(run, first, least), self._first_cause
        off = least - self._value
        if renewed and abs(off) > SKEW_IN_GAP:
            return self._establish(run, first, least), Cause.RESUMED
        if abs(off) <= JUMP:
            next_one = first > 0 and run.order[first] == run.order[first - 1] + 1
            leapt = _leapt(off, leap, certain=bool(next_one))
            return (self._establish(run, first, least), Cause.JUMP) if leapt else None
        if off > JUMP and self._was_the_network(run, off, first, end, int(near.sum())):
            return None
        for former in self._former:
            if abs(least - former) <= JUMP:
                return former, Cause.JUMP
        return self._establish(run, first, least), Cause.JUMP

    def _establish(self, run: Run, first: int, least: int) -> int:
        """The least delay of the first moments, over gaps but not over jumps of the timestamp."""
        moments = run.arrival[first:] <= run.arrival[first] + FIRST_MOMENTS
        alike = run.delay[first:][moments & (run.delay[first:] >= least - JUMP)]
        return int(alike.min())

    def _was_the_network(self, run: Run, off: int, first: int, end: int, packets: int) -> bool:
        """Whether packets that are later than they should be by ``off`` were only delayed."""
        short = int(run.media[end - 1] - run.media[first]) <= FIRST_MOMENTS
        if short and off <= LONGEST_STALL and end < len(run.delay):
            near = run.arrival[end:] <= run.arrival[end] + FIRST_MOMENTS
            if abs(int(run.delay[end:][near].min()) - (self._value or 0)) <= JUMP:
                return True
        return off <= SURE_JUMP and packets < ENOUGH_PACKETS

    def _set(self, run: Run, first: int, value: int, cause: Cause) -> None:
        shift = 0 if self._value is None else value - self._value
        if cause is not Cause.SKEW:
            self._delay_then = None
            self._clock.restart()
        self._tied = cause is not Cause.SKEW
        if self._value is not None and self._tied:
            kept = [former for former in self._former if former != value]
            self._former = [self._value, *kept][:FORMER_KEPT]
        self._value = value
        self._starts.append(int(run.order[first]))
        self._values.append(value)
        del self._starts[:-SEGMENTS_KEPT], self._values[:-SEGMENTS_KEPT]
        self._tally.reanchored(int(run.media[first]) + value, shift, cause)

    def _follow_skew(self, run: Run, anchors: Integers, newest: int, splicer: Splicer) -> None:
        """Take out what the sender's clock has gone away by, wherever it is enough."""
        self.seams.clear()
        rows = newest + run.placed[newest:].nonzero()[0]
        media, delay = run.media[rows], run.delay[rows]
        if len(rows) >= ENOUGH_DELAYS:
            self._measure(int(media[-1]), int(delay.min()))
        self._clock.hear(media, delay)
        line = self._clock.line()
        if line is None:
            return
        line_at = line.at(media)
        if self._tied:
            self._refine(int(line_at[0]), anchors[newest:])
        off = line_at - anchors[rows]
        if np.abs(off).max(initial=0) <= SKEW_IN_GAP:
            return
        gaps = self._gaps(run, rows)
        while True:
            due = np.flatnonzero((np.abs(off) > SKEW) | ((gaps > 0) & (np.abs(off) > SKEW_IN_GAP)))
            if not len(due):
                return
            at, shift, seam = _correction(rows, off, gaps, int(due[0]), splicer)
            self._set(run, int(rows[at]), int(anchors[rows[at]]) + shift, Cause.SKEW)
            if seam is not None:
                self.seams.append(seam)
            anchors[rows[at] :] += shift
            off[at:] -= shift
            off[: at + 1], gaps[: at + 1] = 0, 0

    def _refine(self, value: int, anchors: Integers) -> None:
        """Better the newest anchor, under which nothing is placed yet, by all that the window has."""
        shift = value - (self._value or 0)
        anchors += shift
        self._value = self._values[-1] = value
        self._tally.refined(shift)

    def _gaps(self, run: Run, rows: Integers) -> Integers:
        """Units without audio before each packet by the sender's will, not the network's."""
        order, media, samples = run.order, run.media, run.samples
        gaps = np.zeros(len(media), np.int64)
        gaps[1:] = media[1:] - media[:-1] - samples[:-1]
        gaps[1:][order[1:] - order[:-1] != 1] = 0
        if self._tail is not None and int(order[0]) == self._tail.order + 1:
            gaps[0] = int(media[0]) - self._tail.media - self._tail.samples
        return np.where(gaps >= SHORTEST_GAP, gaps, 0)[rows]

    def _measure(self, media: int, least: int) -> None:
        """Note how the least delay has changed since the first window, for the report alone."""
        then = self._delay_then
        if then is None:
            self._delay_then = media, least
        elif media - then[0] >= ENOUGH_DRIFT:
            self._delay_then = media, least
            self._tally.drifted += least - then[1]
            self._tally.drifted_over += media - then[0]


def _leapt(off: int, leap: int, *, certain: bool) -> bool:
    """Whether it was the timestamp that went off by ``leap``, and not the sender that was silent.

    Args:
        off: By how much the least delay of what follows differs from the anchor. Jitter adds to it.
        leap: By how much the timestamp went on further than the audio.
        certain: No packet is missing there.
    """
    if abs(leap) <= LEAP or abs(off) <= LEAP:
        return False
    if leap > 0:
        return -leap - LEAP <= off <= -leap / 2
    return -leap - LEAP <= off <= -leap + (JUMP if certain else LEAP)


def _correction(
    rows: Integers, off: Integers, gaps: Integers, first: int, splicer: Splicer
) -> tuple[int, int, Seam | None]:
    """Where the anchor moves, index in ``rows``, by how much, and how that is hidden.

    Args:
        rows: Packets that are placed, in a run.
        off: How much later each should be. Shape as ``rows``.
        gaps: Silence before each. Shape as ``rows``.
        first: Index of the first packet that should not stay where it is.
        splicer: Knows the audio.
    """
    wanted = int(off[first])
    if gaps[first]:
        return first, max(wanted, -int(gaps[first])), None
    if abs(wanted) > LONGEST + BEYOND:
        at = first
        if abs(wanted) <= JUMP:
            at = int(np.searchsorted(rows, splicer.quietest(rows[first:])))
        return at, int(off[at]), None
    most = max(MOST_SKEW, abs(wanted) + SHORTEST)
    near = (np.sign(off) == np.sign(wanted)) & (np.abs(off) >= SHORTEST) & (np.abs(off) <= most)
    begin = first - _length(near[first::-1]) + 1
    end = first + _length(near[first:])
    silent = np.flatnonzero(gaps[first:end])
    if len(silent):
        at = first + int(silent[0])
        return at, max(int(off[at]), -int(gaps[at])), None
    seam = splicer.seam(rows[begin:end], off[begin:end])
    if seam is None:
        return first, wanted, None
    return int(np.searchsorted(rows, seam.row)), seam.shift, seam


def _length(near: NDArray[np.bool_]) -> int:
    """How many are true before the first that is not."""
    return len(near) if near.all() else int(np.argmin(near))
