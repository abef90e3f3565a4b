"""A recording in parts that an engine takes, cut in silence. Times in windows of 32 ms.

Two ways, because engines are paid differently. *Packed*, for the local engine: speech only, with the
silence between left out, so that no word is invented in it and few parts are needed. *Cut*, for the
clouds: stretches of the recording as it is, those without any speech left out.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from onrecord.speech.silence import WINDOW_MS
from onrecord.speech.source import Sound
from onrecord.speech.vad import probabilities, spans_of

PAD: Final = 8
"""Windows kept round packed speech: 256 ms."""
_EARLIEST: Final = 0.6
"""A hard cut lies in the last 40 % of what would fit."""
_QUIET: Final = 7
"""Windows that must be quiet together where a cut is made."""

Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Part:
    """What goes to the engine in one piece."""

    spans: tuple[tuple[int, int], ...]
    """Stretches of the recording, ``(start_ms, end_ms)``, one after another without a gap."""

    @property
    def key(self) -> str:
        """Tells this part of a file from every other part of it."""
        return f"{self.spans[0][0]}-{self.spans[-1][1]}"

    @property
    def duration_ms(self) -> int:
        """Of all spans together."""
        return sum(end - start for start, end in self.spans)

    def samples(self, sound: Sound, channel: int) -> NDArray[np.int16]:
        """One channel's samples. Shape ``(n,)``."""
        return np.concatenate([sound.cut(*span)[:, channel] for span in self.spans])

    def place(self, start_ms: float, end_ms: float) -> tuple[int, int]:
        """Where in the recording a stretch of the part lies, ``(start_ms, end_ms)``.

        A word that an engine stretches over the silence left out belongs to the span that holds most
        of it. What lies beyond the end counts as the end.
        """
        before = 0.0
        best = (-1.0, 0, 0)
        for first, last in self.spans:
            low = min(max(start_ms - before, 0.0), float(last - first))
            high = min(max(end_ms - before, 0.0), float(last - first))
            best = max(best, (high - low, first + round(low), first + round(high)))
            before += last - first
        return best[1:]


def packed(probability: NDArray[np.float32], limit_ms: int) -> list[Part]:
    """The speech of one channel in parts of at most ``limit_ms``.

    Args:
        probability: Of speech, by window. Shape ``(n,)``.
        limit_ms: A talker without a pause is cut where the probability is lowest.
    """
    limit = limit_ms // WINDOW_MS
    parts: list[Spans] = []
    room = 0
    for start, end in _split(_padded(spans_of(probability), len(probability)), probability, limit):
        if not parts or end - start > room:
            parts.append([])
            room = limit
        parts[-1].append((start, end))
        room -= end - start
    return [_part(spans) for spans in parts]


def cut(probability: NDArray[np.float32], limit_ms: int) -> list[Part]:
    """The recording in parts of at most ``limit_ms``, without the parts that hold no speech.

    Args:
        probability: Of speech, the highest of all channels, by window. Shape ``(n,)``.
        limit_ms: A cut lies where the silence is deepest.
    """
    speech = spans_of(probability)
    whole = _split([(0, len(probability))], probability, limit_ms // WINDOW_MS)
    heard = [(a, b) for a, b in whole if any(start < b and end > a for start, end in speech)]
    return [_part([span]) for span in heard]


def loudest(sound: Sound) -> NDArray[np.float32]:
    """The highest probability of speech of all channels, by window. Shape ``(n,)``."""
    heard = [probabilities(channel, sound.rate) for channel in sound.samples.T]
    highest: NDArray[np.float32] = np.max(heard, axis=0)
    return highest


def _part(spans: Spans) -> Part:
    return Part(tuple((start * WINDOW_MS, end * WINDOW_MS) for start, end in spans))


def _padded(spans: Spans, length: int) -> Spans:
    """Each with a little silence round it; what then touches is one."""
    found: Spans = []
    for start, end in ((max(0, a - PAD), min(length, b + PAD)) for a, b in spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _split(spans: Spans, probability: NDArray[np.float32], limit: int) -> Spans:
    found: Spans = []
    for first, end in spans:
        start = first
        while end - start > limit:
            stop = _quietest(probability, start + int(limit * _EARLIEST), start + limit)
            found.append((start, stop))
            start = stop
        found.append((start, end))
    return found


def _quietest(probability: NDArray[np.float32], low: int, high: int) -> int:
    """The middle of the quietest place, the latest of equals; between ``low`` and ``high``."""
    near = probability[low:high]
    side = _QUIET // 2
    around = np.convolve(near, np.ones(_QUIET))[side:-side]
    return high - 1 - int(np.argmin(around[::-1].round(3)))
