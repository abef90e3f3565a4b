"""Decodes payloads and writes their samples where they belong, many packets at a time."""

import itertools

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from onrecord.audio.g711 import decode_alaw, decode_ulaw
from onrecord.timeline.payloads import ALAW
from onrecord.timeline.sequence import Integers

LONGEST_PAYLOAD = 2400
"""Samples that one packet may hold: 300 ms, more than any ptime in use."""


class Payloads:
    """The audio of a window's datagrams, which lie in one arena."""

    def __init__(self, arena: NDArray[np.uint8]) -> None:
        self._arena = arena

    def samples(self, start: Integers, size: int, kind: NDArray[np.uint8]) -> NDArray[np.int16]:
        """The samples of payloads of equal size, G.711 of either law. Shape ``(n, size)``."""
        codes = sliding_window_view(self._arena, size)[start]
        if not kind.any():
            return decode_ulaw(codes)
        if kind.all():
            return decode_alaw(codes)
        return np.where((kind == ALAW)[:, None], decode_alaw(codes), decode_ulaw(codes))

    def loudness(
        self, start: Integers, size: Integers, kind: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Mean magnitude of each payload. Shape ``(n,)``."""
        loud = np.zeros(len(start), np.float32)
        for length in np.unique(size).tolist():
            rows = np.flatnonzero(size == length)
            samples = self.samples(start[rows], length, kind[rows])
            loud[rows] = np.abs(samples.astype(np.float32)).mean(axis=1)
        return loud


class Canvas:
    """The part of a track that is not finished yet: silence, until samples are written to it.

    Position ``base`` is the first that is not finished. What is written last stays.
    """

    def __init__(self) -> None:
        self.base = 0
        self.end = 0
        """Position after the last sample that was written."""
        self._held = np.zeros(LONGEST_PAYLOAD, np.int16)  # as many again before ``base``

    def reach(self, end: int) -> None:
        """Make room for positions below ``end``."""
        missing = end - self.base + LONGEST_PAYLOAD - len(self._held)
        if missing > 0:
            self._held = np.concatenate([self._held, np.zeros(missing, np.int16)])

    def write(
        self,
        payloads: Payloads,
        place: Integers,
        start: Integers,
        size: Integers,
        kind: NDArray[np.uint8],
    ) -> int:
        """Write packets in the order given; returns how many have no place on the canvas."""
        room = len(self._held) - LONGEST_PAYLOAD
        at = place - self.base
        fits = (at + size > 0) & (at + size <= room)
        if not fits.all():
            place, at, start = place[fits], at[fits], start[fits]
            size, kind = size[fits], kind[fits]
        if len(at):
            self.end = max(self.end, int((place + size).max()))
        for first, last in _alike(size):
            rows = slice(first, last)
            length = int(size[first])
            target = sliding_window_view(self._held, length, writeable=True)
            target[at[rows] + LONGEST_PAYLOAD] = payloads.samples(start[rows], length, kind[rows])
        return len(fits) - int(fits.sum())

    @property
    def blank(self) -> bool:
        """Nothing was written at or after ``base``."""
        return self.end <= self.base

    def skip(self, end: int) -> None:
        """Finish what lies before ``end`` of a blank canvas, as silence."""
        self.base = end
        self._held = np.zeros(LONGEST_PAYLOAD, np.int16)

    def take(self, end: int) -> NDArray[np.int16]:
        """The samples from ``base`` to ``end``, which are finished by this. Shape ``(n,)``."""
        self.reach(end)
        n = end - self.base
        taken = self._held[LONGEST_PAYLOAD : LONGEST_PAYLOAD + n]
        self._held = np.concatenate(
            [np.zeros(LONGEST_PAYLOAD, np.int16), self._held[LONGEST_PAYLOAD + n :]]
        )
        self.base = end
        return taken


def _alike(size: Integers) -> list[tuple[int, int]]:
    """Runs of packets of equal size, as first and last (exclusive)."""
    edges = np.flatnonzero(np.diff(size)) + 1
    bounds = [0, *edges.tolist(), len(size)]
    return [pair for pair in itertools.pairwise(bounds) if pair[0] < pair[1]]
