"""Two senders with one SSRC (RFC 3550 §8.2), told apart by their sequence numbers and timestamps."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from onrecord.timeline.sequence import MAX_MISORDER, MAX_MISORDER_SAMPLES

MANY_BREAKS: Final = 8
"""A sender that seems to start anew so often in one window is more than one."""
MOST_TWINS: Final = 4

_HALF = 1 << 15
_WRAP = 1 << 16
_STAMP_HALF = 1 << 31
_STAMP_WRAP = 1 << 32


class Twins:
    """The senders of one SSRC between two windows; the first one is the only one, as a rule."""

    def __init__(self) -> None:
        self._last: list[tuple[int, int]] = []
        self._apart = False

    def split(
        self, sequence: NDArray[np.uint16], timestamp: NDArray[np.uint32], ours: int
    ) -> NDArray[np.int64] | None:
        """Which sender each packet is of; None while all are of the first.

        Args:
            sequence: In order of arrival, one or more. Shape ``(n,)``.
            timestamp: Shape ``(n,)``.
            ours: So many of them are of the window; those after are seen again.
        """
        if not self._apart:
            step = np.abs(np.diff(sequence).view(np.int16).astype(np.int32))
            if np.count_nonzero(step > MAX_MISORDER) <= MANY_BREAKS:
                self._last = [(int(sequence[ours - 1]), int(timestamp[ours - 1]))]
                return None
            self._apart = True
        numbers = list(zip(sequence.tolist(), timestamp.tolist(), strict=True))
        found = [self._sender(*packet) for packet in numbers[:ours]]
        kept = list(self._last)
        found += [self._sender(*packet) for packet in numbers[ours:]]
        self._last = kept
        return np.array(found, np.int64)

    def _sender(self, sequence: int, timestamp: int) -> int:
        """The sender whose last packet is near; a new one if none is."""
        nearest, which = MAX_MISORDER + 1, -1
        for number, (last_sequence, last_timestamp) in enumerate(self._last):
            step = (sequence - last_sequence + _HALF) % _WRAP - _HALF
            moved = (timestamp - last_timestamp + _STAMP_HALF) % _STAMP_WRAP - _STAMP_HALF
            if abs(step) < nearest and abs(moved) <= MAX_MISORDER_SAMPLES:
                nearest, which = abs(step), number
        if which < 0:
            which = min(len(self._last), MOST_TWINS - 1)
            self._last[which:] = [(sequence, timestamp)]
        elif (sequence - self._last[which][0]) % _WRAP < _HALF:
            self._last[which] = sequence, timestamp
        return which
