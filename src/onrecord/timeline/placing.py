"""Decodes payloads and writes their samples where they belong, many packets at a time."""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from onrecord.audio.g711 import decode_alaw, decode_ulaw
from onrecord.rtp.header import windows
from onrecord.timeline.payloads import ALAW, L16_48
from onrecord.timeline.sequence import Integers

LONGEST_PAYLOAD = 2400
"""Units that one packet may hold, and bytes: 300 ms, more than any ptime in use."""

Samples = NDArray[np.int16]


class Coded(NamedTuple):
    """Columns for ``n`` packets of audio, in order of sequence."""

    place: Integers
    """Position of each one's first sample."""
    start: Integers
    """Where its payload begins in the arena."""
    size: Integers
    """Its bytes."""
    units: Integers
    kind: NDArray[np.uint8]

    def rows(self, chosen: NDArray[np.bool_]) -> "Coded":
        """Some of them."""
        return Coded(*(column[chosen] for column in self))  # type: ignore[arg-type]


class Payloads:
    """The audio of a window's datagrams, which lie in one arena."""

    def __init__(self, arena: NDArray[np.uint8]) -> None:
        self._arena = arena

    def payload(self, start: int, size: int) -> bytes:
        """The bytes of one payload."""
        return self._arena[start : start + size].tobytes()

    def samples(self, start: Integers, size: int, kind: NDArray[np.uint8]) -> Samples:
        """The samples of payloads of equal size and rate, of codecs without state. Shape ``(n, m)``."""
        codes = windows(self._arena, size)[start]
        if not kind.any():
            return decode_ulaw(codes)
        if (kind > ALAW).all():
            return codes[:, : size // 2 * 2].copy().view(">i2").astype(np.int16)
        if kind.all():
            return decode_alaw(codes)
        return np.where((kind == ALAW)[:, None], decode_alaw(codes), decode_ulaw(codes))

    def loudness(
        self, start: Integers, size: Integers, kind: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Mean magnitude of each payload; 0 where only its codec's decoder could say. Shape ``(n,)``."""
        loud = np.zeros(len(start), np.float32)
        for length, law in sorted(set(zip(size.tolist(), (kind > ALAW).tolist(), strict=True))):
            rows = np.flatnonzero((size == length) & ((kind > ALAW) == law) & (kind <= L16_48))
            if len(rows):
                samples = self.samples(start[rows], length, kind[rows])
                loud[rows] = np.abs(samples.astype(np.float32)).mean(axis=1)
        return loud


class Canvas:
    """The part of a track that is not finished yet: silence, until samples are written to it.

    One rate of sampling has one canvas. Positions are units of 125 µs; ``base`` is the first that is
    not finished. What is written last stays.
    """

    def __init__(self, factor: int = 1) -> None:
        """``factor`` samples are a unit."""
        self.base = 0
        self.end = 0
        """Position after the last sample that was written."""
        self.factor = factor
        self._lead = LONGEST_PAYLOAD * factor
        self._held = np.zeros(self._lead, np.int16)  # as many again before ``base``
        self._spare = 0
        """Samples at the end of what is held that are not to be written yet."""
        self._past = np.zeros(0, np.int16)

    @property
    def room(self) -> int:
        """Units from ``base`` on that can be written."""
        return (len(self._held) - self._spare - self._lead) // self.factor

    def reach(self, end: int) -> None:
        """Make room for positions below ``end``."""
        length = (end - self.base) * self.factor + self._lead
        missing = length - len(self._held)
        if missing > 0:
            held, self._held = self._held, np.zeros(length, np.int16)
            self._held[: len(held)] = held
        self._spare = min(self._spare, len(self._held) - length) if missing < 0 else 0

    def fits(self, place: Integers, units: Integers) -> NDArray[np.bool_]:
        """True where there is room for a packet, of which a part may be finished already."""
        at = place - self.base
        return (at + units > 0) & (at + units <= self.room)

    def write(self, payloads: Payloads, packets: Coded) -> int:
        """Write packets of codecs without state and of this rate; how many have no place here."""
        fits = self.fits(packets.place, packets.units)
        if not fits.all():
            packets = packets.rows(fits)
        place, start, size, units, kind = packets
        if len(place):
            self.end = max(self.end, int((place + units).max()))
        for first, last in _alike(size, kind):
            rows = slice(first, last)
            samples = payloads.samples(start[rows], int(size[first]), kind[rows])
            self._set(place[rows], samples[:, : int(units[first]) * self.factor])
        return len(fits) - int(fits.sum())

    def _set(self, place: Integers, samples: Samples) -> None:
        """Write rows of samples that fit. Shapes ``(n,)``, ``(n, m)``."""
        at = (place - self.base) * self.factor + self._lead
        length = samples.shape[1]
        if (at[1:] - at[:-1] == length).all():
            self._held[at[0] : at[-1] + length] = samples.reshape(-1)
        else:
            sliding_window_view(self._held, length, writeable=True)[at] = samples

    def put(self, place: int, samples: Samples) -> None:
        """Write samples that :meth:`fits`."""
        at = (place - self.base) * self.factor + self._lead
        self._held[at : at + len(samples)] = samples
        self.end = max(self.end, place + len(samples) // self.factor)

    def look(self, first: Integers, length: int) -> Samples:
        """Samples, ``length`` from each position ``first`` on; what is not held is zero. Shape ``(n, length)``.

        Never writes to what is held. One position at least.
        """
        at = (first - self.base) * self.factor + self._lead
        if at.min() >= 0 and at.max() + length <= len(self._held):
            inside: Samples = sliding_window_view(self._held, length)[at]
            return inside
        padded = np.concatenate(
            [np.zeros(length, np.int16), self._held, np.zeros(length, np.int16)]
        )
        start = np.clip(at + length, 0, len(padded) - length)
        windows: Samples = sliding_window_view(padded, length)[start]
        return windows

    def mute(self, begin: int, end: int) -> None:
        """Make silence of the positions from ``begin`` to ``end`` that are not finished."""
        first, last = (max((at - self.base) * self.factor, 0) + self._lead for at in (begin, end))
        self._held[first:last] = 0

    @property
    def blank(self) -> bool:
        """Nothing was written at or after ``base``."""
        return self.end <= self.base

    @property
    def quiet(self) -> bool:
        """Blank, and what was given out last is silence too."""
        return self.blank and not self._past.any()

    def skip(self, end: int) -> None:
        """Finish what lies before ``end`` of a blank canvas, as silence."""
        self.base = end
        self._held = np.zeros(self._lead, np.int16)
        self._spare = 0
        self._past = np.zeros(0, np.int16)

    def take(self, end: int, context: int = 0) -> Samples:
        """The samples from ``base`` to ``end``, which are finished by this.

        Args:
            end: Position.
            context: How many samples more are wanted before and after them.
        """
        if self.blank and not context:
            length = (end - self.base) * self.factor
            self.skip(end)
            return np.broadcast_to(np.int16(0), length)  # costs no memory
        self.reach(end + -(-context // self.factor))
        first = self._lead
        last = first + (end - self.base) * self.factor
        taken = self._held[first : last + context]
        if context:
            missing = np.zeros(max(context - len(self._past), 0), np.int16)
            before = np.concatenate([missing, self._past])[-context:]
            taken = np.concatenate([before, taken])
            self._past = taken[: len(taken) - context][-context:].copy()
        # As long as before: the next window needs as much.
        rest = self._held[last : len(self._held) - self._spare]
        self._held = np.zeros(len(self._held), np.int16)
        self._held[self._lead : self._lead + len(rest)] = rest
        self._spare = len(self._held) - self._lead - len(rest)
        self.base = end
        return taken


def _alike(size: Integers, kind: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Runs of packets of equal size and way of decoding, as first and last (exclusive)."""
    changes = size[1:] != size[:-1]
    if kind.max(initial=0) > ALAW:
        changes |= np.diff(np.maximum(kind, ALAW)) != 0
    bounds = [0, *(changes.nonzero()[0] + 1).tolist(), len(size)]
    return [pair for pair in itertools.pairwise(bounds) if pair[0] < pair[1]]
