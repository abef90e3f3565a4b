"""How a sender's clock runs against ours: the line that lies below all delays of its stream.

Jitter only ever adds to a delay, so the least delay of some seconds is near the truth. Clocks of
crystals run evenly for minutes, so the least delays lie on a line; its slope is the skew.
"""

import itertools
from typing import Final, NamedTuple

import numpy as np

from onrecord.timeline.sequence import Integers

STRETCH: Final = 5 * 8000
"""One least delay is taken of so much media time, units."""
STRETCHES_KEPT: Final = 60
ENOUGH_PACKETS: Final = 10
"""A stretch with fewer says nothing by itself: it is one with the next."""
MOST_SKEW: Final = 350e-6
"""Crystals are better than that; what looks worse is the network."""
ENOUGH_SPAN: Final = 25 * 8000
"""Over less than this a slope is jitter, and taken for none."""
SURE_SPAN: Final = 60 * 8000
"""A slope over so much is remembered when the stream is tied anew."""
RISE: Final = 15 * 8
RISEN: Final = 3
"""When the last so many stretches lie :data:`RISE` above the line, a new one begins with them."""


class Line(NamedTuple):
    """The least delay at each media time."""

    level: float
    """At media time 0, units."""
    slope: float

    def at(self, media: Integers) -> Integers:
        """Rounded. Same shape."""
        return np.round(self.level + self.slope * media).astype(np.int64)


class _Least(NamedTuple):
    media: int
    delay: int
    packets: int


class Clock:
    """The least delays of one stream since it was last tied to arrival time."""

    def __init__(self) -> None:
        self._points: list[_Least] = []
        self._slope: float | None = None

    def restart(self) -> None:
        """Forget delays; the same sender's clock still runs as it did."""
        self._points.clear()

    def hear(self, media: Integers, delay: Integers) -> None:
        """Take in packets in order of sequence. Shapes ``(n,)``."""
        stretch = media // STRETCH
        begins = (stretch[1:] != stretch[:-1]).nonzero()[0] + 1
        bounds = [0, *begins.tolist(), len(media)]
        for first, end in itertools.pairwise(bounds):
            at = first + int(delay[first:end].argmin())
            self._add(_Least(int(media[at]), int(delay[at]), end - first))
        del self._points[:-STRETCHES_KEPT]

    def line(self) -> Line | None:
        """The line below the delays that were heard; None before enough were.

        What came before the delays fell for good, or rose for good, is forgotten.
        """
        points = [point for point in self._points if point.packets >= ENOUGH_PACKETS]
        if not points:
            return None
        line = self._below(points)
        above = [point.delay > line.level + line.slope * point.media + RISE for point in points]
        fell = above.index(False)
        rose = len(above) - above[::-1].index(False)
        since = rose if len(above) - rose >= RISEN else fell
        if not since:
            return line
        del self._points[: self._points.index(points[since])]
        return self._below(points[since:])

    def _add(self, point: _Least) -> None:
        """As a point of its own, or with the last one."""
        last = self._points[-1] if self._points else None
        if last is None or (
            last.packets >= ENOUGH_PACKETS and last.media // STRETCH != point.media // STRETCH
        ):
            self._points.append(point)
            return
        least = min(last, point, key=lambda each: each.delay)
        self._points[-1] = least._replace(packets=last.packets + point.packets)

    def _below(self, points: list[_Least]) -> Line:
        span = points[-1].media - points[0].media
        slope = self._slope or 0.0
        if span >= ENOUGH_SPAN:
            slope = float(np.clip(_slope_below(points), -MOST_SKEW, MOST_SKEW))
        if span >= SURE_SPAN:
            self._slope = slope
        return Line(min(point.delay - slope * point.media for point in points), slope)


def _slope_below(points: list[_Least]) -> float:
    """The slope of that edge of the lower convex hull that lies below the middle of the points."""
    hull: list[_Least] = []
    for point in points:
        while len(hull) > 1 and not _turns_up(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    middle = sum(point.media for point in points) / len(points)
    for left, right in itertools.pairwise(hull):
        if right.media >= middle:
            return (right.delay - left.delay) / max(right.media - left.media, 1)
    return 0.0


def _turns_up(first: _Least, second: _Least, third: _Least) -> bool:
    run, rise = second.media - first.media, second.delay - first.delay
    return run * (third.delay - first.delay) > rise * (third.media - first.media)
