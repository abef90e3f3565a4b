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
* slowly: the least delay over at least eight seconds of audio is 15 ms above the anchor, or any
  packet is 15 ms before it, which no true anchor allows. The change is made in front of the
  quietest packet, or in a gap of the stream, where 5 ms are enough.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.timeline.deviations import Cause, Tally
from onrecord.timeline.sequence import Integers, steps

SAMPLES_PER_MS = 8
JUMP = 200 * SAMPLES_PER_MS
"""How far the two clocks may be apart at once."""
FIRST_MOMENTS = 2000 * SAMPLES_PER_MS
"""How long an anchor's least delay is looked for: never more than the fold looks ahead."""
SURE_JUMP = 1000 * SAMPLES_PER_MS
"""Later by more than this is no jitter, however few the packets."""
ENOUGH_PACKETS = 10
LONGEST_STALL = 10_000 * SAMPLES_PER_MS
SKEW = 15 * SAMPLES_PER_MS
SKEW_IN_GAP = 5 * SAMPLES_PER_MS
SKEW_STEP = 20 * SAMPLES_PER_MS
"""The most that is inserted at once for a slow sender: 1000 ppm of twenty seconds."""
ENOUGH_AUDIO = 8000 * SAMPLES_PER_MS
AUDIBLE_STEP = 2 * SKEW_STEP
"""A larger step is no skew but a late start: it is made at once, not where it is quiet."""
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
        self._least = LONGEST_STALL
        self._heard = 0
        self._slow = 0
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

    def places(
        self, run: Run, resumed: Integers, loudness: Callable[[int, int], NDArray[np.float32]]
    ) -> Integers:
        """Positions of a window's packets; moves the anchor on.

        Args:
            run: At least one of them placed, all above :attr:`last_order`.
            resumed: Arrival times, samples, from which the stream is a new one.
            loudness: Mean magnitude of the packets ``first`` to ``last`` (exclusive) of the run.

        Returns:
            Position of each packet's first sample. Shape ``(n,)``; meaningful where placed.
        """
        anchors = np.zeros(len(run.order), np.int64)
        newest = self._follow_jumps(run, anchors, resumed)
        self._follow_skew(run, anchors, newest, loudness)
        last = int(np.flatnonzero(run.placed)[-1])
        self._tail = _Tail(
            *(int(column[last]) for column in (run.order, run.media, run.samples, run.delay))
        )
        return run.media + anchors

    def _follow_jumps(self, run: Run, anchors: Integers, resumed: Integers) -> int:
        """Fill ``anchors``; returns the index from which the newest one holds."""
        broken, candidates, renewed = self._candidates(run, resumed)
        anchors[:] = 0 if self._value is None else self._value
        ends = np.append(np.flatnonzero(broken), len(run.delay))
        newest = 0
        for first in candidates.tolist():
            end = int(ends[np.searchsorted(ends, first, side="right")])
            found = self._decide(run, first, end, bool(broken[first]), bool(renewed[first]))
            if found is not None:
                self._set(run, first, *found)
                anchors[first:] = found[0]
                newest = first
        return newest

    def _candidates(
        self, run: Run, resumed: Integers
    ) -> tuple[NDArray[np.bool_], Integers, NDArray[np.bool_]]:
        """Where the anchor may change: breaks of the run, all places to look at, and renewals."""
        tail = self._tail
        if tail is None:
            tail = _Tail(int(run.order[0]) - 1, int(run.media[0]) + 1, 0, int(run.delay[0]))
        expected = steps(run.order, tail.order)
        expected[1:] *= run.samples[:-1]
        expected[0] *= tail.samples
        broken = steps(run.media, tail.media) != expected
        stalled = steps(run.delay, tail.delay) > JUMP
        renewed = self._renewals(run, resumed)
        wanted = np.flatnonzero(broken | stalled | renewed)
        heard = np.flatnonzero(run.placed)
        # A change at a packet of the look-ahead matters only if a placed one follows it.
        return broken, wanted[wanted <= heard[-1]], renewed

    def _renewals(self, run: Run, resumed: Integers) -> NDArray[np.bool_]:
        """True at the first packet after each resumption that was not met before."""
        renewed = np.zeros(len(run.arrival), np.bool_)
        last = np.flatnonzero(run.placed)[-1]
        for moment in resumed[resumed > self._renewed].tolist():
            after = np.flatnonzero(run.arrival >= moment)
            if len(after) and after[0] <= last:
                renewed[after[0]] = True
                self._renewed = moment
        return renewed

    def _decide(
        self, run: Run, first: int, end: int, broken: bool, renewed: bool
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
            return self._in_gap(least, off) if broken else None
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

    def _in_gap(self, least: int, off: int) -> tuple[int, Cause] | None:
        """Between two talkspurts nobody hears a small change."""
        if off < -SKEW_IN_GAP:
            return least, Cause.SKEW
        if self._value is not None and self._slow > SKEW_IN_GAP:
            return self._value + self._slow, Cause.SKEW
        return None

    def _was_the_network(self, run: Run, off: int, first: int, end: int, packets: int) -> bool:
        """Whether packets that are later than they should be by ``off`` were only delayed."""
        short = int(run.media[end - 1] - run.media[first]) <= FIRST_MOMENTS
        if short and off <= LONGEST_STALL and end < len(run.delay):
            after = slice(end, end + 5 * ENOUGH_PACKETS)
            near = run.arrival[after] <= run.arrival[end] + FIRST_MOMENTS
            if abs(int(run.delay[after][near].min()) - (self._value or 0)) <= JUMP:
                return True
        return off <= SURE_JUMP and packets < ENOUGH_PACKETS

    def _set(self, run: Run, first: int, value: int, cause: Cause) -> None:
        shift = 0 if self._value is None else value - self._value
        if cause is not Cause.SKEW:
            self._delay_then = None
        if self._value is not None and cause is not Cause.SKEW:
            kept = [former for former in self._former if former != value]
            self._former = [self._value, *kept][:FORMER_KEPT]
        self._value = value
        self._starts.append(int(run.order[first]))
        self._values.append(value)
        del self._starts[:-SEGMENTS_KEPT], self._values[:-SEGMENTS_KEPT]
        self._least, self._heard, self._slow = LONGEST_STALL, 0, 0
        self._tally.reanchored(int(run.media[first]) + value, shift, cause)

    def _follow_skew(
        self,
        run: Run,
        anchors: Integers,
        newest: int,
        loudness: Callable[[int, int], NDArray[np.float32]],
    ) -> None:
        """Take out what the sender's clock has gone away by, if it is enough."""
        rows = newest + np.flatnonzero(run.placed[newest:])
        residual = run.delay[rows] - anchors[rows]
        if len(rows) >= ENOUGH_DELAYS:
            self._measure(int(run.media[rows[-1]]), int(run.delay[rows].min()))
        shift = self._skew(residual, int(run.samples[rows].sum()))
        if self._value is None or not shift:
            return
        at = int(rows[np.argmax(residual < -SKEW)])
        if shift >= -AUDIBLE_STEP and rows[-1] > newest:
            at = newest + 1 + int(np.argmin(loudness(newest, int(rows[-1]))))
        anchors[at:] += shift
        self._set(run, at, self._value + shift, Cause.SKEW)

    def _measure(self, media: int, least: int) -> None:
        """Note how the least delay has changed since the first window, for the report alone."""
        then = self._delay_then
        if then is None:
            self._delay_then = media, least
        elif media - then[0] >= ENOUGH_DRIFT:
            self._delay_then = media, least
            self._tally.drifted += least - then[1]
            self._tally.drifted_over += media - then[0]

    def _skew(self, residual: Integers, samples: int) -> int:
        """By how much the anchor must move now, after ``samples`` more of audio."""
        least = int(residual.min())
        if least < -SKEW:
            return least
        self._least = min(self._least, least)
        self._heard += samples
        if self._heard < ENOUGH_AUDIO:
            return 0
        self._slow = min(self._least, SKEW_STEP)
        self._least, self._heard = LONGEST_STALL, 0
        return self._slow if self._slow > SKEW else 0
