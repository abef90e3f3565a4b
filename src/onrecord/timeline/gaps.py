"""Where a track has no audio, and why: what its packets and the recording's facts say of each gap."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.timeline.sequence import Integers

GAPS_KEPT: Final = 1000
"""Gaps that are listed; those after are only counted."""
UNITS_PER_MS: Final = 8
LEAST: Final = UNITS_PER_MS
"""A gap that is shorter, units, is a rounding."""
NEAR: Final = 8000
"""A media process that was replaced accounts for losses this far around it, units."""
AFTER_HOLD: Final = 16_000
"""How long after the end of a hold audio may take to come back, units."""

Span = tuple[int, int | None]
"""Begin and end of a hold or a pause, units; None as long as it lasts."""


class GapCause(StrEnum):
    """Why there is no audio; the first that holds, in this order."""

    PROCESS_REPLACED = "process_replaced"
    """A media process died, and another went on."""
    HOLD = "hold"
    """Audio did not flow both ways by agreement."""
    LOSS = "loss"
    """Packets are missing by their sequence numbers."""
    NO_MEDIA = "no_media"
    """Nobody had sent yet, nobody sent any more, or another source took over."""
    CODEC_CHANGE = "codec_change"
    """The first packet of another codec ends it."""
    CLOCK = "clock"
    """The sender's clock is slow or was set: the place of what follows was moved on."""
    DTX = "dtx"
    """The sender was silent: its timestamps went on without packets (RFC 3551 §4.1)."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One stretch of a track without received audio, in time since the file's time zero."""

    at_ms: float
    length_ms: float
    cause: GapCause
    packets: int
    """That are missing."""


@dataclass(frozen=True, slots=True)
class GapTotal:
    """All gaps of one cause."""

    count: int
    length_ms: float


class Steps(NamedTuple):
    """Columns of what lies before each packet of a run that is placed. Shape ``(n,)``."""

    begin: Integers
    """Where audio ended, units."""
    units: Integers
    """Without audio; 0 or less for none."""
    lost: Integers
    """Packets missing by sequence."""
    new_kind: NDArray[np.bool_]
    clocked: NDArray[np.bool_]
    """Timestamps go on without a break: the gap is ours."""


class Moments:
    """When a recording was on hold, and when its media process was replaced; shared by its tracks."""

    def __init__(self) -> None:
        self.holds: list[Span] = []
        self.replaced: list[int] = []
        self.pauses: list[Span] = []

    def begin(self, spans: list[Span], at: int) -> None:
        """A hold or pause begins, unless one is under way."""
        if not spans or spans[-1][1] is not None:
            spans.append((at, None))

    def end(self, spans: list[Span], at: int) -> None:
        """It ends, if one is under way."""
        if spans and spans[-1][1] is None:
            spans[-1] = (spans[-1][0], max(at, spans[-1][0]))

    def pieces(self, begin: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """What lies from ``begin`` to ``end``, cut where pauses begin and end; True for what is paused."""
        at = begin
        for first, last in near(self.pauses, begin, end):
            until = end if last is None else min(last, end)
            if until <= at or first >= end:
                continue
            if first > at:
                yield at, first, False
            yield max(first, at), until, True
            at = until
        if at < end:
            yield at, end, False

    def paused(self, begin: int, end: int) -> bool:
        """Whether some of the time was paused."""
        return overlaps(self.pauses, begin, end, 0)


class GapLog:
    """The gaps of one track."""

    def __init__(self, moments: Moments) -> None:
        self._moments = moments
        self._gaps: list[Gap] = []
        self._counts: dict[GapCause, int] = {}
        self._units: dict[GapCause, int] = {}

    def observe(self, steps: Steps, *, first_of_source: bool) -> None:
        """Note the gaps before the packets of a run."""
        for row in np.flatnonzero(steps.units >= LEAST).tolist():
            begin, units, lost = (int(steps[i][row]) for i in range(3))
            if self._moments.paused(begin, begin + units):
                continue
            cause = self._said(begin, begin + units, lost)
            if cause is None and row == 0 and first_of_source:
                cause = GapCause.NO_MEDIA
            elif cause is None and steps.new_kind[row]:
                cause = GapCause.CODEC_CHANGE
            elif cause is None:
                cause = GapCause.CLOCK if steps.clocked[row] else GapCause.DTX
            self._note(begin, units, cause, lost)

    def finish(self, reach: int, end: int) -> None:
        """Note the gap behind the last audio, which goes up to ``reach``, in a file that ends at ``end``."""
        if end - reach >= LEAST and not self._moments.paused(reach, end):
            self._note(reach, end - reach, self._said(reach, end, 0) or GapCause.NO_MEDIA, 0)

    def listed(self) -> tuple[Gap, ...]:
        """The first thousand, in order of their decision."""
        return tuple(self._gaps)

    def totals(self) -> dict[GapCause, GapTotal]:
        """All of them, by cause."""
        return {
            cause: GapTotal(self._counts[cause], self._units[cause] / UNITS_PER_MS)
            for cause in GapCause
            if cause in self._counts
        }

    def _said(self, begin: int, end: int, lost: int) -> GapCause | None:
        """The cause that a fact or a sequence number names."""
        moments = self._moments
        if any(begin - NEAR <= at <= end + NEAR for at in moments.replaced):
            return GapCause.PROCESS_REPLACED
        # What is lost after a hold is lost; what is not yet sent again is still the hold's.
        if 2 * covered(moments.holds, begin, end, 0 if lost > 0 else AFTER_HOLD) >= end - begin:
            return GapCause.HOLD
        return GapCause.LOSS if lost > 0 else None

    def _note(self, begin: int, units: int, cause: GapCause, lost: int) -> None:
        self._counts[cause] = self._counts.get(cause, 0) + 1
        self._units[cause] = self._units.get(cause, 0) + units
        if len(self._gaps) < GAPS_KEPT:
            self._gaps.append(Gap(begin / UNITS_PER_MS, units / UNITS_PER_MS, cause, max(lost, 0)))


def near(spans: Sequence[Span], begin: int, end: int) -> Sequence[Span]:
    """Those of spans in order of time that begin before ``end``, and end at ``begin`` or later."""
    ended = bisect_left(spans, True, key=lambda span: span[1] is None or span[1] >= begin)
    return spans[ended : bisect_left(spans, end, key=lambda span: span[0])]


def covered(spans: Sequence[Span], begin: int, end: int, after: int) -> int:
    """How much of what lies from ``begin`` to ``end`` is in spans, or in the time ``after`` one that it begins in."""
    total = 0
    for first, last in near(spans, begin, end):
        grace = after if last is not None and begin <= last else 0
        until = end if last is None else min(end, last + grace)
        total += max(until - max(begin, first), 0)
    return total


def overlaps(spans: Sequence[Span], begin: int, end: int, after: int) -> bool:
    """Whether a span, or the time ``after`` it, has a part of what lies from ``begin`` to ``end``."""
    close = near(spans, begin - after, end)
    return any(last is None or begin < last + after for _, last in close)
